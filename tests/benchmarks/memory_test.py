"""Laws of what is said of memory."""

import os
import subprocess
import sys

import pytest

from benchmarks.memory import peak_gib

if not sys.platform.startswith("linux"):
    pytest.skip("needs Linux' /proc", allow_module_level=True)


def test_a_process_has_its_own_peak_until_it_ends():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert 0.0 < peak_gib(child.pid) < peak_gib()
    child.stdin.close()
    # Until it has ended, but without taking its status.
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert peak_gib(child.pid) == 0.0
    child.wait()
