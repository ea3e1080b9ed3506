"""Process-wide settings that training needs, applied once at the start of a main."""

import ctypes
import pathlib
import sys

from attr2image_tf.later import tf

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
# As Linux names the instructions of x86 and ARM.
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def prepare(threads: int = 0):
    """Keeps freed memory with the process and sets the number of threads; call before anything runs.

    glibc gives large blocks back to the system at every free and faults them in anew at every step, which took up to
    30 % of the processor time of training. Elsewhere than on glibc nothing changes.

    Args:
        threads: threads of one operation; 0 for one a core.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_MAX, 0)
            mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def has_bfloat16() -> bool | None:
    """Whether there is a GPU or the processor has instructions for bfloat16; None where that cannot be told."""
    if tf.config.list_physical_devices("GPU"):
        return True
    try:
        return not _BFLOAT16.isdisjoint(pathlib.Path("/proc/cpuinfo").read_text().split())
    except OSError:  # Elsewhere than on Linux.
        return None
