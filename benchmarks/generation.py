"""Time to draw with an exported generator of the paper's size, in all its forms, beside a peer in the same run.

    python -m benchmarks.generation --peer="OTHER_ENVIRONMENT/bin/python peer_torch.py" --peer_options=--channels_last

Forms are loaded as an app loads them. Needs ai-edge-litert (pip install ".[litert]").
"""

import json
import os
import pathlib
import statistics
import tempfile

import tensorflow as tf
from absl import flags

from attr2image_tf.files import write_text
from benchmarks import exports
from benchmarks.peer import PEER, matrix_peak, measure_peer
from trainers.flags import define_path, run

_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8", "64"], "Batch sizes.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Calls of one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side, in turn.", lower_bound=1)
OUTPUT = define_path("output", None, "File for the results as JSON; optional.")


def measure_all(forms, attribute_count):
    """Median seconds by batch size and form, and of the peer where there is one."""
    return {size: measure(forms, size, attribute_count) for size in map(int, _BATCH_SIZES.value)}


def measure(forms, batch_size, attribute_count):
    """Median seconds of one batch by form, and of the peer where there is one."""
    peers = []

    def measure_the_peer():
        if PEER.value:
            peers.append(measure_peer("generate", f"--batch={batch_size}", f"--repeats={_REPEATS.value}"))

    seconds = exports.median_seconds(forms, batch_size, attribute_count, repeats=_REPEATS.value,
                                     rounds=_ROUNDS.value, between=measure_the_peer)
    if peers:
        seconds["peer"] = statistics.median(peer["seconds"] for peer in peers)
    return seconds


def table(seconds: dict[int, dict[str, float]], sizes: dict[str, int]) -> str:
    """Seconds by batch size and form as Markdown, with what the peer takes as a multiple of it."""
    lines = ["| form | MiB | " + " | ".join(f"ms at batch {size} | pictures/s | times the peer" for size in seconds)
             + " |", "| --- " * (2 + 3 * len(seconds)) + "|"]
    for name in next(iter(seconds.values())):
        cells = [name, f"{sizes[name] / 2**20:.1f}" if name in sizes else ""]
        for batch_size, measured in seconds.items():
            taken, peer = measured.get(name), measured.get("peer")
            cells += ["", "", ""] if taken is None else [
                f"{1000 * taken:.1f}", f"{batch_size / taken:.0f}", f"{peer / taken:.2f}" if peer else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(values):
    _, schema = exports.paper_size()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        forms = exports.make_forms(lambda: exports.paper_size()[0], schema, pathlib.Path(folder), threads=cores)
        sizes = {name: form.size for name, form in forms.items()}
        seconds = measure_all(forms, len(schema))
    peak = matrix_peak()
    if OUTPUT.value:
        write_text(pathlib.Path(OUTPUT.value), json.dumps(
            {"tensorflow": tf.__version__, "cores": cores, "matrix_peak_gflops": peak, "bytes": sizes,
             "seconds": seconds}, indent=2))
    print(f"{table(seconds, sizes)}\n\nMatrix products: {peak:.0f} GFLOP/s")


if __name__ == "__main__":
    run(main)
