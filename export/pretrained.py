"""Packs a trained run as a model that comes with the package.

    python -m export.pretrained --run=runs/lfw_sharp --regressor=runs/regressor_a --name=faces-64

writes attr2image_tf/pretrained/NAME.tar.xz, with exports and a LiteRT file, and its checksum. Rounded kernels keep the
archive small; they are unpacked as float32, so nothing is cast in use. Write its model card, NAME.md beside it, by
hand.
"""

import importlib.util
import json
import tempfile

from absl import flags

from attr2image_tf import pretrained
from attr2image_tf.files import as_path, write_text
from attr2image_tf.run_folder import RunFolder
from export.packing import pack
from trainers.flags import define_path, require, run

define_path("run", None, "Folder of the trained run.")
define_path("regressor", None, "Folder of the attribute regressor that reads attributes; see export.export.")
flags.DEFINE_string("name", None, "Name of the model, such as faces-64.")
flags.DEFINE_integer("significant_bits", 6, "Significant bits of rounded kernels; bfloat16 has 8.", lower_bound=2,
                     upper_bound=24)


def main(values):
    require(values, "run", "name the folder of a trained run")
    require(values, "name", "such as --name=faces-64")
    if not values.name.replace("-", "").isalnum():
        raise ValueError(f"--name={values.name!r}: expected letters, digits and hyphens.")
    if not importlib.util.find_spec("tensorflow_serving"):
        raise ValueError("tensorflow-serving-api is not installed; it is needed to write warm-up records. "
                         "Install it by: pip install '.[serving]'")
    RunFolder(values.run).read_config()
    from attr2image_tf.signatures.publishing import export_run, picture_difference
    from export.litert_file import export_litert
    archive = pretrained.archive(values.name)
    with tempfile.TemporaryDirectory() as folder:
        folder = as_path(folder)
        versions = export_run(values.run, folder, significant_bits=values.significant_bits, regressor=values.regressor)
        difference, _ = picture_difference(values.run, versions["generator"])
        report = export_litert(values.run, folder / f"{values.name}.tflite")
        (folder / f"{values.name}.png").unlink()
        pack(folder, archive)
    sums = json.loads(pretrained.SUMS.read_text()) if pretrained.SUMS.exists() else {}
    sums[values.name] = pretrained.sum_of(archive)
    # This one has its warm-up records.
    if sums.pop(values.name + pretrained.WARMUP, None):
        pretrained.archive(values.name + pretrained.WARMUP).unlink()
    write_text(pretrained.SUMS, json.dumps(sums, indent=2, sort_keys=True) + "\n")
    print(f"{archive}: {archive.stat().st_size / 2**20:.1f} MiB; pictures differ from the run's by {difference:.2f} of "
          f"255 levels on average, those of the LiteRT file by {report['mean_difference']:.2f}")


if __name__ == "__main__":
    run(main, computes=False)
