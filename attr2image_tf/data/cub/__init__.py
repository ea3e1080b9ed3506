"""Caltech-UCSD Birds: `builder` prepares and opens it, `files` reads the official files."""

from attr2image_tf.data.registry import Entry


def _open(detail, *, seed, **files):
    from attr2image_tf.data.cub.builder import open_cub
    return open_cub(attributes=detail, **files)


ENTRY = Entry("cub", _open, ("image", "class"), "cub_attributes", "Attributes of cub: labels of each picture, or "
              "shares of its species, which are also taken where the archive has no labels of pictures.")
