"""Photos of any size: reads them, cuts out the square or face that a model sees, and puts results back. No models."""

from attr2image_tf.photos.faces import Face, find_faces
from attr2image_tf.photos.reading import PictureError, decode, read, read_hidden
from attr2image_tf.photos.square import Region, Square
from attr2image_tf.photos.turned_square import TurnedSquare

__all__ = ["Face", "PictureError", "Region", "Square", "TurnedSquare", "decode", "find_faces", "read", "read_hidden"]
