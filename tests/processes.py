"""The mains as processes of their own, without a start of TensorFlow for each.

A server process imports TensorFlow and the library once and forks for every start, before anything has run in it. What
is forked is as alone as any process: it has its own flags, settings of TensorFlow and signals, and can be killed. The
start of a main as a user does it, with its imports, is tested in tests/readme_walk_test.py.
"""

import contextlib
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


def leave_graphs_as_they_are():
    """Switches off what rewrites a graph before it first runs: a third of the time of tests, in which graphs run once.

    Results differ by rounding. What is started as a user starts it has it on (tests/readme_walk_test.py,
    tests/pretrained_test.py).
    """
    import tensorflow as tf
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


class Process:
    """As much of subprocess.Popen as the tests need, for a module or a file of Python.

    Args:
        program: name of a module ("trainers.train"), or path of a file that ends in .py.
        arguments: of its command line.
        folder: where it runs.
        environment: variables beside those of the tests.
    """

    def __init__(self, program, *arguments, folder=ROOT, **environment):
        self._texts, self._said = [_empty_file(), _empty_file()], None
        self._process = _context.Process(target=_work, args=(
            str(program), [str(each) for each in arguments], str(folder), {**os.environ, **environment}, self._texts))
        # The first start is that of the server, which finds the library from here.
        with contextlib.chdir(ROOT):
            self._process.start()

    def poll(self):
        """The exit status, or None while it runs; that of a killed one is the signal's number, negated."""
        return self._process.exitcode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self._process.pid, number)

    def communicate(self, timeout=900):
        """Waits for the end; what was written to standard output and to standard error."""
        self._process.join(timeout)
        if self.poll() is None:
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(" ".join(sys.argv), timeout, *self._read())
        return self._read()

    @property
    def returncode(self):
        return self.poll()

    def _read(self):
        if self._said is None:
            files = [pathlib.Path(path) for path in self._texts]
            self._said = tuple(file.read_text(errors="replace") for file in files)
            for file in files:
                file.unlink()
        return self._said


def run(program, *arguments, expected=0, folder=ROOT, **environment):
    """Runs a main to its end; its output and errors as a CompletedProcess.

    One that is expected to fail must do so in a sentence.
    """
    process = Process(program, *arguments, folder=folder, **environment)
    output, errors = process.communicate()
    assert process.returncode == expected, output[-1000:] + errors[-3000:]
    assert expected == 0 or "Traceback" not in errors
    return subprocess.CompletedProcess([str(program), *arguments], process.returncode, output, errors)


def kill_when(process, condition, number=signal.SIGKILL, seconds=600):
    """Sends a signal as soon as a condition holds, which must be before the process ends; waits for the end."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate(1)
        time.sleep(0.02)
    process.send_signal(number)
    return process.communicate()


def _empty_file():
    handle, path = tempfile.mkstemp(prefix="attr2image_test_")
    os.close(handle)
    return path


def _work(program, arguments, folder, environment, texts):
    for stream, path in zip((1, 2), texts, strict=True):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(handle, stream)
        os.close(handle)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = [program, *arguments]
    sys.path.insert(0, folder)
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
