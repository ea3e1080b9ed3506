"""Peak memory of a process."""

import pathlib


def peak_gib(process: int | str = "self") -> float:
    """Largest resident size of a process so far, in GiB; 0 of one that has ended and is not waited for yet.

    Of Linux' /proc, since getrusage counts the process which started that one too.
    """
    status = pathlib.Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20 if "VmHWM:" in status else 0.0
