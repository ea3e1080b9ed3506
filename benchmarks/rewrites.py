"""What each rewrite gives in a training step: the package's step beside the same step with one plain form put back.

    python -m benchmarks.rewrites --output=rewrites.json

Both steps run in turn, each in a process of its own, on the paper's layered model and a batch of noise. Rows on
settings of the process (freed memory kept, oneDNN, threads) are measured in the same way. That each is the same
function is what tests/models/rewrites_test.py, upsampling_test.py, normalization_test.py and optimizer_test.py show.
"""

import json
import os
import pathlib

import tensorflow as tf
from absl import flags, logging

from attr2image_tf.files import write_text
from benchmarks import plain
from benchmarks.steps import make_config, make_optimizer, make_step
from benchmarks.workers import Work, Worker
from trainers.flags import define_path, run

SETTINGS = {
    "memory": ("freed memory kept with the process", {"keep_memory": False}),
    "onednn": ("oneDNN", {"environment": {"TF_ENABLE_ONEDNN_OPTS": "0"}}),
    "threads": ("an operation on all cores", {"environment": {"TF_NUM_INTRAOP_THREADS": "1"}}),
    "operations": ("several operations at once", {"environment": {"TF_NUM_INTEROP_THREADS": "1"}}),
}
KNOWN = (*plain.FORMS, "all", *SETTINGS)

_OUTPUT = define_path("output", None, "JSON file for the results.")
_REWRITES = flags.DEFINE_multi_enum("rewrites", list(KNOWN), KNOWN, "Those to measure, all by default.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pictures of a step.", lower_bound=1)
_WIDTH = flags.DEFINE_float("width", 1.0, "Factor on the channels.")
_REPEATS = flags.DEFINE_integer("repeats", 4, "Steps of one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side, in turn.", lower_bound=1)


def make(undone: tuple[str, ...], width: float, batch_size: int) -> Work:
    """The step with these rewrites undone."""
    optimizer = plain.PlainAdam if "optimiser" in undone else make_optimizer
    return make_step(make_config(width=width), batch_size, create=lambda config: plain.create(config, *undone),
                     optimizer=optimizer)


def compare(name: str) -> dict:
    """The package's step and the one without a rewrite, in turn."""
    undone = plain.ALL if name == "all" else (name,)
    options = SETTINGS[name][1] if name in SETTINGS else {}
    size = {"width": _WIDTH.value, "batch_size": _BATCH_SIZE.value}
    with Worker(make, undone=(), **size) as ours, Worker(make, undone=undone, **options, **size) as other:
        for _ in range(_ROUNDS.value):
            for worker in (ours, other):
                worker.measure(_REPEATS.value)
        results = {"rewritten": ours.result(), "plain": other.result()}
    gains = {f"gain_{unit}": results["plain"][unit] / results["rewritten"][unit]
             for unit in ("seconds", "processor_seconds")}
    return {"rewrite": name, **results, **gains}


def table(results: list[dict]) -> str:
    """The results as Markdown."""
    known = plain.FORMS | {"all": "all of these"} | {name: text for name, (text, _) in SETTINGS.items()}
    lines = ["| rewrite | s a step, plain | rewritten | gain | gain in processor time | GFLOP a picture, plain | "
             "rewritten | GiB, plain | rewritten |", "| --- " * 9 + "|"]
    for result in results:
        sides = [result[side] for side in ("plain", "rewritten")]
        columns = [[f"{side['seconds']:.3f}" for side in sides],
                   [f"{result[f'gain_{unit}']:.2f}" for unit in ("seconds", "processor_seconds")],
                   [f"{side['gflop'] / _BATCH_SIZE.value:.2f}" for side in sides],
                   [f"{side['peak_memory_gib']:.2f}" for side in sides]]
        lines.append(f"| {known[result['rewrite']]} | {' | '.join(sum(columns, []))} |")
    return "\n".join(lines)


def main(values):
    results = []
    for name in _REWRITES.value:
        results.append(compare(name))
        logging.info("%s: %.2f times as fast as plain (%d of %d)", name, results[-1]["gain_seconds"], len(results),
                     len(_REWRITES.value))
        if _OUTPUT.value:
            write_text(pathlib.Path(_OUTPUT.value), json.dumps(
                {"tensorflow": tf.__version__, "cores": len(os.sched_getaffinity(0)), "width": _WIDTH.value,
                 "batch_size": _BATCH_SIZE.value, "results": results}, indent=2))
    print(table(results))


if __name__ == "__main__":
    run(main, computes=False)
