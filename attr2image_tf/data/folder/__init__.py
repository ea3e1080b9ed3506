"""A user's own pictures: `table`, `check`, `chunks`, `builder` and `report`, in the order in which they are used."""

from attr2image_tf.data.registry import Entry


def _open(detail, *, image_size, **unused):
    from attr2image_tf.data.folder.builder import open_folder
    return open_folder(detail, image_size=image_size)


ENTRY = Entry("folder", _open, details=None)
