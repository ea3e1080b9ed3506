"""Fits p(z | y) of a trained run to where its encoder puts the training pictures.

    python -m trainers.fit_prior --run=runs/lfw
    python -m trainers.fit_prior --run=runs/lfw --prior=standard

Training does this at its end. Use it to give an old run a prior, or to replace one; later drawings and exports use it.
The last line shows how good the prior is: the KL divergence of the encoder's posteriors from it, on pictures not
trained on, and that from N(0, I).
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
flags.DEFINE_enum("prior", "flow", PRIORS, "Kind of prior: N(0, I), a Gaussian linear in the attributes, or that with "
                  "a flow.")
flags.DEFINE_bool("joint_background", False, "Let the background latents also depend on the attributes and the "
                  "foreground latents.")
flags.DEFINE_enum("split", "validation", ("validation", "test"), "Split on which the last line is measured.")
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
