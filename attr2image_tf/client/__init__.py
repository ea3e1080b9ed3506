"""What an app uses: exported models in a folder or behind TF Serving, and photos for them."""

from attr2image_tf.client.client import Client, Found, ServerError, connect

__all__ = ["Client", "Found", "ServerError", "connect"]
