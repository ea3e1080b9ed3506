"""Files as they come: archives that are read and never unpacked to disk, pictures, text, and where to get them."""

import codecs
import contextlib
import dataclasses
import gzip
import io
import os
import pathlib
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from attr2image_tf import pixels
from attr2image_tf.data.errors import DataError
from attr2image_tf.files import as_path
from attr2image_tf.photos import reading

# Space on each side of a tight box, as a share of its longer side: of 72 pixels the object takes 57.6, and every crop
# of 64 shows it whole but for a fraction of a pixel.
MARGIN = 0.125


@dataclasses.dataclass(frozen=True)
class OfficialFile:
    """Where a file comes from.

    Attributes:
        url: text.
        size: bytes, or None where none is published.
        sha256: hexadecimal text, or None where no sum is published.
    """

    url: str
    size: int | None = None
    sha256: str | None = None


def where_to_get(name: str, folder: str, official: Mapping[str, OfficialFile]) -> str:
    """The sentence, without its full stop, that ends every complaint about a missing or broken file of a data set."""
    if name not in official:
        return "Fetch it again"
    return (f"Fetch {name} from {official[name].url} (or a copy you trust), put it into FOLDER/{folder}/ beside "
            f"{', '.join(other for other in official if other != name)}, and pass --data_dir=FOLDER or set "
            "ATTR2IMAGE_DATA=FOLDER")


def find_official(source_dir: str | os.PathLike, folder: str, official: Mapping[str, OfficialFile],
                  where_to_get: Callable[[str], str]) -> dict[str, pathlib.Path]:
    """The official files of a data set below a folder, by name.

    Args:
        source_dir: the folder that holds `folder` with the files, or that folder itself.
        folder: text, such as "lfw".
        official: OfficialFile by name.
        where_to_get: function of a file's name that returns the sentence for a missing one.

    Raises:
        DataError: a file is missing, or a web page.
    """
    place = as_path(source_dir)
    if (place / folder).is_dir() or not any((place / name).is_file() for name in official):
        place = place / folder
    for name in official:
        if not (place / name).is_file():
            raise DataError(f"{place / name} is missing. {where_to_get(name)}.")
        check_no_page(place / name, where_to_get(name))
    return {name: place / name for name in official}


def check_no_page(path: pathlib.Path, hint: str) -> None:
    """Raises DataError where a file is a web page: what a download leaves that was refused.

    Args:
        path: of the file.
        hint: sentence without its full stop that says where to get it.
    """
    with open(path, "rb") as file:
        start = file.read(512).removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"<"):
        raise DataError(f"{path} is a web page, as a refused download leaves it, not the file of that name: it begins "
                        f"with {start[:40].decode(errors='replace')!r}. {hint}.")


def read_archive(path: str | os.PathLike, hint: str, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """The members of a .tgz, in the order of the archive: (name with its folders, content).

    Args:
        path: the archive.
        hint: sentence without its full stop that ends the complaint about a damaged archive.
        wanted: function of a member's name; others are passed over.

    Raises:
        DataError: the archive is truncated or damaged.
    """
    try:
        # tarfile's own reading of gzip takes a truncated archive for a complete one; the gzip module does not.
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.isfile() and wanted(member.name):
                    yield member.name, archive.extractfile(member).read()
            while stream.read(1 << 20):
                pass
    except (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is truncated or damaged ({error}); expected a complete .tgz, this one has "
                        f"{pathlib.Path(path).stat().st_size:,} bytes. {hint}.") from error


def read_text(path: str | os.PathLike, hint: str) -> str:
    """A text in UTF-8.

    Raises:
        DataError: it is in another encoding; ends in the hint.
    """
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file ({error}). {hint}.") from error


def decode(content: bytes | str | os.PathLike) -> Image.Image:
    """A picture, from the content of a file or from a file, of an official data set.

    In sRGB, and not turned as EXIF says: official masks and boxes know nothing of it.

    Raises:
        ValueError: it does not decode.
    """
    with clear_decoding(), _open(content) as picture:
        return reading.in_srgb(picture)


def decode_mask(content: bytes | str | os.PathLike) -> Image.Image:
    """A mask as `reading.as_drawn` has it, of mode "L".

    Raises:
        ValueError: it does not decode.
    """
    with clear_decoding(), _open(content) as picture:
        return Image.fromarray(reading.as_drawn(picture)).convert("L")


def _open(content):
    # Not by the path: Pillow maps some TIFF files into memory and then turns them wrongly.
    return Image.open(io.BytesIO(content if isinstance(content, bytes) else pathlib.Path(content).read_bytes()))


@contextlib.contextmanager
def clear_decoding(name: str | os.PathLike = ""):
    """Turns whatever Pillow raises for a file that is no whole picture into a ValueError "does not decode (...)"."""
    try:
        yield
    except UnidentifiedImageError as error:
        raise ValueError(f"does not decode ({reading.unknown_format(name)})") from error
    except reading.UNREADABLE as error:
        raise ValueError(f"does not decode ({error})") from error


def box_around(tight: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A tight box, widened by MARGIN and to a square as far as the picture goes; nothing beyond it is invented.

    Args:
        tight: left, top, right and bottom.
        size: width and height of the picture.
    """
    side = max(tight[2] - tight[0], tight[3] - tight[1]) * (1 + 2 * MARGIN)
    starts, ends = [], []
    for low, high, limit in zip(tight[:2], tight[2:], size, strict=True):
        extent = min(side, limit)
        # Moved into the picture before anything is cut off.
        start = min(max((low + high - extent) / 2, 0.0), limit - extent)
        starts.append(start)
        ends.append(start + extent)
    return (*starts, *ends)


def small_mask(mask: np.ndarray, box: Sequence[float], size: int) -> np.ndarray:
    """The part of a mask in a box, scaled: uint8 [size, size, 1], the share of each pixel that is foreground times 255.

    Args:
        mask: [H, W], above 127 on the foreground.
        box: left, top, right and bottom.
        size: pixels.
    """
    return mask_of_shares(pixels.area_mean(np.asarray(mask) > 127, box, (size, size)))


def mask_of_shares(shares: np.ndarray) -> np.ndarray:
    """Shares of foreground in [0, 1], float32 [H, W], as a mask uint8 [H, W, 1]."""
    return np.rint(255.0 * shares).astype(np.uint8)[..., np.newaxis]


def problems_text(problems: Mapping[str, list[str]]) -> str:
    """What was skipped, as text: a heading with the number for each kind, then the names."""
    return "\n".join(f"{kind}: {len(names)}\n" + "".join(f"  {name}\n" for name in sorted(names))
                     for kind, names in problems.items())
