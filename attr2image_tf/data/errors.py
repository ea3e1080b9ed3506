"""DataError: what a reader of data says when it cannot go on."""

import contextlib
import errno
import os

from attr2image_tf.later import tf

# One bad picture of thousands is skipped; more than this says that the files are broken.
LARGEST_UNDECODABLE_SHARE = 0.02
UNUSABLE = "pictures that cannot be used"


class DataError(ValueError):
    """Data that cannot be used; one sentence that names the file, what was expected and what to do."""


@contextlib.contextmanager
def clear_disk_errors(path: str | os.PathLike, option: str = "--prepared_dir"):
    """Turns a full disk into a DataError that names what was being written."""
    try:
        yield
    except (OSError, tf.errors.ResourceExhaustedError) as error:
        if isinstance(error, tf.errors.ResourceExhaustedError) or error.errno == errno.ENOSPC:
            raise DataError(f"No space left on the disk while writing {path}; free some, or choose another folder with "
                            f"{option}.") from error
        raise
