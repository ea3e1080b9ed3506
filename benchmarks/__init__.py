"""Speed, as ratios to a peer measured in the same run.

Imports the library first, since that sets what TensorFlow reads when it is imported.
"""

import attr2image_tf  # noqa: F401
