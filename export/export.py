"""Exports a trained run as SavedModels.

    python -m export.export --run=runs/lfw --output=models

writes models/generator/<version>/ and models/latent_optimizer/<version>/, each completely or not at all. The version is
one above the largest that exists.
"""

from absl import flags

from attr2image_tf.config import WEIGHTS
from attr2image_tf.errors import check_writable
from attr2image_tf.inference.optimizer_config import OptimizerConfig
from attr2image_tf.run_folder import RunFolder
from trainers.flags import define_path, require, run

define_path("run", None, "Folder of the trained run.")
define_path("output", "models", "Folder that gets generator/<version>/ and latent_optimizer/<version>/.")
flags.DEFINE_integer("evaluations", OptimizerConfig().evaluations, "Most evaluations of the energy in posterior "
                     "inference; more take longer and find lower energies.", lower_bound=1)
flags.DEFINE_alias("iterations", "evaluations")  # The name that it had.
flags.DEFINE_enum("weights", "float32", WEIGHTS, "Precision of stored kernels. 16 bits halve disk and memory; the "
                  "change in pictures is printed.")
flags.DEFINE_float("temperature", 1.0, "Factor on the noise that pictures are drawn from; below 1 they are more "
                   "typical and more alike. (The signature `sample` takes any.)", lower_bound=0.0)
flags.DEFINE_integer("detail_steps", None, "Evaluations of the detail network per picture. Default: the run's.",
                     lower_bound=1)
flags.DEFINE_float("detail_guidance", None, "How strongly detail follows the attributes; 1 takes half the time. "
                   "Default: the run's.", lower_bound=0.0)
flags.DEFINE_float("detail_temperature", None, "Factor on the noise that detail is drawn from. Default: the run's.",
                   lower_bound=0.0)
define_path("regressor", None, "Folder of an attribute regressor that reads attributes that are not given; without it "
            "they are inferred less accurately.")
flags.DEFINE_integer("keep", 0, "Number of newest versions to keep of each model; 0 keeps all.", lower_bound=0)


def main(values):
    require(values, "run", "name the folder of a trained run")
    check_writable(values.output, "output")
    RunFolder(values.run).read_config()
    from attr2image_tf.signatures.publishing import export_run, picture_difference
    detail = {name: getattr(values, f"detail_{name}") for name in ("steps", "guidance", "temperature")}
    detail = {name: value for name, value in detail.items() if value is not None}
    versions = export_run(values.run, values.output, detail=detail, keep=values.keep, weights=values.weights,
                          temperature=values.temperature, regressor=values.regressor,
                          inference=OptimizerConfig(evaluations=values.evaluations))
    print(*versions.values(), sep="\n")
    if values.weights != "float32":
        mean, largest = picture_difference(values.run, versions["generator"], temperature=values.temperature)
        print(f"pictures differ from the run's by {mean:.2f} of 255 levels on average, by {largest:.1f} at most")


if __name__ == "__main__":
    run(main, computes=False)
