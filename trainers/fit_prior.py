"""Fits p(z | y) of a trained run to where its encoder puts the training pictures.

    python -m trainers.fit_prior --run=runs/lfw
    python -m trainers.fit_prior --run=runs/lfw --prior=standard

Training does this at its end. Runs of before get a prior by it, and a run another one; whatever draws from the run, and
every export made from then on, uses it. The last line says what the prior is worth: the KL divergence of the encoder's
posteriors to it, on pictures not trained on, beside that to N(0, I).
"""

import time

from absl import app, flags, logging

from attr2image_tf import runtime
from attr2image_tf.config import PRIORS
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.errors import clear_errors
from attr2image_tf.models.latent_prior import FLOW, STANDARD, LatentPrior
from attr2image_tf.models.prior_fitting import FittingConfig, Posteriors, fit, mean_kl_divergence
from attr2image_tf.run_folder import RunFolder
from trainers.flags import define_source_flags, load_run_dataset

_BATCH = 64


def fit_prior(folder: RunFolder, dataset, kind: str, *, joint_background: bool = False, measured: str = "validation"):
    """Fits a prior to a run's last checkpoint and puts it into the run folder, unless it is there already.

    Args:
        folder: RunFolder.
        dataset: AttributeDataset of the run.
        kind: "standard", "gaussian" or "flow".
        joint_background: whether the background's latents may depend on attributes and foreground latents.
        measured: the split on which the KL divergence is measured.
    """
    step, config = folder.step(), folder.read_config()
    about = {"step": step, "final": True, "kind": kind, "joint_background": joint_background}
    if folder.prior.exists():
        _, before = LatentPrior.load(folder.prior)
        if all(before.get(name) == value for name, value in about.items()):
            logging.info("The prior of step %d is there already.", step)
            return
    started = time.monotonic()
    model = folder.load_model()
    blocks = [type(block)(block.size, attributes=True, earlier=index > 0) if joint_background else block
              for index, block in enumerate(model.prior_blocks())]
    prior = LatentPrior(kind, blocks, config.model.attribute_count)
    if kind != STANDARD:
        reader = BatchReader(dataset, batch_size=min(_BATCH, dataset.counts["train"]), seed=0,
                             augmentation=AugmentationConfig())
        training = Posteriors.of(model, reader.evaluation("train"), mirrored=config.flip)
        validation = Posteriors.of(model, reader.evaluation("validation"), mirrored=config.flip)
        fit(prior, training, validation, FittingConfig(mirrored=config.flip, seed=config.model.seed))
        held_out = validation if measured == "validation" else Posteriors.of(model, reader.evaluation(measured))
        divergence = mean_kl_divergence(prior, held_out)
        standard = mean_kl_divergence(LatentPrior(STANDARD, blocks, config.model.attribute_count), held_out)
        about |= {"split": measured, "kl_divergence": divergence, "kl_divergence_to_standard": standard}
        logging.info("Prior fitted in %.0f s: KL(q(z | x, y) || p(z | y)) is %.1f nats a picture of the %s split, to "
                     "N(0, I) it is %.1f.", time.monotonic() - started, divergence, measured, standard)
    prior.save(folder.prior, **about)


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    logging.set_verbosity(logging.INFO)
    runtime.prepare()
    values = flags.FLAGS
    with clear_errors():
        if not values.run:
            raise ValueError("--run is missing; name the folder of a trained run.")
        folder = RunFolder(values.run)
        folder.step()
        dataset = load_run_dataset(values, folder.read_config(), folder.read_schema())
    fit_prior(folder, dataset, values.prior, joint_background=values.joint_background, measured=values.split)


if __name__ == "__main__":
    define_source_flags()
    flags.DEFINE_string("run", None, "Folder of the trained run.")
    flags.DEFINE_enum("prior", FLOW, PRIORS, "N(0, I), linear in y, or that with a flow.")
    flags.DEFINE_bool("joint_background", False, "Let the background's latents depend on attributes and "
                      "foreground latents too.")
    flags.DEFINE_enum("split", "validation", ("validation", "test"), "Where the last line is measured.")
    app.run(main)
