"""What is made once in a run of the tests, for all of its processes."""

import os
import pathlib
from collections.abc import Callable

from attr2image_tf.files import lock

# Of the run that is under way; tests/conftest.py sets it in every process.
_VARIABLE = "ATTR2IMAGE_TESTS_SHARED"


def set_place(folder: pathlib.Path) -> None:
    """Says where the things of this run are."""
    os.environ[_VARIABLE] = str(folder)


def made(name: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """A folder that all processes read and none changes.

    Args:
        name: of the folder.
        make: fills it; called by the first process that asks, while others wait.
    """
    folder = pathlib.Path(os.environ[_VARIABLE]) / name
    with lock(folder.with_suffix(".lock"), wait=True):
        # Where a process fails within, the next begins anew.
        attempt = folder.with_suffix(f".{os.getpid()}")
        if not folder.exists():
            attempt.mkdir()
            make(attempt)
            attempt.rename(folder)
    return folder
