"""Training steps of the paper's layered model by precision, XLA and strategy, beside a peer in the same run.

    python -m benchmarks.training --output=training.json --peer="OTHER/bin/python benchmarks/peer_torch.py" \
        --peer_options=--channels_last --peer_options=--compile --peer_options="--channels_last --compile"
    python -m benchmarks.training --precisions=float32,mixed_bfloat16          # a processor with bfloat16
    python -m benchmarks.training --jit --precisions=mixed_float16,mixed_bfloat16,float32  # a GPU
    python -m benchmarks.training --mirrored=2                                         # logical CPU devices

All take the same batch of noise again and again, in turn and in processes of their own. A step is the one of
`trainers.train`, weight decay and moving average of the weights included.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics

import keras
import tensorflow as tf
from absl import flags, logging

from attr2image_tf.files import write_text
from attr2image_tf.models import CLASSES
from benchmarks.peer import matrix_product, measure_peer
from benchmarks.steps import make_config, make_step
from benchmarks.workers import Worker
from trainers.flags import define_path, run

_OUTPUT = define_path("output", None, "JSON file for the results.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pictures of a step.", lower_bound=1)
_WIDTH = flags.DEFINE_float("width", 1.0, "Factor on the channels; the peer's network is of width 1.")
_MODEL = flags.DEFINE_enum("model", "discvae", list(CLASSES), "The peer's is discvae.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Height and width in pixels; the peer's is 64.")
_PRECISIONS = flags.DEFINE_list("precisions", ["float32"], "Dtype policies, such as float32,mixed_bfloat16. On a "
                                "processor bfloat16 needs AVX-512 or more; without, a step takes minutes.")
_JIT = flags.DEFINE_bool("jit", False, "Whether to measure each also compiled with XLA.")
_MIRRORED = flags.DEFINE_integer("mirrored", 0, "Whether to measure the first precision also under MirroredStrategy: "
                                 "on so many logical CPU devices, or on all GPUs where there are any.", lower_bound=0)
_REPEATS = flags.DEFINE_integer("repeats", 6, "Steps of one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side, in turn.", lower_bound=1)

@dataclasses.dataclass(frozen=True)
class Case:
    """A way to take the step."""

    precision: str
    jit_compile: bool = False
    devices: int = 0

    @property
    def name(self) -> str:
        return self.precision + ", XLA" * self.jit_compile + f", mirrored ({self.devices})" * bool(self.devices)


def cases() -> list[Case]:
    """What the flags ask for."""
    result = [Case(precision, jit) for precision in _PRECISIONS.value for jit in (False, True)[:1 + _JIT.value]]
    return result + [Case(_PRECISIONS.value[0], devices=_MIRRORED.value)] * bool(_MIRRORED.value)


def make_peak(precision: str):
    """A product of matrices, whose rate no network here can surpass, for a Worker."""
    product, gflop = matrix_product(keras.DTypePolicy(precision).compute_dtype)
    return lambda: product().numpy(), gflop


def measure() -> dict:
    """All cases, the peaks and the peer, in turn."""
    size = {"model": _MODEL.value, "image_size": _IMAGE_SIZE.value, "width": _WIDTH.value,
            "batch_size": _BATCH_SIZE.value}
    peers = []
    with contextlib.ExitStack() as stack:
        workers = {case: stack.enter_context(Worker(
            make_step, devices=max(case.devices, 1), precision=case.precision, jit_compile=case.jit_compile,
            strategy="mirrored" if case.devices else "one_device", **size)) for case in cases()}
        peaks = {precision: stack.enter_context(Worker(make_peak, precision=precision))
                 for precision in _PRECISIONS.value}
        for number in range(_ROUNDS.value):
            for worker in (*peaks.values(), *workers.values()):
                worker.measure(_REPEATS.value)
            peers.append(measure_peer("train", f"--batch={_BATCH_SIZE.value}", f"--repeats={_REPEATS.value}"))
            logging.info("Round %d of %d done.", number + 1, _ROUNDS.value)
        steps = [dataclasses.asdict(case) | {"name": case.name} | worker.result() for case, worker in workers.items()]
        return {"size": size, "cores": len(os.sched_getaffinity(0)), "tensorflow": tf.__version__,
                "keras": keras.__version__, "peers": [peer for peer in peers if peer], "steps": steps,
                "peak_gflop_per_second": {precision: each.result()["gflop"] / each.result()["seconds"]
                                          for precision, each in peaks.items()}}


def table(results: dict) -> str:
    """The results as Markdown."""
    rows, peaks = results["size"]["batch_size"], results["peak_gflop_per_second"]
    theirs = statistics.median(peer["seconds"] for peer in results["peers"]) if results["peers"] else None
    lines = ["| step | s | pictures a second | GFLOP/s | of the peak | s of processors | GiB | times the peer |",
             "| --- " * 8 + "|"]
    for step in results["steps"]:
        rate = step["gflop"] / step["seconds"]
        ratio = f"{theirs / step['seconds']:.2f}" if theirs else ""
        lines.append(
            f"| {step['name']} | {step['seconds']:.3f} | {rows / step['seconds']:.1f} | {rate:.0f} | "
            f"{rate / peaks[step['precision']]:.0%} | {step['processor_seconds']:.2f} | "
            f"{step.get('gpu_memory_gib', step['peak_memory_gib']):.2f} | {ratio} |")
    if theirs:
        peer = results["peers"][0]
        lines.append(f"| peer, torch {peer['torch']}, fastest of its options ({peer['options'] or 'none'}) | "
                     f"{theirs:.3f} | {rows / theirs:.1f} | | | | | 1 |")
    peaks = ", ".join(f"{rate:.0f} GFLOP/s in {precision}" for precision, rate in peaks.items())
    return "\n".join([*lines, "", f"Matrix products: {peaks}. {results['cores']} cores, batch {rows}."])


def main(values):
    for case in cases():  # Refused before anything is measured.
        make_config(precision=case.precision, image_size=_IMAGE_SIZE.value, width=_WIDTH.value)
    if _MIRRORED.value and _BATCH_SIZE.value % _MIRRORED.value:
        raise ValueError(f"batch_size={_BATCH_SIZE.value}: expected a multiple of mirrored={_MIRRORED.value}.")
    results = measure()
    if _OUTPUT.value:
        write_text(pathlib.Path(_OUTPUT.value), json.dumps(results, indent=2))
    print(table(results))


if __name__ == "__main__":
    run(main, computes=False)
