"""Files and folders that are there complete or not at all, and texts that become paths."""

import os
import pathlib
from collections.abc import Iterable

# What TensorFlow takes for a pattern when it looks for the files of a checkpoint or an export. On Windows a backslash
# stands between folders.
_PATTERN_CHARACTERS = "[]*?" if os.sep == "\\" else "[]*?\\"


def as_path(text: str | os.PathLike) -> pathlib.Path:
    """The path that a user means, with ~ for the home folder."""
    return pathlib.Path(text).expanduser()


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
        raise ValueError(f"{option}={os.fspath(path)!r}: TensorFlow takes {' '.join(found)} in a path for a pattern, "
                         "and would not find its files again; rename the folder, or name one without.")


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
        before, _ = owners.setdefault(_identity(path), (owner, path))
        if before != owner:
            raise ValueError(f"the results of {before} and of {owner} would both be written to {str(path)!r}; rename "
                             "one of them.")
    for path in inputs:
        if found := owners.get(_identity(path)):
            raise ValueError(f"the result of {found[0]} would be written over {str(path)!r}, which is read; name "
                             "another place for the results.")


def _identity(path):
    """Equal for paths that are one file, however they are spelled, also where upper and lower case do not matter."""
    real = os.path.realpath(path)
    try:
        status = os.stat(real)
        return status.st_dev, status.st_ino
    except OSError:
        # Not there yet.
        return os.path.normcase(real)
