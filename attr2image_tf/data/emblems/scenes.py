"""The factors of emblems, and how one attribute of a scene is changed."""

import numpy as np

from attr2image_tf.data.emblems.rendering import (
    ATTRIBUTES,
    BACKGROUNDS,
    SHAPES,
    attributes_of,
    draw_scenes,
    render,
)
from attr2image_tf.data.scenes import BACKGROUND, FOREGROUND, Factor, Scenes

_STRIPED, _BORDERED = 5, 6  # columns; below one half there are stripes, or a border
_KIND = 10
_STRIPES = ((_STRIPED, 0, 2),)
_DIRECTED = ((_KIND, BACKGROUNDS.index("Gradient Background"), len(BACKGROUNDS)),)

FACTORS = (
    Factor("shape", 0, FOREGROUND, len(SHAPES), attribute=True),
    Factor("hue", 1, FOREGROUND, attribute=True),
    Factor("size", 4, FOREGROUND, attribute=True),
    Factor("stripes", _STRIPED, FOREGROUND, 2, attribute=True),
    Factor("border", _BORDERED, FOREGROUND, 2, attribute=True),
    Factor("right", 7, FOREGROUND, attribute=True),
    Factor("low", 8, FOREGROUND, attribute=True),
    Factor("tilt", 9, FOREGROUND, attribute=True),
    Factor("kind of background", _KIND, BACKGROUND, len(BACKGROUNDS), attribute=True),
    Factor("brightness of the background", 11, BACKGROUND, attribute=True),
    Factor("width of stripes", 14, FOREGROUND, where=_STRIPES),
    Factor("phase of stripes", 15, FOREGROUND, where=_STRIPES),
    Factor("direction of the light", 16, FOREGROUND),
    Factor("hue of the background", 30, BACKGROUND),
    Factor("saturation of the background", 32, BACKGROUND),
    Factor("direction of a gradient", 18, BACKGROUND, where=_DIRECTED),
)


def _set(name, change):
    """A change of one column."""
    def changed(attributes):
        attributes = attributes.copy()
        attributes[:, ATTRIBUTES.index(name)] = change(attributes[:, ATTRIBUTES.index(name)])
        return attributes
    return changed


def _next_of(names):
    """Another one of some kinds of which each scene has one."""
    columns = [ATTRIBUTES.index(name) for name in names]

    def changed(attributes):
        attributes = attributes.copy()
        attributes[:, columns] = np.roll(attributes[:, columns], 1, axis=1)
        return attributes
    return changed


def _half_across(low, high):
    """Half the range up or down, whichever stays inside."""
    def change(values):
        middle = (low + high) / 2
        return np.where(values < middle, values + middle - low, values - (middle - low))
    return change


CHANGES = {
    "shape": _next_of(SHAPES),
    **{name: _set(name, _half_across(0.0, 1.0)) for name in ("Red", "Green", "Blue", "Large")},
    **{name: _set(name, lambda values: 1.0 - values) for name in ("Striped", "Bordered")},
    **{name: _set(name, _half_across(-1.0, 1.0)) for name in ("Right", "Low", "Tilted")},
    "kind of background": _next_of(BACKGROUNDS),
    "Bright Background": _set("Bright Background", _half_across(0.0, 1.0)),
}

SCENES = Scenes(FACTORS, lambda seed, count: draw_scenes(seed, "test", count), attributes_of, render, CHANGES)
