"""TurnedSquare: a square that lies in a picture at any angle and size, as a face does."""

import dataclasses

import numpy as np
from PIL import Image

from attr2image_tf.photos.square import Region, Square, as_levels, faded, in_face, pixel_middles

# Sides of the picture. Of a larger square most would be invented.
LARGEST_SIDE = 4
# A square so many times as large as it will be is first made smaller by whole pixels: what the filter then still has to
# do looks the same, and does not grow with the photo.
_ENOUGH = 8
# Bicubic by another kernel than a turn's, which overshoots, goes up to this side; what is left is smooth.
_LARGEST_STEP = 1024
# Pixels by which a small picture goes on beyond its edge, for bicubic interpolation.
_BORDER = 2


@dataclasses.dataclass(frozen=True)
class TurnedSquare(Region):
    """A square of a picture that may be turned, have any size, and reach beyond the picture, whose edge goes on there.

    Attributes:
        x, y: floats. Its middle, in pixels from the picture's upper left corner.
        side: float, pixels.
        angle: float, degrees clockwise.
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def fit(cls, points: np.ndarray, places: np.ndarray) -> "TurnedSquare":
        """The square in which points lie nearest to given places, by the sum of squared distances in the picture.

        Args:
            points: [K, 2], x and y in pixels of the picture; K is at least 2.
            places: [K, 2], x and y in shares of the square from its upper left corner.
        """
        # As complex numbers a similarity is a product and a sum.
        points, places = (np.asarray(each, np.float64) @ [1.0, 1.0j] for each in (points, places))
        places = places - (0.5 + 0.5j)
        centred = places - places.mean()
        factor = np.vdot(centred, points) / np.vdot(centred, centred).real
        middle = points.mean() - factor * places.mean()
        return cls(float(middle.real), float(middle.imag), float(abs(factor)), float(np.degrees(np.angle(factor))))

    def scaled(self, factor: float) -> "TurnedSquare":
        """The same square of the picture scaled by a factor."""
        return TurnedSquare(factor * self.x, factor * self.y, factor * self.side, self.angle)

    def __str__(self):
        return f"{self.x:.1f},{self.y:.1f},{self.side:.1f},{self.angle:.1f} (x and y of the middle, side, degrees)"

    def check(self, height, width):
        if not (0 <= self.x <= width and 0 <= self.y <= height and 1 <= self.side <= LARGEST_SIDE * max(height, width)):
            raise ValueError(f"region {self}: expected a middle within the picture of {width} x {height} pixels, and a "
                             f"side of 1 to {LARGEST_SIDE * max(height, width)}.")

    def cut(self, picture, size, hidden=None):
        if hidden is None or not hidden.any():
            region, picture = self._smaller(size, picture)
            if region != self:
                return region.cut(picture, size)
            return self._upright(size).cut(as_levels(self._channels(picture, size)), size)
        region, shown, share, covered = self._smaller(size, np.where(hidden[..., np.newaxis], np.uint8(0), picture),
                                                      np.where(hidden, np.uint8(0), np.uint8(255)), hidden)
        if region != self:
            visible = np.maximum(share, 1)[..., np.newaxis] / np.float32(255)
            return region.cut(as_levels(shown / visible), size, covered)
        visible = np.float32(~hidden)
        # Where none of the nearest four pixels is hidden, the weights of the visible ones are at least 0.93 together.
        weight = np.maximum(self._sampled(visible, size, Image.Resampling.BICUBIC), 0.9)
        upright = self._channels(visible[..., np.newaxis] * picture, size) / weight[..., np.newaxis]
        return self._upright(size).cut(as_levels(upright), size, self._covered(hidden, size))

    def touched(self, hidden, size):
        region, hidden = self._smaller(size, hidden)
        if region != self:
            return region.touched(hidden, size)
        return self._upright(size).touched(self._covered(hidden, size), size)

    def share(self, values, size):
        region, values = self._smaller(size, np.asarray(values, np.float32))
        if region != self:
            return region.share(values, size)
        return self._upright(size).share(self._sampled(values, size, Image.Resampling.BILINEAR), size)

    def as_json(self):
        # A hundredth of a pixel is finer than any face is found.
        return {"middle": [round(self.x, 2), round(self.y, 2)], "side": round(self.side, 2),
                "degrees": round(self.angle, 2)}

    def _upright(self, size):
        """The square set upright in a picture of its own, in which no pixel is lost.

        Around it lies as much as the filter reaches that makes it small.
        """
        side = max(size, int(np.ceil(self.side - 1e-6)))
        margin = int(np.ceil(3 * side / size)) + 1
        return Square(margin, margin, side)

    def _channels(self, picture, size):
        return np.stack([self._sampled(picture[..., channel], size, Image.Resampling.BICUBIC)
                         for channel in range(3)], -1)

    def _covered(self, hidden, size):
        """Which pixels around the square set upright have a hidden pixel among the nearest four."""
        return self._sampled(hidden, size, Image.Resampling.BILINEAR) > 0.0

    def _sampled(self, values, size, resampling):
        """Numbers [H, W] at the pixels around the square set upright, float32; beyond the picture its edge goes on."""
        upright = self._upright(size)
        count, step = upright.side + 2 * upright.left, self.side / upright.side
        (left, top), (right, bottom) = self._around(count * step / 2, margin=2)
        height, width = values.shape
        rows, columns = (slice(max(low, 0), min(high, limit))
                         for low, high, limit in ((top, bottom, height), (left, right, width)))
        part = np.pad(values[rows, columns].astype(np.float32), (
            (rows.start - top, bottom - rows.stop), (columns.start - left, right - columns.stop)), mode="edge")
        across, down = self._axes() * step
        start = np.array([self.x - left, self.y - top]) - (across + down) * count / 2
        return _transformed(part, (count, count), across, down, start, resampling)

    def core(self, place):
        return in_face(*self._within(place))

    def _place(self, height, width):
        (left, top), (right, bottom) = self._around(self.side / 2)
        return slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))

    def _weight(self, place, height, width):
        across, down = self._within(place)
        return faded(0.5 - np.maximum(abs(across), abs(down)))

    def _within(self, place):
        """Where the pixels of a place lie in the square: float32 [h, w] across and down, in shares of the side."""
        y, x = pixel_middles(place)
        across, down = (np.float32(axis / self.side) for axis in self._axes())
        x, y = x - np.float32(self.x), y[:, np.newaxis] - np.float32(self.y)
        return across[0] * x + across[1] * y, down[0] * x + down[1] * y

    def _enlarger(self, values):
        count = min(max(1, round(self.side)), _LARGEST_STEP)
        # What has been enlarged that far is smooth: the rest is within a level of the costlier filter.
        filtering = Image.Resampling.BICUBIC if count < _LARGEST_STEP else Image.Resampling.BILINEAR
        values = np.stack([np.asarray(Image.fromarray(values[..., channel]).resize(
            (count, count), Image.Resampling.BICUBIC)) for channel in range(3)], -1)
        values = np.pad(values, ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0)), "edge")
        # The inverse of a turn is its transpose.
        across, down = self._axes().T * count / self.side

        def enlarged(place):
            (height, width), (top, left) = ([each.stop - each.start for each in place], [each.start for each in place])
            start = count / 2 + _BORDER + (left - self.x) * across + (top - self.y) * down
            return np.stack([_transformed(values[..., channel], (width, height), across, down, start,
                                          filtering) for channel in range(3)], -1)

        return enlarged

    def _smaller(self, size, *arrays):
        """The same square of a picture made smaller, where it is much larger than it will be, and what is left of
        arrays [H, W, ...] of the picture around it: pixels by their mean, bools where any is True."""
        factor = int(self.side // (_ENOUGH * size))
        if factor < 2:
            return self, *arrays
        (left, top), (right, bottom) = self._around(self.side * (0.5 + 4 / size))
        left, top = max(left, 0), max(top, 0)
        region = TurnedSquare((self.x - left) / factor, (self.y - top) / factor, self.side / factor, self.angle)
        return region, *(_reduced(array[top:bottom, left:right], factor) for array in arrays)

    def _axes(self):
        """What a step to the right and one downwards in the square are in the picture, each x and y, of length 1."""
        turn = np.radians(self.angle)
        return np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    def _around(self, half, margin=0):
        """Upper left and lower right corner, ints x and y, of the upright box around a square of half a side."""
        reach = abs(self._axes()).sum(0) * half
        middle = np.array([self.x, self.y])
        return (np.floor(middle - reach).astype(int) - margin).tolist(), (
            np.ceil(middle + reach).astype(int) + margin).tolist()


def _transformed(values, size, across, down, start, resampling):
    """Numbers [H, W] float32 sampled at start + i * across + j * down for pixel i, j of a picture of a size."""
    coefficients = (across[0], down[0], start[0], across[1], down[1], start[1])
    return np.asarray(Image.fromarray(values).transform(size, Image.Transform.AFFINE, coefficients, resampling))


def _reduced(values, factor):
    """Means of factor x factor pixels of [H, W] or [H, W, 3]; of bools whether any is True."""
    if values.dtype == bool:
        height, width = values.shape
        whole = np.pad(values, ((0, -height % factor), (0, -width % factor)))
        return whole.reshape(whole.shape[0] // factor, factor, -1, factor).any((1, 3))
    return np.asarray(Image.fromarray(np.ascontiguousarray(values)).reduce(factor))
