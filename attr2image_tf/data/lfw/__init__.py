"""Labeled Faces in the Wild: `builder` prepares and opens it, `files` reads the official files."""

from attr2image_tf.data.registry import Entry


def _open(detail, *, seed, **files):
    from attr2image_tf.data.lfw.builder import open_lfw
    return open_lfw(**files)


# The box is the median of dlib's detector over test pictures, which are funneled and cut to one square.
ENTRY = Entry("lfw", _open, background_attributes=("Outdoor",), face_box=(0.14, 0.21, 0.84, 0.91))
