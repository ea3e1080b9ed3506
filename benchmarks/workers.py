"""Measurements in processes of their own, taken in turn: each has its own peak memory, and a slow hour slows all."""

import contextlib
import multiprocessing
import os
import pathlib
import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from attr2image_tf import runtime


class Worker:
    """A process that measures some work whenever asked; use it in a `with` block.

    Args:
        make: function of `settings`, of a module, so that the process finds it, to the work: a function without
            arguments that does it and waits for its end, and its gflop, 1e9 multiplications and additions in
            convolutions and matrix products.
        devices: int. Logical CPU devices.
        settings: arguments of `make`.
    """

    def __init__(self, make, *, devices=1, **settings):
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, make, devices, settings), daemon=True)
        # Every process would otherwise tell what it found of the machine.
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
        self._process.start()
        other.close()
        self._rounds = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()
        self._process.join(30)
        self._process.terminate()

    def measure(self, repeats: int):
        """Adds the medians of so many calls, after one that does not count, to the result.

        Raises:
            RuntimeError: the process ended, or could not do its work.
        """
        try:
            self._connection.send(repeats)
            answer = self._connection.recv()
        except (EOFError, BrokenPipeError):
            self._process.join(30)
            raise RuntimeError(f"a worker ended with status {self._process.exitcode}; what it printed says why, and "
                               "-9 means that memory ran out.") from None
        if "error" in answer:
            raise RuntimeError(answer["error"])
        self._rounds.append(answer)

    def result(self) -> dict[str, float]:
        """Of all measurements: seconds and processor_seconds (of all cores, which other processes disturb less) of a
        call, medians; gflop; peak_memory_gib; gpu_memory_gib where there is a GPU."""
        medians = {name: statistics.median(each[name] for each in self._rounds)
                   for name in ("seconds", "processor_seconds")}
        return self._rounds[-1] | medians


def _serve(connection, make, devices, settings):
    runtime.prepare()
    for gpu in tf.config.list_physical_devices("GPU"):
        # All workers share it, and what is taken is measured.
        tf.config.experimental.set_memory_growth(gpu, True)
    if devices > 1:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * devices)
    call = None
    with contextlib.suppress(EOFError):
        while True:
            repeats = connection.recv()
            try:
                if call is None:
                    call, gflop = make(**settings)
                times = measure(call, repeats)
            except (tf.errors.OpError, ValueError) as error:
                connection.send({"error": f"{settings}: {error}"})
                return
            connection.send({**times, "gflop": gflop, **_memory()})


def measure(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Medians of seconds and processor_seconds of so many calls, after one that does not count."""
    call()
    times = []
    for _ in range(repeats):
        before = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - before[0], time.process_time() - before[1]))
    return {name: statistics.median(each) for name, each in
            zip(("seconds", "processor_seconds"), zip(*times, strict=True), strict=True)}


def _memory():
    # Of Linux' /proc, since getrusage counts the process which started this one too.
    status = pathlib.Path("/proc/self/status").read_text()
    memory = {"peak_memory_gib": int(status.split("VmHWM:")[1].split()[0]) / 2**20}
    if tf.config.list_logical_devices("GPU"):
        memory["gpu_memory_gib"] = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**30
    return memory
