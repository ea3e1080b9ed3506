"""Files and folders that are written completely or not at all, and texts that become paths."""

import contextlib
import glob
import hashlib
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from absl import logging

# What TensorFlow takes for a pattern when it looks for the files of a checkpoint or an export. On Windows a backslash
# stands between folders.
_PATTERN_CHARACTERS = "[]*?" if os.sep == "\\" else "[]*?\\"
# Of disks in use, in bytes.
LONGEST_NAME = 255
# What `replacing` calls what it writes to.
_BESIDE = re.compile(r"\.[a-z0-9_]{8}-.+", re.DOTALL)


def as_path(text: str | os.PathLike) -> pathlib.Path:
    """The path that a user means, with ~ for the home folder.

    Raises:
        ValueError: nobody knows that home folder.
    """
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError:
        raise ValueError(f"{os.fspath(text)!r}: this home folder is not known; write the path without ~.") from None


def shortened(name: str, room: int = 0) -> str:
    """A file's name, cut to what disks take where it is longer, with a sum of all of it in place of what is cut.

    Args:
        name: without folders.
        room: bytes that shall be left, for what will follow the name.
    """
    most = LONGEST_NAME - room
    if len(name.encode()) <= most:
        return name
    stem, ending = os.path.splitext(name)
    mark = f"-{hashlib.sha256(name.encode()).hexdigest()[:10]}{ending}"
    return stem.encode()[:most - len(mark.encode())].decode(errors="ignore") + mark


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A hidden path beside `path`, of the same endings, to write a file to; it takes the place of `path` at the end.

    When the block raises, what was written is removed and `path` is as it was. Folders above are made.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name is no longer than the file's own may be; its end says of which kind it is.
    end = path.name.encode()[-64:].decode(errors="ignore")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f"-{end}")
    os.close(handle)
    beside = pathlib.Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def leftovers(folder: str | os.PathLike) -> list[pathlib.Path]:
    """What `replacing` wrote to in a folder and did not put in its place: of a process that was killed, or is at it."""
    folder = pathlib.Path(folder)
    return [path for path in folder.iterdir() if _BESIDE.fullmatch(path.name) and path.is_file()
            ] if folder.is_dir() else []


@contextlib.contextmanager
def folder_beside(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """An empty hidden folder beside `path`, to be filled and renamed; removed at the end if it is still there."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        beside.chmod(0o755)
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """As `replacing`, for a folder; leftovers of a process that was killed while it wrote are removed first."""
    path = pathlib.Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with folder_beside(path) as beside:
        yield beside
        shutil.rmtree(path, ignore_errors=True)
        beside.replace(path)


def write_text(path: str | os.PathLike, text: str):
    """Writes a text file, complete or not at all."""
    with replacing(path) as beside:
        beside.write_text(text)


def check_no_pattern(path: str | os.PathLike, option: str) -> None:
    """Complains about a folder whose checkpoints or exports TensorFlow would write and not find again.

    Args:
        path: as it is given to TensorFlow; a relative one is not made absolute.
        option: the flag or argument that named it.

    Raises:
        ValueError: the path holds one of [ ] * ? or, but on Windows, a backslash.
    """
    found = [character for character in _PATTERN_CHARACTERS if character in os.fspath(path)]
    if found:
        raise ValueError(f"{option}={os.fspath(path)!r}: TensorFlow treats {' '.join(found)} in a path as "
                         "wildcards; rename the folder or choose another.")


def check_outputs(outputs: Iterable[tuple[str, str | os.PathLike]], inputs: Iterable[str | os.PathLike]) -> None:
    """Holds the files that will be written against each other and against those that are read, before any work.

    Args:
        outputs: for each file its origin in words, such as "the sheet", and its path.
        inputs: paths of the files that are read.

    Raises:
        ValueError: two outputs are one file, or one is an input; the message names both.
    """
    owners = {}
    for owner, path in outputs:
        before, _ = owners.setdefault(identity(path), (owner, path))
        if before != owner:
            raise ValueError(f"the results of {before} and of {owner} would both be written to {str(path)!r}; rename "
                             "one of them.")
    for path in inputs:
        if found := owners.get(identity(path)):
            raise ValueError(f"the result of {found[0]} would overwrite {str(path)!r}, which is read; name another "
                             "place for the results.")


def identity(path: str | os.PathLike):
    """Equal for paths that are one file, however they are spelled, also where upper and lower case do not matter."""
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
        return status.st_dev, status.st_ino
    except OSError:
        # Not there yet.
        return os.path.normcase(real)


def lock(path: str | os.PathLike, wait: bool = False) -> IO | None:
    """Locks a file, which is made where it is not there.

    Args:
        path: the file; its folder is there.
        wait: whether to wait until nobody else holds it.

    Returns:
        The open file, which holds the lock until it is closed or this process ends, however it ends; or None where
        another holds it. Systems and disks without such locks lock nothing.
    """
    file = open(path, "a")  # noqa: SIM115 - the caller closes it
    try:
        import fcntl
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        file.close()
        return None
    except (ImportError, OSError) as error:  # Windows, and some shared disks.
        logging.warning("%s cannot be locked (%s); make sure that only one process writes there.", path, error)
    return file
