"""The prior of a run: fitted to its last checkpoint and kept in its folder."""

import math
import time

from absl import logging

from attr2image_tf.config import ConfigError, FittingConfig
from attr2image_tf.data import AttributeDataset
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.models.latent_prior import STANDARD, LatentBlock, LatentPrior
from attr2image_tf.models.prior_fitting import Posteriors, encoder, fit, mean_kl_divergence
from attr2image_tf.run_folder import RunFolder

_BATCH = 64


def fit_prior(folder: RunFolder, dataset: AttributeDataset, kind: str, config: FittingConfig | None = None, *,
              joint_background: bool = False, measured: str = "validation"):
    """Fits a prior to a run's last checkpoint and puts it into the run folder, unless it is there already.

    Args:
        dataset: AttributeDataset of the run.
        kind: "standard", "gaussian" or "flow".
        config: FittingConfig; by default as the run has it.
        joint_background: whether the background's latents may depend on attributes and foreground latents.
        measured: the split on which the KL divergence is measured.
    """
    step, run = folder.step(), folder.read_config()
    config = config or FittingConfig(mirrored=run.flip, seed=run.model.seed, steps=run.prior_steps)
    about = {"step": step, "final": True, "kind": kind, "joint_background": joint_background,
             "fitting": config.to_dict()}
    if folder.prior.exists():
        try:
            _, before = folder.load_prior()
        except ConfigError as error:
            logging.warning("%s", error)
            before = {}
        if all(before.get(name) == value for name, value in about.items()):
            logging.info("The prior of step %d exists already.", step)
            return
    started = time.monotonic()
    model = folder.load_model(prior=False)
    blocks = [LatentBlock(block.size, attributes=True, earlier=index > 0) if joint_background else block
              for index, block in enumerate(model.prior_blocks())]
    prior = LatentPrior(kind, blocks, run.model.attribute_count)
    if kind != STANDARD:
        reader = BatchReader(dataset, batch_size=min(_BATCH, dataset.counts["train"]), seed=0,
                             augmentation=AugmentationConfig())
        encode = encoder(model)
        training = Posteriors.of(encode, reader.evaluation("train"), mirrored=config.mirrored)
        validation = Posteriors.of(encode, reader.evaluation("validation"), mirrored=config.mirrored)
        fit(prior, training, validation, config)
        held_out = validation if measured == "validation" else Posteriors.of(encode, reader.evaluation(measured))
        divergence = mean_kl_divergence(prior, held_out)
        standard = mean_kl_divergence(LatentPrior(STANDARD, blocks, run.model.attribute_count), held_out)
        if not math.isfinite(divergence):
            raise ConfigError(f"run={str(folder.path)!r}: the KL divergence of its encoder's posteriors is not "
                              "finite; training diverged. Train again in a new folder with a smaller learning_rate.")
        about |= {"split": measured, "kl_divergence": divergence, "kl_divergence_to_standard": standard}
        logging.info("Prior fitted in %.0f s: KL(q(z | x, y) || p(z | y)) is %.1f nats per picture of the %s split; "
                     "with N(0, I) it is %.1f.", time.monotonic() - started, divergence, measured, standard)
    prior.save(folder.prior, **about)
