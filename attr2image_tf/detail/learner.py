"""DetailLearner: trains the second stage on pictures beside what the first stage makes of them."""

import math

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.config import RunConfig
from attr2image_tf.detail import masks
from attr2image_tf.learner import Learner
from attr2image_tf.models import AttributeModel, randomness
from attr2image_tf.models.optimizer import Adam, learning_rate

# Batches by which the covariance of the residual's patches is measured.
_MEASURED = 16


class DetailLearner(Learner):
    """Trains the network of a model's `detail`; the model itself stays.

    Pairs (x, r): r is decoded from a draw of the model's own posterior, so that the network sees the mistakes that the
    model makes.

    Args:
        model: AttributeModel with the weights of the trained run and a `detail` whose network is trained.
        config: RunConfig with `detail`.
        steps: int. Of the whole run.
    """

    terms, shown = ("flow_loss",), "flow_loss"

    def __init__(self, model: AttributeModel, config: RunConfig, steps: int):
        super().__init__(model)
        self.flow, self.config, self.variables = model.detail, config, model.detail.weights
        self._weights = [weight.value for weight in self.flow.network.trainable_variables]
        self.optimizer = Adam(self._weights, learning_rate(config.schedule, config.learning_rate, steps), l2=config.l2,
                              clip_norm=config.clip_norm, scale_loss=config.model.precision == "mixed_float16",
                              beta_2=0.99)
        self.iterations, self.skipped = self.optimizer.iterations, self.optimizer.skipped
        self.state = {"optimizer": self.optimizer, "model": [variable.value for variable in model.variables]}

    def training_step(self, batch):
        # Of pictures and masks at the size of the detail.
        seed = tf.stack([self.config.model.seed, tf.cast(self.iterations, tf.int32)])
        rows = tf.shape(batch["image"])[0] * tf.distribute.get_replica_context().num_replicas_in_sync
        inputs = self._inputs(batch, seed)
        with tf.GradientTape() as tape:
            losses = self.flow.loss(*inputs)
            loss = tf.reduce_sum(losses) / tf.cast(rows, tf.float32) * self.optimizer.loss_scale
        self.optimizer.apply(tape.gradient(loss, self._weights), self._weights)
        return {"flow_loss": tf.reduce_sum(losses), "count": tf.reduce_sum(batch["weight"])}

    def evaluation_step(self, batch, seed):
        losses = self.flow.loss(*self._inputs(batch, seed, told_all=True))
        return {"flow_loss": tf.reduce_sum(losses * batch["weight"]), "count": tf.reduce_sum(batch["weight"])}

    def before_epoch(self, loop, epoch):
        if epoch:
            return
        batches = loop.reader.evaluation("train").take(_MEASURED)
        products = tf.function(self._products, reduce_retracing=True)
        sums = [products(batch, tf.constant([number, 1])) for number, batch in enumerate(batches)]
        total, count = (np.sum(each, axis=0, dtype=np.float64) for each in zip(*sums, strict=True))
        loop.in_both(lambda: self.flow.set_covariance(total / count))

    def pictures(self, batch, seeds):
        """Rows of photos, what the model makes of them, that with detail, and with the middle of the photo hidden; then
        of samples and their detail."""
        model, size, rows = self.model, self.flow.size, len(seeds)
        attributes = batch["attributes"][:rows]
        standardised, photo = model.standardise(attributes), batch["image"][:rows]
        coarse = self._coarse(batch, tf.constant([0, 1]))[:rows]
        hole = tf.pad(tf.zeros([rows, size // 2, size // 2, 1]), [[0, 0], *[[size // 4, size // 4]] * 2, [0, 0]],
                      constant_values=1.0)
        draw = tf.function(self.flow.draw, reduce_retracing=True)
        sampled = model.generate(attributes, seeds)
        columns = {"photo": photo, "coarse": coarse, "detail": draw(coarse, standardised, seeds),
                   "hole filled": draw(coarse, standardised, seeds, photo, hole),
                   "sample": sampled["coarse_images"], "its detail": sampled["images"]}
        levels = {name: pixels.uint8_from_model_range(column).numpy() for name, column in columns.items()}
        return {"detail": pixels.grid(list(levels.values()), row_labels=list(levels))}

    def describe(self, row: dict) -> str:
        """How it stands, from an epoch's row of the log."""
        return "flow loss {train_flow_loss:.4f} in training, {validation_flow_loss:.4f} in validation".format(**row)

    def _products(self, batch, seed):
        """The weighted sum of the products of all values of the residual's patches, and their number."""
        patches = self.flow.patches(batch["image"] - self._coarse(batch, seed))
        weight = batch["weight"][:, tf.newaxis, tf.newaxis, tf.newaxis] * tf.ones_like(patches[..., :1])
        return tf.einsum("bhwp,bhwq->pq", weight * patches, patches), tf.reduce_sum(weight)

    def _coarse(self, batch, seed):
        """r at the size of the detail, of a draw of the posterior."""
        size, attributes = self.model.config.image_size, batch["attributes"]
        image = tf.clip_by_value(self.flow.reduce(batch["image"], size), -1.0, 1.0)
        mask = tf.image.resize(batch["mask"], [size, size], antialias=True)
        latents = self.model.draw_posterior(image, mask, attributes, seed)
        return self.flow.enlarge(self.model.decode(latents, attributes)["images"])

    def _inputs(self, batch, seed, told_all=False):
        """What `DetailFlow.loss` takes, drawn anew for each seed."""
        latent_seed, mask_seed, time_seed, noise_seed, told_seed = randomness.split_seed(seed, 5)
        rows, size = tf.shape(batch["image"])[0], self.flow.size
        time = tf.sigmoid(randomness.replica_normal(rows, 1, time_seed)[:, 0])
        shape = self.flow.noise_shape
        noise = tf.reshape(randomness.replica_normal(rows, math.prod(shape), noise_seed), [-1, *shape])
        told = randomness.replica_uniform(rows, 1, told_seed)[:, 0] >= self.flow.config.attribute_dropout
        told = tf.ones([rows]) if told_all else tf.cast(told, tf.float32)
        return (batch["image"], self._coarse(batch, latent_seed), masks.draw(rows, size, mask_seed), time, noise,
                self.model.standardise(batch["attributes"]), told)
