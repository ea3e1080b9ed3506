"""Pixels: the one place that converts ranges, masks and composes pictures, and lays them out.

Three ranges exist. Files and TFRecords hold uint8 in [0, 255]; public edges (signatures, pages) use float32 in
[0, 1]; models work on float32 in [-1, 1]. All pictures are NHWC, or HWC for a single one.
"""

import io
import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attr2image_tf.files import replacing
from attr2image_tf.later import tf


def model_range_from_uint8(images):
    """uint8 in [0, 255] to float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def model_range_from_unit(images):
    """float32 in [0, 1] to float32 in [-1, 1]."""
    return images * 2.0 - 1.0


def unit_from_model_range(images):
    """float32 in [-1, 1] to float32 in [0, 1]; values outside are clipped."""
    return tf.clip_by_value(images * 0.5 + 0.5, 0.0, 1.0)


def uint8_from_model_range(images):
    """float32 in [-1, 1] to uint8 in [0, 255], rounded to nearest; values outside are clipped."""
    return uint8_from_unit(unit_from_model_range(images))


def uint8_from_unit(images):
    """float32 in [0, 1] to uint8 in [0, 255], rounded to nearest; values outside are clipped."""
    return tf.cast(tf.round(tf.clip_by_value(images, 0.0, 1.0) * 255.0), tf.uint8)


def mask_foreground(images, masks):
    """The foreground x_F: pixels in [-1, 1] with the background set to 0, which is mid-grey.

    The multiplication comes after the scaling to [-1, 1]; the other order would leave -1 (black) behind the mask,
    and x_F + g * x_B (eq. 4) could then never be brighter than mid-grey.

    Args:
        images: float32 [..., H, W, 3] in [-1, 1].
        masks: float32 [..., H, W, 1] in [0, 1], 1 on the foreground.
    """
    return images * masks


def compose(foregrounds, gates, backgrounds):
    """The layered picture x = x_F + g * x_B (eq. 4 of the paper).

    Args:
        foregrounds: float32 [..., H, W, 3] in [-1, 1].
        gates: float32 [..., H, W, 1] in [0, 1], 1 where the background is visible.
        backgrounds: float32 [..., H, W, 3] in [-1, 1].
    """
    return foregrounds + gates * backgrounds


def blur(pictures, width):
    """Gaussian blur of [B, H, W, C]; what lies beyond the border counts as 0."""
    reach = math.ceil(3 * width)
    taps = np.exp(-0.5 * np.square(np.arange(-reach, reach + 1) / width))
    taps = np.float32(taps / taps.sum())[:, np.newaxis, np.newaxis, np.newaxis]
    taps = np.repeat(taps, pictures.shape[-1], 2)
    for kernel in (taps, taps.swapaxes(0, 1)):
        pictures = tf.nn.depthwise_conv2d(pictures, kernel, [1, 1, 1, 1], "SAME")
    return pictures


def area_mean(values: np.ndarray, box: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    """A part of a picture made smaller: exact means over the area that each new pixel covers.

    Args:
        values: [H, W], numbers or bool.
        box: left, top, right and bottom of the part, within the picture; fractions of a pixel count as such.
        size: width and height of the result, as Pillow has them.

    Returns:
        float32 [height, width]; exactly 0 where nothing but zeros is covered.
    """
    rows, first_row = _shares(box[1], box[3], size[1])
    columns, first_column = _shares(box[0], box[2], size[0])
    part = np.asarray(values)[first_row:first_row + rows.shape[1], first_column:first_column + columns.shape[1]]
    return rows[:, :part.shape[0]] @ part.astype(np.float32) @ columns[:, :part.shape[1]].T


def _shares(start, end, count):
    """Shares float32 [count, N] of N old pixels in each new one along an axis, and the number of the first of them."""
    edges = np.linspace(start, end, count + 1)
    first = int(np.floor(start))
    pixels = np.arange(first, int(np.ceil(end)))
    shares = np.minimum(edges[1:, np.newaxis], pixels + 1) - np.maximum(edges[:-1, np.newaxis], pixels)
    shares *= count / (end - start)
    # Edges are rounded: what they touch is not covered.
    return np.where(shares > 1e-6, shares, 0.0).astype(np.float32), first


def grid(rows: Sequence[Sequence[np.ndarray]], *, row_labels: Sequence[str] = (), column_labels: Sequence[str] = (),
         scale: int = 1) -> np.ndarray:
    """Lays pictures out in rows on white, with optional labels at the left and on top.

    Args:
        rows: pictures by row and column, each uint8 [H, W, 3] or [H, W, 1], or float32 in [0, 1] of these shapes.
            All pictures have one size; rows may differ in length.
        row_labels: one text for each row, or nothing.
        column_labels: one text for each column, or nothing. A line break starts a new line.
        scale: whole number by which each picture is enlarged (pixels are repeated).

    Returns:
        uint8 [H', W', 3].

    Raises:
        ValueError: no pictures, or pictures of different sizes.
    """
    tiles = [[_tile(picture, scale) for picture in row] for row in rows]
    sizes = {tile.shape for row in tiles for tile in row}
    if len(sizes) != 1:
        raise ValueError(f"grid: expected pictures of one size, got {sorted(sizes) or 'no pictures'}.")
    height, width, _ = sizes.pop()
    gap = 2
    font = ImageFont.load_default(size=max(10, min(16, height // 5)))
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def extent(texts):
        boxes = [ruler.multiline_textbbox((0, 0), text, font=font) for text in texts]
        return max((box[2] for box in boxes), default=-6) + 6, max((box[3] for box in boxes), default=-6) + 6

    left, top = extent(row_labels)[0], extent(column_labels)[1]
    columns = max(len(row) for row in tiles)
    sheet = Image.new("RGB", (left + columns * (width + gap) + gap, top + len(tiles) * (height + gap) + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for column, text in enumerate(column_labels):
        draw.multiline_text((left + gap + column * (width + gap) + width // 2, 2), text, "black", font, anchor="ma",
                            align="center")
    for index, row in enumerate(tiles):
        y = top + gap + index * (height + gap)
        if index < len(row_labels):
            draw.multiline_text((left - 4, y + height // 2), row_labels[index], "black", font, anchor="rm",
                                align="right")
        for column, tile in enumerate(row):
            sheet.paste(Image.fromarray(tile), (left + gap + column * (width + gap), y))
    return np.asarray(sheet)


def _tile(picture, scale):
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        picture = np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    if picture.shape[-1] == 1:
        picture = np.repeat(picture, 3, axis=-1)
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def to_png(picture: np.ndarray) -> bytes:
    """uint8 [H, W, 3], [H, W, 1] or [H, W] as PNG."""
    buffer = io.BytesIO()
    picture = picture[..., 0] if picture.shape[-1] == 1 and picture.ndim == 3 else picture
    # Half the time of the default for a twentieth more bytes.
    Image.fromarray(picture).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def from_png(content: bytes) -> np.ndarray:
    """The pixels of a PNG that a model or `to_png` made, as they are."""
    return np.asarray(Image.open(io.BytesIO(content)))


def save(picture: np.ndarray, path: str | os.PathLike) -> str:
    """Writes one uint8 picture [H, W, 3] to `path` (format by its ending), complete or not at all; returns the path."""
    with replacing(path) as beside:
        Image.fromarray(np.asarray(picture)).save(beside)
    return os.fspath(path)
