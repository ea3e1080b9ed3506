"""Exports a trained run as one LiteRT file, for phones, browsers and programs without TensorFlow.

    python -m export.litert --run=runs/lfw --output=models/lfw.tflite
    python -m export.litert --run=runs/lfw --output=models/lfw.tflite --weights=float32

writes the file and, beside it, lfw.json with what an app must know (names, statistics and units of the attributes,
sizes) and lfw.png, which shows what the smaller weights change.
"""

import importlib.util

from absl import flags

from attr2image_tf.config import LITERT_WEIGHTS
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path
from attr2image_tf.run_folder import RunFolder
from trainers.flags import define_path, run

define_path("run", None, "Folder of the trained run.")
define_path("output", None, "File to write, *.tflite; a JSON and a PNG are written beside it.")
flags.DEFINE_enum("weights", "int8", LITERT_WEIGHTS, "Number type of the stored weights.")


def main(values):
    if not values.run or not values.output or not values.output.endswith(".tflite"):
        raise ValueError("--run or --output is missing; name the folder of a trained run and a file *.tflite.")
    output = as_path(values.output)
    check_writable(output.parent, "output")
    if not importlib.util.find_spec("ai_edge_litert"):
        raise ValueError("ai-edge-litert is not installed; it is needed to compare the file with the run. "
                         "Install it by: pip install '.[litert]'")
    RunFolder(values.run).read_config()
    from export.litert_file import export_litert
    report = export_litert(values.run, output, weights=values.weights)
    size = output.stat().st_size / 2**20
    print(f"{output}: {size:.1f} MiB; pictures differ from the run's by {report['mean_difference']:.2f} of 255 levels "
          f"on average, by {report['largest_difference']:.0f} at most")


if __name__ == "__main__":
    run(main, computes=False)
