"""Scenes: what a rendered data set knows about its pictures: factors, layers, and how to draw another one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from attr2image_tf.later import tf

FOREGROUND, BACKGROUND = "foreground", "background"


@dataclasses.dataclass(frozen=True)
class Factor:
    """One independent factor of a scene, uniform in [0, 1).

    Attributes:
        name: text.
        column: int. Its place among the numbers of a scene.
        layer: "foreground" or "background", where it can be seen.
        levels: int. Equal parts of [0, 1) that are distinguished: the kinds of a choice, or bins of something
            continuous.
        attribute: bool. Whether the attributes determine it; what they do not is left to the latents.
        where: (column, level, levels) of choices under which alone it can be seen: the phase of stripes where there are
            stripes.
    """

    name: str
    column: int
    layer: str
    levels: int = 6
    attribute: bool = False
    where: tuple[tuple[int, int, int], ...] = ()

    def level(self, draws: np.ndarray) -> np.ndarray:
        """Which part of [0, 1) each row of `draws` [N, D] is in: int [N] in [0, levels)."""
        return _level(draws[:, self.column], self.levels)

    def visible(self, draws: np.ndarray) -> np.ndarray:
        """Whether it can be seen in each scene: bool [N]."""
        seen = np.ones(len(draws), bool)
        for column, level, levels in self.where:
            seen &= _level(draws[:, column], levels) == level
        return seen

    def fix(self, draws: np.ndarray, value: np.ndarray) -> np.ndarray:
        """A copy of `draws` [N, D] in which it has `value` [N], and can be seen."""
        draws = draws.copy()
        draws[:, self.column] = value
        for column, level, levels in self.where:
            draws[:, column] = (level + 0.5) / levels
        return draws


def _level(values, levels):
    return np.floor(values * levels).astype(int)


@dataclasses.dataclass(frozen=True)
class Scenes:
    """The renderer of a data set.

    Attributes:
        factors: of every scene.
        draw: function of a seed and a count to the numbers of that many scenes, float32 [N, D] in [0, 1).
        attributes: function of numbers [N, D] to attributes float32 [N, A], as the data set has them.
        render: function of numbers [B, D], attributes [B, A], which may be others, and a size in pixels to image,
            foreground, background, float32 [B, H, W, 3], and mask, float32 [B, H, W, 1], all in [0, 1].
        changes: by name, function of attributes [N, A] to the same scenes with one attribute changed, [N, A].
    """

    factors: tuple[Factor, ...]
    draw: Callable[[int, int], np.ndarray]
    attributes: Callable[[np.ndarray], np.ndarray]
    render: Callable[[np.ndarray, np.ndarray, int], Mapping[str, tf.Tensor]]
    changes: Mapping[str, Callable[[np.ndarray], np.ndarray]]
