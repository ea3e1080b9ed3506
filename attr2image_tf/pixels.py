"""Pixels: the one place that converts ranges, masks, composes and lays pictures out.

Three ranges exist. Files and TFRecords hold uint8 in [0, 255]; public edges (signatures, pages) use float32 in
[0, 1]; models work on float32 in [-1, 1]. All pictures are NHWC, or HWC for a single one.
"""

import functools
import io
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

from attr2image_tf.files import replacing


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


def upright(picture: Image.Image) -> Image.Image:
    """A picture or mask file that Pillow opened, turned as its EXIF entry says and with 8 bits a channel.

    16 bits become 8 by their share of the largest value; Pillow itself would clip them to white. Open it from the
    content, not the path: Pillow maps some TIFF files into memory and then turns them wrongly.

    Raises:
        ValueError: pixels of which nobody knows which one is white.
    """
    deep, tags = picture.mode.startswith("I;16"), getattr(picture, "tag_v2", {})
    # Of a TIFF also the bits that are used, and whether 0 is black.
    if picture.mode in ("I", "F") or deep and (tags.get(258, (16,)) != (16,) or tags.get(262, 1) != 1):
        raise ValueError("its pixels are of another kind than 8 or 16 bits a channel; save it as PNG or JPEG")
    picture = ImageOps.exif_transpose(picture)
    return Image.fromarray((np.asarray(picture) / 257.0).round().astype(np.uint8)) if deep else picture


def as_seen(picture: Image.Image) -> Image.Image:
    """A picture file that Pillow opened as RGB: `upright`, in the colours of sRGB, and what is transparent white.

    Raises:
        ValueError: as `upright`.
    """
    picture = upright(picture)
    seen = in_srgb(picture)
    if not picture.has_transparency_data:
        return seen
    return Image.composite(seen, Image.new("RGB", picture.size, "white"), _opacity(picture))


def in_srgb(picture: Image.Image) -> Image.Image:
    """A picture that Pillow opened as RGB, its colours converted to sRGB where its file has a profile of others.

    A profile that cannot be used, or is of another kind than the pixels, counts for nothing, as in browsers.
    """
    mode = {"LA": "L", "L": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    profile = picture.info.get("icc_profile")
    transform = _transform(profile, mode) if profile else None
    return picture.convert("RGB") if transform is None else ImageCms.applyTransform(picture.convert(mode), transform)


# The pictures of a folder come from few cameras.
@functools.lru_cache(maxsize=64)
def _transform(profile, mode):
    """The transform of a mode's pixels into RGB, or None where there is nothing to do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in (source.profile.profile_description or ""):
            return None
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None


def _opacity(picture):
    return picture.convert("RGBA").getchannel("A")


def as_drawn(picture: Image.Image) -> np.ndarray:
    """A mask file that Pillow opened, as it is meant: uint8 [H, W, 3], `upright`, bright where the shape is.

    Where opacity varies, what is transparent is 0. Of what is opaque the brightness counts if it is drawn in black and
    white; if not, it is the object itself, cut out, and all of it is bright. An opacity that is the same everywhere
    says nothing.

    Raises:
        ValueError: as `upright`.
    """
    picture = upright(picture)
    drawn = np.asarray(picture.convert("RGB"))
    opacity = np.asarray(_opacity(picture)) if picture.has_transparency_data else np.uint8([255])
    if opacity.min() == opacity.max():
        return drawn
    opaque = drawn[opacity > 127]
    black, white = (opaque.max(-1) < 32).sum(), (opaque.min(-1) > 223).sum()
    # A few dark or bright specks do not make a cut-out a drawing.
    if min(black, white) > 0.02 * len(opaque) and black + white > 0.95 * len(opaque):
        return np.where(opacity[..., np.newaxis] > 127, drawn, np.uint8(0))
    return np.repeat(opacity[..., np.newaxis], 3, -1)


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


def save(picture: np.ndarray, path: str | os.PathLike) -> str:
    """Writes one uint8 picture [H, W, 3] to `path` (format by its ending), complete or not at all; returns the path."""
    with replacing(path) as beside:
        Image.fromarray(np.asarray(picture)).save(beside)
    return os.fspath(path)
