"""Reads picture files as a person sees them: upright, in sRGB colours, with transparent parts white."""

import functools
import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from attr2image_tf import files

# What Pillow says of EXIF blocks, of which the orientation alone is wanted.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.TiffImagePlugin")
# What Pillow raises for a file that is damaged, whichever of its parts comes upon it.
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError, ArithmeticError,
              struct.error, zlib.error, Image.DecompressionBombError)
# Pixels of a raw file are not developed; what Pillow reads of some is a small preview.
_RAW = (".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw")
# Of phones. Pillow reads them with a plug-in.
PHONES = (".heic", ".heif")
# How a picture is turned that has an orientation of EXIF, 2 to 8.
_TURNS = (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM,
          Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE,
          Image.Transpose.ROTATE_90)
_ORIENTATION = 0x0112
# Levels by which a profile may differ from sRGB and be taken for it.
_SRGB_WITHIN = 2
# Above this a file of a few kilobytes can unfold into gigabytes.
LARGEST_PIXELS = 100_000_000


class PictureError(ValueError):
    """A file that cannot be used as a picture: the message names it and says why."""


@functools.cache
def load_formats() -> bool:
    """Loads all formats that Pillow reads here, and returns whether those of phones are among them (`pillow-heif`)."""
    Image.init()
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def read(path: str | os.PathLike) -> np.ndarray:
    """A picture file as uint8 [H, W, 3], as data sets are prepared (`as_seen`).

    Raises:
        PictureError: it cannot be opened, does not decode, or is larger than 100 megapixels.
    """
    path = files.as_path(path)
    return decode(path.read_bytes, path)


def decode(content: Callable[[], bytes], name: str | os.PathLike, convert: Callable | None = None) -> np.ndarray:
    """A picture as uint8 [H, W, 3], as `read` gives it, of bytes from wherever they come.

    Args:
        content: function that gets them.
        name: of the picture, for complaints.
        convert: function of what Pillow opened; `as_seen` by default.

    Raises:
        PictureError: as `read`.
    """
    if _ending(name) in _RAW:
        raise PictureError(f"{os.fspath(name)!r} is a raw file, which cannot be developed here; save it as JPEG, PNG "
                           "or TIFF.")
    load_formats()
    try:
        with Image.open(io.BytesIO(content())) as picture:
            if picture.width * picture.height > LARGEST_PIXELS:
                raise PictureError(f"{os.fspath(name)!r} has {picture.width} x {picture.height} pixels; expected at "
                                   f"most {LARGEST_PIXELS // 10**6} megapixels.")
            return np.asarray((convert or as_seen)(picture))
    except PictureError:
        raise
    except UnidentifiedImageError:
        raise PictureError(f"{os.fspath(name)!r} cannot be read as a picture ({unknown_format(name)}).") from None
    except UNREADABLE as error:
        raise PictureError(f"{os.fspath(name)!r} cannot be read as a picture ({error}).") from None


def _ending(name):
    return os.path.splitext(os.fspath(name))[1].lower()


def unknown_format(name: str | os.PathLike = "") -> str:
    """What is said of a file that Pillow does not recognise, whose own text names an object in memory."""
    if _ending(name) in PHONES and not load_formats():
        return "it is in no known format; save it as JPEG, or run pip install pillow-heif"
    return "it is in no known format"


def read_hidden(path: str | os.PathLike) -> np.ndarray:
    """A mask file as bool [H, W], True where it is brighter than half: what is to be hidden (`as_drawn`).

    Raises:
        PictureError: as `read`.
    """
    # Whatever the colour of the brush.
    path = files.as_path(path)
    return decode(path.read_bytes, path, as_drawn).max(-1) > 127


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
        raise ValueError("its pixels do not have 8 or 16 bits per channel; save it as PNG or JPEG")
    # Pillow turns a TIFF itself when it loads it.
    picture.load()
    orientation = 1 if picture.format == "TIFF" else _orientation(picture)
    picture = picture.transpose(_TURNS[orientation - 2]) if orientation > 1 else picture
    return Image.fromarray((np.asarray(picture) / 257.0).round().astype(np.uint8)) if deep else picture


def _orientation(picture):
    """The orientation of a picture's EXIF block, 1 to 8; 1 where there is none. What else is broken there counts for
    nothing."""
    # Pillow reads a whole block, or nothing of it.
    if block := picture.info.get("exif"):
        found = _entry(block.removeprefix(b"Exif\0\0"), _ORIENTATION)
    else:
        try:
            found = picture.getexif().get(_ORIENTATION)
        except UNREADABLE:
            found = None
    return found if found in range(1, 9) else 1


def _entry(block, tag):
    """The number that a tag has in the first directory of an EXIF block, which is that of a TIFF file; or None."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return None
    start, = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return None
    count, = struct.unpack_from(order + "H", block, start)
    for place in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        found, kind = struct.unpack_from(order + "HH", block, place)
        if found == tag and kind in (3, 4):
            return struct.unpack_from(order + {3: "H", 4: "I"}[kind], block, place + 8)[0]
    return None


def exif_of(content: bytes) -> bytes | None:
    """The EXIF block of a picture file, such as date and camera, for a picture that is upright now and another; None
    where there is none that can be read."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            block = picture.info.get("exif")
            if not block:
                return None
            entries = Image.Exif()
            entries.load(block)
            # The preview is of the picture before.
            kept = Image.Exif()
            kept.update({tag: value for tag, value in entries.items() if tag != _ORIENTATION})
            for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                kept.get_ifd(directory).update(entries.get_ifd(directory))
            return kept.tobytes()
    except UNREADABLE:
        return None


def save_like(picture: np.ndarray, path: str | os.PathLike, source: str | os.PathLike):
    """Writes a picture uint8 [H, W, 3] as PNG, complete or not at all, with the EXIF block of the file it came from."""
    block = exif_of(files.as_path(source).read_bytes())
    with files.replacing(path) as beside:
        Image.fromarray(picture).save(beside, "PNG", **{"exif": block} if block else {})


def as_seen(picture: Image.Image) -> Image.Image:
    """A picture file that Pillow opened as RGB: `upright`, in the colours of sRGB, and what is transparent white.

    Raises:
        ValueError: as `upright`.
    """
    picture = upright(picture)
    seen = in_srgb(picture)
    if not picture.has_transparency_data:
        return seen
    return Image.composite(seen, Image.new("RGB", picture.size, "white"), picture.convert("RGBA").getchannel("A"))


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
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError):
        return None
    # By what it does: names of profiles are anything, "sRGB" among them.
    levels = np.linspace(0, 255, 9).round().astype(np.uint8)
    colours = Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3)).convert(mode)
    change = np.subtract(ImageCms.applyTransform(colours, transform), colours.convert("RGB"), dtype=np.int16)
    return transform if np.abs(change).max() > _SRGB_WITHIN else None


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
    opacity = np.asarray(picture.convert("RGBA"))[..., 3] if picture.has_transparency_data else np.uint8([255])
    if opacity.min() == opacity.max():
        return drawn
    opaque = drawn[opacity > 127]
    black, white = (opaque.max(-1) < 32).sum(), (opaque.min(-1) > 223).sum()
    # A few dark or bright specks do not make a cut-out a drawing.
    if min(black, white) > 0.02 * len(opaque) and black + white > 0.95 * len(opaque):
        return np.where(opacity[..., np.newaxis] > 127, drawn, np.uint8(0))
    return np.repeat(opacity[..., np.newaxis], 3, -1)
