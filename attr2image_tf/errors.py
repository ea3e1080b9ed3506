"""How mistakes are told at the command line."""

import contextlib
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
