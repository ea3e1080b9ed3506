"""Labeled Faces in the Wild: `builder` prepares and opens it, `files` reads the official files."""

from attr2image_tf.data.registry import Entry


def _open(detail, *, seed, **files):
    from attr2image_tf.data.lfw.builder import open_lfw
    return open_lfw(**files)


ENTRY = Entry("lfw", _open, background_attributes=("Outdoor",))
