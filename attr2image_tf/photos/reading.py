"""Picture files as a person sees them: turned upright, in the colours of sRGB, what is transparent white."""

import functools
import io
import os
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from attr2image_tf import files

# Above this a file of a few kilobytes can unfold into gigabytes.
LARGEST_PIXELS = 100_000_000


class PictureError(ValueError):
    """A file that cannot be used as a picture: the message names it and says why."""


def read(path: str | os.PathLike) -> np.ndarray:
    """A picture file as uint8 [H, W, 3], as data sets are prepared (`as_seen`).

    Raises:
        PictureError: it cannot be opened, does not decode, or is larger than 100 megapixels.
    """
    path = files.as_path(path)
    return decode(path.read_bytes, path)


def decode(content: Callable[[], bytes], name: str | os.PathLike) -> np.ndarray:
    """A picture as uint8 [H, W, 3], as `read` gives it, of bytes from wherever they come.

    Args:
        content: function that gets them.
        name: of the picture, for complaints.

    Raises:
        PictureError: as `read`.
    """
    return _decode(content, name, as_seen)


def _decode(content, name, convert):
    try:
        with Image.open(io.BytesIO(content())) as picture:
            if picture.width * picture.height > LARGEST_PIXELS:
                raise PictureError(f"{os.fspath(name)!r} has {picture.width} x {picture.height} pixels; expected at "
                                   f"most {LARGEST_PIXELS // 10**6} megapixels.")
            return np.asarray(convert(picture))
    except PictureError:
        raise
    except UnidentifiedImageError:
        # Its own text names an object in memory.
        raise PictureError(f"{os.fspath(name)!r} cannot be read as a picture (it is in no known format).") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"{os.fspath(name)!r} cannot be read as a picture ({error}).") from None


def read_hidden(path: str | os.PathLike) -> np.ndarray:
    """A mask file as bool [H, W], True where it is brighter than half: what is to be hidden (`as_drawn`).

    Raises:
        PictureError: as `read`.
    """
    # Whatever the colour of the brush.
    path = files.as_path(path)
    return _decode(path.read_bytes, path, as_drawn).max(-1) > 127


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
