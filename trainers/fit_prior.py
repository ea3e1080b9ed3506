"""Fits p(z | y) of a trained run to where its encoder puts the training pictures.

    python -m trainers.fit_prior --run=runs/lfw
    python -m trainers.fit_prior --run=runs/lfw --prior=standard

Training does this at its end. Runs of before get a prior by it, and a run another one; whatever draws from the run, and
every export made from then on, uses it. The last line says what the prior is worth: the KL divergence of the encoder's
posteriors to it, on pictures not trained on, beside that to N(0, I).
"""

from absl import flags

from attr2image_tf.config import PRIORS, FittingConfig
from attr2image_tf.run_folder import RunFolder
from trainers.flags import (
    config_from_flags,
    define_config,
    define_path,
    define_source_flags,
    define_threads,
    load_run_dataset,
    require,
    run,
)

define_path("run", None, "Folder of the trained run.")
define_source_flags()
flags.DEFINE_enum("prior", "flow", PRIORS, "N(0, I), linear in the attributes, or that with a flow.")
flags.DEFINE_bool("joint_background", False, "Let the background's latents depend on attributes and foreground latents "
                  "too.")
flags.DEFINE_enum("split", "validation", ("validation", "test"), "Where the last line is measured.")
# These two are the run's.
define_config(FittingConfig, skip=("mirrored", "seed"))
define_threads()


def main(values):
    require(values, "run", "name the folder of a trained run")
    folder = RunFolder(values.run)
    folder.step()
    config = folder.read_config()
    from trainers.prior import fit_prior
    dataset = load_run_dataset(values, config, folder.read_schema())
    folder.lock()
    fitting = config_from_flags(FittingConfig, values, mirrored=config.flip, seed=config.model.seed)
    fit_prior(folder, dataset, values.prior, fitting, joint_background=values.joint_background, measured=values.split)


if __name__ == "__main__":
    run(main)
