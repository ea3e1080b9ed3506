"""Picture files of a folder: the one place that says which files are pictures, and which folders are searched."""

import collections
import functools
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from absl import logging
from PIL import Image

from attr2image_tf import files
from attr2image_tf.errors import check_writable
from attr2image_tf.photos.reading import PHONES, load_formats

# Formats that Pillow recognises and cannot read without another program, or that hold no picture.
_NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "IPTC", "MPEG", "PDF", "WMF"}
# Those that messages name.
COMMON_ENDINGS = ".jpg, .png, .webp, .avif, .bmp, .gif, .tif"


class FolderFiles(NamedTuple):
    """What a folder holds.

    Attributes:
        pictures: paths by their names below the folder, with "/" between; sorted.
        others: names of the other files, sorted; hidden ones are not among them.
    """

    pictures: dict[str, pathlib.Path]
    others: list[str]


@functools.cache
def endings() -> tuple[str, ...]:
    """The endings of files that the installed Pillow reads, in lower case, such as ".jpg", and those of phones, whose
    complaint says how they can be read."""
    load_formats()
    return tuple(sorted({ending for ending, kind in Image.registered_extensions().items()
                         if kind in Image.OPEN and kind not in _NO_PICTURES} | set(PHONES)))


def is_picture(name: str) -> bool:
    """Whether a file's name ends as a picture's."""
    return os.path.splitext(name)[1].lower() in endings()


def check_picture_output(path: str | os.PathLike, option: str) -> None:
    """Complains about a picture that is to be written, before any work is done for it.

    Args:
        path: of the file.
        option: the flag that named it.

    Raises:
        ValueError: it is a folder, Pillow writes no such format, or nothing can be written to its folder.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise ValueError(f"{option}={str(path)!r} is a folder; name a file, such as {str(path / 'sheet.png')!r}.")
    Image.init()
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise ValueError(f"{option}={str(path)!r}: pictures cannot be written with the ending {path.suffix!r}; use "
                         ".png.")
    check_writable(path.parent, option)


def find_pictures(folder: str | os.PathLike, without: Iterable[str | os.PathLike] = ()) -> FolderFiles:
    """The files in a folder and the folders within it; hidden ones are passed over.

    Links to folders are followed, and every real folder is searched once, by its own path where it has one here.

    Args:
        folder: the folder.
        without: folders that are left out, such as the one that gets the results; they need not exist.

    Raises:
        ValueError: `folder` is one of those that are left out.
        OSError: a folder cannot be read.
    """
    root = pathlib.Path(folder)
    left_out = {files.identity(each) for each in without if os.path.isdir(each)}
    if files.identity(root) in left_out:
        raise ValueError(f"{str(folder)!r} is both the folder of pictures and that of results; name another folder for "
                         "the results, which would count as pictures next time.")
    pictures, others, seen, waiting = {}, [], set(left_out), collections.deque([root])
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=_raise):
            if files.identity(place) in seen:
                folders.clear()
                continue
            seen.add(files.identity(place))
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            # Not followed by os.walk itself, which would walk in circles; later than all that is no link.
            waiting.extend(path for path in (pathlib.Path(place, each) for each in folders) if path.is_symlink())
            for name in names:
                path = pathlib.Path(place, name)
                label = path.relative_to(root).as_posix()
                try:
                    label.encode()
                except UnicodeEncodeError:
                    # No list, log or table could hold it.
                    label = label.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                    logging.warning("Left out %s: its name is not UTF-8; rename it.", label)
                    others.append(label)
                    continue
                if is_picture(name) and not name.startswith("."):
                    pictures[label] = path
                elif not name.startswith("."):
                    others.append(label)
    return FolderFiles(dict(sorted(pictures.items())), sorted(others))


def _raise(error):
    raise error
