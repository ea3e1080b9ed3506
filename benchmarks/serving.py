"""What an operator pays for an exported generator in each of its forms: size, time to load, memory, time to draw.

    python -m benchmarks.serving --run=runs/lfw
    python -m benchmarks.serving --peer="OTHER_ENVIRONMENT/bin/python peer_torch.py" --peer_options=--channels_last

Each form is loaded in a process of its own, then all draw in turn in this one. Without --run the network is a new one
of the paper's size, as the peer's is. Needs Linux and ai-edge-litert (pip install ".[litert]").
"""

import json
import os
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
from absl import flags

from attr2image_tf.files import write_text
from attr2image_tf.run_folder import RunFolder
from benchmarks import exports, generation
from benchmarks.peer import matrix_peak
from trainers.flags import define_path, run

_RUN = define_path("run", None, "Folder of a trained run; optional.")
_LOADS = flags.DEFINE_integer("loads", 3, "Times that each form is loaded.", lower_bound=1)


def differences(forms: dict[str, exports.Form], schema, samples: int = 32) -> dict[str, float]:
    """Mean difference in levels of 255 from the float32 form's pictures, of the forms that draw the same latents."""
    attributes = schema.draw({}, samples)
    seed = np.stack([np.zeros(samples, np.int32), np.arange(samples, dtype=np.int32)], -1)
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
        seconds = generation.measure_all(forms, len(schema))
    peak = matrix_peak()
    if generation.OUTPUT.value:
        write_text(pathlib.Path(generation.OUTPUT.value), json.dumps(
            {"run": _RUN.value, "tensorflow": tf.__version__, "cores": cores, "matrix_peak_gflops": peak,
             "bytes": sizes, "loads": loads, "differences": changed, "seconds": seconds}, indent=2))
    print(f"{generation.table(seconds, sizes)}\n\n{table(loads, changed)}\n\nMatrix products: {peak:.0f} GFLOP/s")


if __name__ == "__main__":
    run(main)
