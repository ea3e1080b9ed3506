"""How errors are reported at the command line."""

import contextlib
import errno
import os
import pathlib
import re
import sys

from absl import logging


@contextlib.contextmanager
def clear_errors():
    """Turns errors that the user can correct into one sentence on standard error and exit status 2.

    These are ValueError and OSError, TensorFlow's errors about files, disk and memory, and protobuf's about a file that
    it cannot read. Everything else, and with `--verbosity=1` (debug) these too, passes through with its trace.
    """
    try:
        yield
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None or logging.level_debug():
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(2)


def _sentence(error):
    """What to say about an error that the user can correct, or None."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"No space left on the disk{f' of {error.filename}' if error.filename else ''}; free some ({error})."
    if isinstance(error, (ValueError, OSError)):
        return str(error)
    if isinstance(error, IndexError) and "Read less bytes" in str(error):
        # This is how TensorFlow says that the variables of a checkpoint or an export are cut off.
        return f"a file of variables is cut off; restore it, or make it again ({error})."
    # Without them nobody can have raised theirs; both take long to import.
    if protobuf := sys.modules.get("google.protobuf"):
        kinds = [getattr(sys.modules.get(f"{protobuf.__name__}.{module}"), name, ()) for module, name in
                 (("message", "DecodeError"), ("json_format", "ParseError"), ("text_format", "ParseError"))]
        if any(isinstance(error, kind) for kind in kinds):
            return f"a file is damaged: {_first_line(error)}"
    errors = getattr(sys.modules.get("tensorflow"), "errors", None)
    if errors is None or not isinstance(error, errors.OpError):
        return None
    said = _first_line(error)
    if isinstance(error, errors.ResourceExhaustedError):
        if "OOM" in said or "allocat" in said:
            return f"there is not enough memory; use a smaller batch ({said})."
        return f"No space left on the disk; free some ({said})."
    # Of tf.data, which counts; and of what reads checkpoints, whose errors have no kind.
    counted = isinstance(error, errors.FailedPreconditionError) and "was expected to contain" in said
    if counted or isinstance(error, (errors.DataLossError, errors.OutOfRangeError)) or type(error) is errors.OpError:
        return f"a file is damaged or cut off; restore it, or make it again ({said})."
    if isinstance(error, (errors.NotFoundError, errors.PermissionDeniedError)):
        return f"a file is missing or cannot be read or written ({said})."
    return None


def _first_line(error):
    """What happened, without where in the graph."""
    lines = [re.sub(r"^\{\{.*?\}\} *|\s*\[\[.*|\s*\[Op:.*", "", line).strip() for line in str(error).splitlines()]
    # The first lines of an error within a graph say only that there was one, and where.
    places = ("Graph execution error", "Detected at node", "<stack traces", "File ", "Node: ", "Stack trace")
    return next((line.rstrip(". ") for line in lines if line and not line.startswith(places)), type(error).__name__)


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
        raise ValueError(f"{option}={str(path)!r}: {str(there)!r} is not a folder; name a folder, existing or new.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"{option}={str(path)!r}: nothing can be written to {str(there)!r}; name another folder.")
