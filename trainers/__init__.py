"""Command lines. TensorFlow is imported when there is work: --help and a mistake in a flag do not wait for it.

The library is imported first, since that sets what TensorFlow reads when it is imported.
"""

import attr2image_tf  # noqa: F401
