"""BoundLearner: trains a whole new model by its lower bound."""

import numpy as np

from attr2image_tf import models
from attr2image_tf.config import RunConfig
from attr2image_tf.learner import Diverged, Learner
from attr2image_tf.models.latent_prior import STANDARD
from attr2image_tf.models.optimizer import Adam, learning_rate
from attr2image_tf.models.prior_fitting import Posteriors, encoder, fit_gaussian

# Pictures whose posteriors the prior is fitted to when an epoch ends; when training ends it is all of them.
EPOCH_POSTERIORS = 4096


class BoundLearner(Learner):
    """Trains a model by its lower bound, and updates the observation noise and the Gaussian prior after each epoch.

    Args:
        steps: number of steps in the whole run.
    """

    shown = "lower_bound"

    def __init__(self, config: RunConfig, steps: int):
        super().__init__(models.create(config.model))
        self.optimizer = Adam(
            [variable.value for variable in self.model.trainable_variables],
            learning_rate(config.schedule, config.learning_rate, steps), l2=config.l2,
            clip_norm=config.clip_norm, scale_loss=config.model.precision == "mixed_float16")
        self.iterations, self.skipped = self.optimizer.iterations, self.optimizer.skipped
        self.state = {"optimizer": self.optimizer}
        self._encode, self._mirrored = encoder(self.model), config.flip

    def training_step(self, batch):
        return self.model.training_step(batch, self.optimizer)

    def before_epoch(self, loop, epoch):
        if self.model.config.observation_noise == "validation" and loop.validation is not None:
            noise = self.model.observation_noise
            loop.in_both(lambda: noise.assign(noise.squared_errors(loop.validation)))

    def after_epoch(self, loop):
        # The Gaussian part of the prior; a flow is trained when training has ended.
        if self.model.prior.kind == STANDARD:
            return
        batches = loop.reader.evaluation("train").take(-(-EPOCH_POSTERIORS // loop.reader.batch_size))
        posteriors = Posteriors.of(self._encode, batches, mirrored=self._mirrored)
        try:
            fit_gaussian(self.model.prior, posteriors)
        except np.linalg.LinAlgError:
            # What the encoder says is not finite, or as good as that.
            raise Diverged("no prior can be fitted to the latents of the training pictures; use a smaller "
                           "learning_rate, or set clip_norm, and start again in a new folder.") from None
        if loop.chief:
            self.model.prior.save(loop.folder.prior, step=loop.step, final=False)

    def describe(self, row):
        return (f"bound {row['train_lower_bound']:.1f} in training, {row['validation_lower_bound']:.1f} in validation "
                "(nats per example)")
