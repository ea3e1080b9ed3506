"""Pictures of any size: the square that a model sees, and the way back into the whole picture."""

import dataclasses

import numpy as np
from PIL import Image

from attr2image_tf import pixels


class Region:
    """What a model sees of a picture: how it is cut out, and the way back. `Square` and `TurnedSquare` are such."""

    def check(self, height: int, width: int):
        """Raises ValueError unless a picture of this size has such a region."""
        raise NotImplementedError(f"{type(self).__name__} does not define check.")

    def cut(self, picture: np.ndarray, size: int, hidden: np.ndarray | None = None) -> np.ndarray:
        """The region scaled to uint8 [size, size, 3], Lanczos with antialiasing, as the data sets are prepared.

        Args:
            picture: uint8 [H, W, 3].
            size: int, pixels.
            hidden: bool [H, W], what must not be seen, or None. Pixels that it does not touch then depend on what is
                visible alone; those that it touches hold something of what is visible there, or black.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define cut.")

    def touched(self, hidden: np.ndarray, size: int) -> np.ndarray:
        """Which pixels of the small picture any part of a mask falls on: bool [H, W] to bool [size, size]."""
        raise NotImplementedError(f"{type(self).__name__} does not define touched.")

    def share(self, values: np.ndarray, size: int) -> np.ndarray:
        """The mean of numbers [H, W] over each pixel of the small picture: float32 [size, size]."""
        raise NotImplementedError(f"{type(self).__name__} does not define share.")

    def as_json(self) -> list | dict:
        """Where the region is, in pixels of the picture."""
        raise NotImplementedError(f"{type(self).__name__} does not define as_json.")

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

    def put_back(self, picture: np.ndarray, before: np.ndarray, after: np.ndarray, hidden=None) -> np.ndarray:
        """The whole picture with the region changed as a model changed its small copy.

        What is added is the enlarged difference of the two small pictures, so that detail which the model never saw
        stays; in a turned square it fades out towards the edge. What was hidden is replaced by the enlarged result
        itself.

        Args:
            picture: uint8 [H, W, 3].
            before: uint8 [size, size, 3], from `cut`.
            after: uint8 [size, size, 3], the model's.
            hidden: bool [H, W], or None.

        Returns:
            uint8 [H, W, 3].
        """
        place, weight = self._place(*picture.shape[:2])
        after = after.astype(np.float32)
        difference = after - before
        if hidden is not None:
            # Nothing of what replaces the hidden part may leak over its edge.
            difference[self.touched(hidden, len(before))] = 0.0
        changed = picture[place] + weight * self._enlarged(difference, place)
        if hidden is not None:
            inside = hidden[place][..., np.newaxis] & (weight > 0.0)
            changed = np.where(inside, self._enlarged(after, place), changed)
        result = picture.copy()
        result[place] = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
        return result

    def _place(self, height, width):
        """Slices of a picture around the region, and how much of a change each pixel there gets: float or [h, w, 1]."""
        raise NotImplementedError(f"{type(self).__name__} does not define _place.")

    def _enlarged(self, values, place):
        """A small picture float32 [size, size, 3] on the pixels of a place, float32 [h, w, 3]."""
        raise NotImplementedError(f"{type(self).__name__} does not define _enlarged.")


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
        return np.clip(np.rint(np.stack(channels, -1)), 0, 255).astype(np.uint8)

    def touched(self, hidden, size):
        return pixels.area_mean(hidden, self._box, (size, size)) > 0

    def share(self, values, size):
        return pixels.area_mean(values, self._box, (size, size))

    def as_json(self):
        return [self.left, self.top, self.side]

    @property
    def _box(self):
        return self.left, self.top, self.left + self.side, self.top + self.side

    def _place(self, height, width):
        return (slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)), np.float32(1.0)

    def _enlarged(self, values, place):
        return enlarged(values, self.side)


def enlarged(values: np.ndarray, side: int) -> np.ndarray:
    """A picture float32 [size, size, 3] scaled to float32 [side, side, 3], bicubic."""
    return np.stack([np.asarray(Image.fromarray(values[..., channel]).resize((side, side), Image.Resampling.BICUBIC))
                     for channel in range(3)], -1)
