"""Photos of any size: reading them, the square or the face that a model sees, and the way back. It knows no model."""

from attr2image_tf.photos.faces import Face, find_faces
from attr2image_tf.photos.reading import PictureError, decode, read, read_hidden
from attr2image_tf.photos.square import Region, Square
from attr2image_tf.photos.turned_square import TurnedSquare

__all__ = ["Face", "PictureError", "Region", "Square", "TurnedSquare", "decode", "find_faces", "read", "read_hidden"]
