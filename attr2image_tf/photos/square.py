"""Pictures of any size: the square that a model sees, and the way back into the whole picture."""

import abc
import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from attr2image_tf import pixels

# A change fades out over this share of the side, so that no seam is seen.
FEATHER = 0.1
# The ellipse that a face fills of its region: half its width and height, and its middle from the top, in shares of the
# side; and over what share of it a neighbour's change fades out.
_FACE, _FACE_MIDDLE, _FACE_EDGE = (0.32, 0.46), 0.52, 0.15
# Pixels that are changed at a time.
_BAND_PIXELS = 1_000_000


class Region(abc.ABC):
    """What a model sees of a picture: how it is cut out, and the way back. `Square` and `TurnedSquare` are such."""

    @abc.abstractmethod
    def check(self, height: int, width: int):
        """Raises ValueError unless a picture of this size has such a region."""

    @abc.abstractmethod
    def cut(self, picture: np.ndarray, size: int, hidden: np.ndarray | None = None) -> np.ndarray:
        """The region scaled to uint8 [size, size, 3], Lanczos with antialiasing, as the data sets are prepared.

        Args:
            picture: uint8 [H, W, 3].
            size: int, pixels.
            hidden: bool [H, W], what must not be seen, or None. Pixels that it does not touch then depend on what is
                visible alone; those that it touches hold something of what is visible there, or black.
        """

    @abc.abstractmethod
    def touched(self, hidden: np.ndarray, size: int) -> np.ndarray:
        """Which pixels of the small picture any part of a mask falls on: bool [H, W] to bool [size, size]."""

    @abc.abstractmethod
    def share(self, values: np.ndarray, size: int) -> np.ndarray:
        """The mean of numbers [H, W] over each pixel of the small picture: float32 [size, size]."""

    @abc.abstractmethod
    def as_json(self) -> list | dict:
        """Where the region is, in pixels of the picture."""

    def observed(self, hidden: np.ndarray, size: int) -> np.ndarray:
        """Which pixels of the small picture a mask leaves visible: bool [H, W] to bool [size, size].

        Raises:
            ValueError: all of the region is hidden, or nothing of it.
        """
        observed = ~self.touched(hidden, size)
        if not observed.any() or observed.all():
            raise ValueError(f"what is hidden covers {'all' if not observed.any() else 'nothing'} of the region "
                             f"{self}.")
        return observed

    def put_back(self, picture: np.ndarray, before: np.ndarray, after: np.ndarray, hidden=None,
                 others: Sequence["Region"] = ()) -> np.ndarray:
        """The whole picture with the region changed as a model changed its small copy.

        What is added is the enlarged difference of the two small pictures, so that detail which the model never saw
        stays; it fades out towards the region's edge, but where that is the picture's. What was hidden is replaced by
        the enlarged result itself. A grey picture stays grey.

        Args:
            picture: uint8 [H, W, 3].
            before: uint8 [size, size, 3], from `cut`.
            after: uint8 [size, size, 3], the model's.
            hidden: bool [H, W], or None.
            others: regions of other faces, which are kept off.

        Returns:
            uint8 [H, W, 3].
        """
        after = after.astype(np.float32)
        difference = after - before
        if hidden is not None:
            # Nothing of what replaces the hidden part may leak over its edge.
            difference[self.touched(hidden, len(before))] = 0.0
        result = picture.copy()
        rows, columns = self._place(*picture.shape[:2])
        grey = (picture[rows, columns, :1] == picture[rows, columns]).all()
        height = max(1, _BAND_PIXELS // max(1, columns.stop - columns.start))
        change, replacement = self._enlarger(difference), self._enlarger(after)
        # A band at a time: as floats all of a large photo would take gigabytes.
        for top in range(rows.start, rows.stop, height):
            place = slice(top, min(top + height, rows.stop)), columns
            weight = self._weight(place, *picture.shape[:2])[..., np.newaxis]
            for other in others:
                weight = weight * (1.0 - other.core(place)[..., np.newaxis])
            changed = picture[place] + weight * change(place)
            if hidden is not None:
                inside = hidden[place][..., np.newaxis] & (weight > 0.0)
                changed = np.where(inside, replacement(place), changed)
            changed = as_levels(changed)
            result[place] = as_grey(changed) if grey else changed
        return result

    @abc.abstractmethod
    def core(self, place: tuple[slice, slice]) -> np.ndarray:
        """How far pixels of a place lie within the ellipse that a face fills of the region: float32 [h, w], 0 to 1."""

    @abc.abstractmethod
    def _place(self, height, width):
        """Slices of a picture around the region."""

    @abc.abstractmethod
    def _weight(self, place, height, width):
        """How much of a change each pixel of a place gets, float32 [h, w]."""

    @abc.abstractmethod
    def _enlarger(self, values):
        """Function of a place to a small picture float32 [size, size, 3] on its pixels, float32 [h, w, 3]."""


@dataclasses.dataclass(frozen=True)
class Square(Region):
    """A square of a picture, in pixels from the upper left corner."""

    left: int
    top: int
    side: int

    @classmethod
    def central(cls, height: int, width: int) -> "Square":
        """The largest square in the middle."""
        side = min(height, width)
        return cls((width - side) // 2, (height - side) // 2, side)

    def __str__(self):
        return f"{self.left},{self.top},{self.side} (left, top, side)"

    def check(self, height, width):
        if min(self.left, self.top) < 0 or self.side < 1 or self.left + self.side > width or (
                self.top + self.side > height):
            raise ValueError(f"region {self} does not lie within a picture of {width} x {height} pixels.")

    def cut(self, picture, size, hidden=None):
        def small(values):
            return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.LANCZOS, box=self._box))

        if hidden is None or not hidden.any():
            return small(picture)
        # The filter reaches further than a pixel. Each result is divided by what of its weight fell on visible pixels.
        visible = np.float32(~hidden)
        weight = small(visible)
        channels = [small(visible * picture[..., channel]) / np.maximum(weight, 0.1) for channel in range(3)]
        return as_levels(np.stack(channels, -1))

    def touched(self, hidden, size):
        return pixels.area_mean(hidden, self._box, (size, size)) > 0

    def share(self, values, size):
        return pixels.area_mean(values, self._box, (size, size))

    def as_json(self):
        return [self.left, self.top, self.side]

    @property
    def _box(self):
        return self.left, self.top, self.left + self.side, self.top + self.side

    def core(self, place):
        y, x = pixel_middles(place)
        return in_face((x - self.left) / self.side - 0.5, ((y - self.top) / self.side)[:, np.newaxis] - 0.5)

    def _place(self, height, width):
        return slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)

    def _weight(self, place, height, width):
        def along(middles, start, length):
            before = middles - start if start > 0 else np.full_like(middles, np.inf)
            behind = start + self.side - middles if start + self.side < length else np.full_like(middles, np.inf)
            return np.minimum(before, behind) / self.side

        y, x = pixel_middles(place)
        return faded(np.minimum(along(y, self.top, height)[:, np.newaxis], along(x, self.left, width)))

    def _enlarger(self, values):
        channels, scale = [Image.fromarray(values[..., channel]) for channel in range(3)], len(values) / self.side

        def enlarged(place):
            rows, _ = place
            box = (0, (rows.start - self.top) * scale, len(values), (rows.stop - self.top) * scale)
            size = self.side, rows.stop - rows.start
            return np.stack([np.asarray(channel.resize(size, Image.Resampling.BICUBIC, box=box))
                             for channel in channels], -1)

        return enlarged


def pixel_middles(place: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """y and x of the middles of the pixels of a place, float32."""
    return tuple(np.arange(each.start, each.stop, dtype=np.float32) + np.float32(0.5) for each in place)


def faded(to_edge: np.ndarray) -> np.ndarray:
    """How much of a change a pixel gets, float32, from its way to the region's edge in shares of the side."""
    share = np.clip(to_edge / np.float32(FEATHER), 0.0, 1.0).astype(np.float32)
    return share * share * (3.0 - 2.0 * share)


def in_face(across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """How far places of a region lie within the ellipse of its face: float32 in [0, 1].

    Args:
        across, down: in shares of the side, from the region's middle.
    """
    (width, height), middle = _FACE, _FACE_MIDDLE - 0.5
    distance = np.sqrt(np.square(across / width) + np.square((down - middle) / height))
    return np.clip((1.0 + _FACE_EDGE - distance) / _FACE_EDGE, 0.0, 1.0).astype(np.float32)


def as_levels(values: np.ndarray) -> np.ndarray:
    """Numbers as uint8, rounded to nearest; those outside 0 to 255 are clipped."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def as_grey(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of the same light (Rec. 601), without colour."""
    return np.repeat(np.asarray(Image.fromarray(picture).convert("L"))[..., np.newaxis], 3, -1)
