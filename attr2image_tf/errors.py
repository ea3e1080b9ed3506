"""How errors are reported at the command line."""

import contextlib
import os
import pathlib
import sys

from absl import logging


@contextlib.contextmanager
def clear_errors():
    """Turns what the user can mend, a ValueError or OSError, into one sentence on standard error and exit status 2.

    With `--verbosity=1` (debug) the exception passes through with its trace.
    """
    try:
        yield
    except (ValueError, OSError) as error:
        if logging.level_debug():
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def check_writable(path: str | os.PathLike, option: str) -> None:
    """Complains about a folder for results before any work is done for them.

    Args:
        path: the folder, there or to be made.
        option: the flag that named it.

    Raises:
        ValueError: something else is in its place or above it, or nothing can be written there.
    """
    absolute = pathlib.Path(path).absolute()
    # A link to nothing is there, too: it cannot be made a folder.
    there = next(each for each in (absolute, *absolute.parents) if os.path.lexists(each))
    if not there.is_dir():
        raise ValueError(f"{option}={str(path)!r}: {str(there)!r} is no folder; name one, there or to be made.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{option}={str(path)!r}: nothing can be written to {str(there)!r}; name another folder.")
