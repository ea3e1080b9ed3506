"""What an operator pays for an exported generator in each of its forms: size, time to load, memory, time to draw.

    python -m benchmarks.serving --run=runs/lfw
    python -m benchmarks.serving --peer="OTHER/bin/python benchmarks/peer_torch.py" --peer_options=--channels_last

Each form is loaded in a process of its own, then all draw in turn in this one. Without --run the network is a new one
of the paper's size, as the peer's is. Needs Linux and ai-edge-litert (pip install ".[litert]").
"""

import collections
import functools
import json
import os
import pathlib
import statistics
import tempfile

import numpy as np
import tensorflow as tf
from absl import flags

from attr2image_tf.files import write_text
from attr2image_tf.randomness import seed_rows
from attr2image_tf.run_folder import RunFolder
from benchmarks import exports
from benchmarks.peer import matrix_peak, measure_peer
from benchmarks.workers import measure
from trainers.flags import define_path, run

_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8", "64"], "Batch sizes.")
_REPEATS = flags.DEFINE_integer("repeats", 15, "Calls of one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side, in turn.", lower_bound=1)
_OUTPUT = define_path("output", None, "File for the results as JSON; optional.")
_RUN = define_path("run", None, "Folder of a trained run; optional.")
_LOADS = flags.DEFINE_integer("loads", 3, "Times that each form is loaded.", lower_bound=1)


def measure_forms(forms, batch_size, attribute_count):
    """Median seconds of one batch by form that takes it, and of the peer where there is one, all in turn."""
    attributes, seed = np.zeros([batch_size, attribute_count], np.float32), seed_rows(0, batch_size)
    seconds = collections.defaultdict(list)
    for _ in range(_ROUNDS.value):
        for name, form in forms.items():
            if form.largest_batch >= batch_size:
                draw = functools.partial(form.draw, attributes, seed)
                seconds[name].append(measure(draw, _REPEATS.value)["seconds"])
        if peer := measure_peer("generate", f"--batch={batch_size}", f"--repeats={_REPEATS.value}"):
            seconds["peer"].append(peer["seconds"])
    return {name: statistics.median(collected) for name, collected in seconds.items()}


def speed_table(seconds: dict[int, dict[str, float]], sizes: dict[str, int]) -> str:
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


def differences(forms: dict[str, exports.Form], schema, samples: int = 32) -> dict[str, float]:
    """Mean difference in levels of 255 from the float32 form's pictures, of the forms that draw the same latents."""
    attributes, seed = schema.draw({}, samples), seed_rows(0, samples)
    drawn = {name: form.draw(attributes, seed) for name, form in forms.items() if form.largest_batch >= samples}
    return {name: float(255.0 * np.abs(images - drawn[exports.FLOAT32]).mean()) for name, images in drawn.items()
            if name != exports.KERAS}


def table(loads: dict[str, dict[str, float]], changed: dict[str, float]) -> str:
    """The results of loading as Markdown."""
    lines = ["| form | loads in s | first picture after s | GiB of memory | mean difference of 255 |",
             "| --- " * 5 + "|"]
    lines += [f"| {name} | {load['load_seconds']:.2f} | {load['first_seconds']:.2f} | {load['memory_gib']:.2f} | "
              + (f"{changed[name]:.3f} |" if name in changed else " |") for name, load in loads.items()]
    return "\n".join(lines)


def main(values):
    if _RUN.value:
        folder = RunFolder(_RUN.value)
        create_model, schema = folder.load_model, folder.read_schema()
    else:
        create_model, schema = lambda: exports.paper_size()[0], exports.paper_size()[1]
    create_model()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        forms = exports.make_forms(create_model, schema, pathlib.Path(folder), threads=cores)
        loads = {name: exports.measure_load(form, _LOADS.value) for name, form in forms.items()}
        changed = differences(forms, schema)
        sizes = {name: form.size for name, form in forms.items()}
        seconds = {size: measure_forms(forms, size, len(schema)) for size in map(int, _BATCH_SIZES.value)}
    peak = matrix_peak()
    if _OUTPUT.value:
        write_text(pathlib.Path(_OUTPUT.value), json.dumps(
            {"run": _RUN.value, "tensorflow": tf.__version__, "cores": cores, "matrix_peak_gflops": peak,
             "bytes": sizes, "loads": loads, "differences": changed, "seconds": seconds}, indent=2))
    print(f"{speed_table(seconds, sizes)}\n\n{table(loads, changed)}\n\nMatrix products: {peak:.0f} GFLOP/s")


if __name__ == "__main__":
    run(main)
