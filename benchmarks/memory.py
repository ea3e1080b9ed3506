"""Peak memory of a process."""

import pathlib
import resource


def peak_gib(process: int | str = "self") -> float:
    """Largest resident size of a process so far, in GiB; 0 of one that has ended.

    Of Linux' /proc, since getrusage counts the process which started that one too. Where there is none (macOS), of this
    process only, by getrusage.
    """
    if not pathlib.Path("/proc/self/status").exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30
    try:
        status = pathlib.Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return 0.0
    # A process that has ended and is not waited for yet has no such line.
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20 if "VmHWM:" in status else 0.0
