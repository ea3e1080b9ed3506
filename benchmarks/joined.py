"""Measurements of joined requests: graphs as a server loads them, rates, and their tables."""

import concurrent.futures
import functools
import itertools
import os
import statistics
import time

import numpy as np
import tensorflow as tf
from absl import logging

from benchmarks.load.requests_mix import Mix


class Graph:
    """A SavedModel as a server loads it.

    Args:
        path: of the version.
    """

    def __init__(self, path: os.PathLike):
        with tf.Graph().as_default():
            self._session = tf.compat.v1.Session()
            self._table = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], str(path)).signature_def

    def run(self, signature: str, inputs: dict[str, np.ndarray]):
        """Computes all outputs of a signature."""
        info = self._table[signature]
        self._session.run({name: tensor.name for name, tensor in info.outputs.items()},
                          {info.inputs[name].name: value for name, value in inputs.items()})


def measure(run, requests, joined: int, threads: int, seconds: float) -> tuple[float, float]:
    """Requests per second, and per second of processor time of this process.

    Args:
        run: function of a batch of inputs.
        requests: list of inputs of one row each.
        joined: int. Requests of a batch.
        threads: int. Batches at a time.
        seconds: float. Each thread starts batches for so long.
    """
    source = itertools.cycle(requests)
    batches = [_join(list(itertools.islice(source, joined))) for _ in range(max(threads, len(requests) // joined))]
    wall, processor = time.perf_counter(), time.process_time()

    def work(offset):
        done = 0
        while not done or time.perf_counter() - wall < seconds:
            run(batches[(offset + done * threads) % len(batches)])
            done += 1
        return done

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        count = joined * sum(pool.map(work, range(threads)))
    return count / (time.perf_counter() - wall), count / (time.process_time() - processor)


def _join(requests):
    return {name: np.concatenate([request[name] for request in requests]) for name in requests[0]}


def compare(configurations, mix: Mix, graphs: dict[str, Graph], *, rounds: int, seconds: float) -> list[dict]:
    """Medians of `measure` over rounds.

    Args:
        configurations: list of "MODEL/SIGNATURE", requests of a batch, and batches at a time.
        mix: whence the requests come.
        graphs: by model.
        rounds: int.
        seconds: float. As in `measure`.
    """
    random, found = np.random.default_rng(0), {configuration: [] for configuration in configurations}
    requests = {name: [mix.inputs(name.split("/")[1], 1, random) for _ in range(64)] for name, _, _ in configurations}
    for number, (place, configuration) in itertools.product(range(rounds), enumerate(configurations)):
        name, joined, threads = configuration
        model, signature = name.split("/")
        run = functools.partial(graphs[model].run, signature)
        if not number:
            run(_join(requests[name][:joined]))  # The first run of a size takes longer.
        found[configuration].append(measure(run, requests[name], joined, threads, seconds))
        logging.info("Round %d of %d, %d of %d: %s, %d joined, %d at a time: %.1f requests a second.", number + 1,
                     rounds, place + 1, len(configurations), name, joined, threads, found[configuration][-1][0])
    return [{"signature": name, "joined": joined, "threads": threads,
             "per_second": statistics.median(rate for rate, _ in rates),
             "per_processor_second": statistics.median(rate for _, rate in rates)}
            for (name, joined, threads), rates in found.items()]


def markdown(results) -> str:
    """A table a signature: requests per second by joined requests and threads, in brackets per processor second."""
    lines = []
    for signature in dict.fromkeys(row["signature"] for row in results["rows"]):
        rows = [row for row in results["rows"] if row["signature"] == signature]
        threads = sorted({row["threads"] for row in rows})
        lines += ["| requests joined | " + " | ".join(f"{signature}, {count} at a time" for count in threads) + " |",
                  "| ---: " * (1 + len(threads)) + "|"]
        for joined in sorted({row["joined"] for row in rows}):
            cells = [f"{row['per_second']:.3g} ({row['per_processor_second']:.3g})" for count in threads for row in rows
                     if (row["joined"], row["threads"]) == (joined, count)]
            lines.append(f"| {joined} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)
