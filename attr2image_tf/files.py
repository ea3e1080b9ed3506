"""Files and folders that are there complete or not at all, and texts that become paths."""

import contextlib
import glob
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


def as_path(text: str | os.PathLike) -> pathlib.Path:
    """The path that a user means, with ~ for the home folder."""
    return pathlib.Path(text).expanduser()


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """A hidden path beside `path`, of the same endings, to write a file to; it takes the place of `path` at the end.

    When the block raises, what was written is removed and `path` is as it was. Folders above are made.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=f"-{path.name}")
    os.close(handle)
    beside = pathlib.Path(name)
    try:
        yield beside
        beside.chmod(0o644)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


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
