"""Packs a trained run as a model that comes with the package.

    python -m export.pretrained --run=runs/lfw_detail --regressor=runs/regressor_a --name=faces

writes attr2image_tf/pretrained/NAME.tar.xz, with exports and a LiteRT file, and its checksum. Rounded kernels keep the
archive small; they are unpacked as float32, so nothing is cast in use. The same model without detail goes into the
archive too, in a folder of the name that `pretrained.PLAIN` has for it. Write the model card, NAME.md beside the
archive, by hand.
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
flags.DEFINE_string("name", None, "Name of the model, such as faces.")
flags.DEFINE_integer("significant_bits", 6, "Significant bits of rounded kernels; bfloat16 has 8.", lower_bound=2,
                     upper_bound=24)


def main(values):
    require(values, "run", "name the folder of a trained run")
    require(values, "name", "such as --name=faces")
    if not values.name.replace("-", "").isalnum():
        raise ValueError(f"--name={values.name!r}: expected letters, digits and hyphens.")
    if not importlib.util.find_spec("tensorflow_serving"):
        raise ValueError("tensorflow-serving-api is not installed; it is needed to write warm-up records. "
                         "Install it by: pip install '.[serving]'")
    RunFolder(values.run).read_config()
    from attr2image_tf.signatures.publishing import export_run, picture_difference
    from export.litert_file import export_litert
    archive = pretrained.archive(values.name)
    plain = [name for name, detailed in pretrained.PLAIN.items() if detailed == values.name]
    with tempfile.TemporaryDirectory() as folder:
        folder = as_path(folder)
        options = {"significant_bits": values.significant_bits, "regressor": values.regressor}
        versions = export_run(values.run, folder, **options)
        for name in plain:
            export_run(values.run, folder / name, detail=None, **options)
        difference, _ = picture_difference(values.run, versions["generator"])
        # LiteRT files have no detail.
        name = plain[0] if plain else values.name
        file = folder / (name if plain else "") / f"{name}.tflite"
        report = export_litert(values.run, file)
        file.with_suffix(".png").unlink()
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
