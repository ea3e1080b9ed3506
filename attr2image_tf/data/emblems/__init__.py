"""Emblems: `rendering` draws the scenes, `scenes` knows their factors."""

from attr2image_tf.data.emblems.rendering import ATTRIBUTES, BACKGROUNDS, SHAPES, attributes_of, open_emblems, render
from attr2image_tf.data.emblems.scenes import SCENES
from attr2image_tf.data.registry import Entry

__all__ = ["ATTRIBUTES", "BACKGROUNDS", "ENTRY", "SHAPES", "attributes_of", "open_emblems", "render"]


def _open(detail, *, image_size, seed, **unused):
    return open_emblems(image_size=image_size, seed=seed)


ENTRY = Entry("emblems", _open, background_attributes=(*BACKGROUNDS, "Bright Background"), scenes=SCENES)
