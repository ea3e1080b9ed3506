"""The former place of `attr2image_tf.client`."""
from attr2image_tf.client import Client, Found, ServerError, connect  # noqa: F401
