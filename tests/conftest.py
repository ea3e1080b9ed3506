"""What all tests share: the settings of TensorFlow, and how tests are spread over processes."""

import os

# Set before TensorFlow is imported, which reads it once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
