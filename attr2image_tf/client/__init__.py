"""For apps: exported models in a folder or behind TF Serving, and photos for them."""

from attr2image_tf.client.client import Client, Found, ServerError, connect
from attr2image_tf.photos.faces import Face, find_faces
from attr2image_tf.photos.square import Square
from attr2image_tf.photos.turned_square import TurnedSquare

__all__ = ["Client", "Face", "Found", "ServerError", "Square", "TurnedSquare", "connect", "find_faces"]
