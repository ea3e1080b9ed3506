"""RegressorTraining: the loop that trains an attribute regressor; resumable at every checkpoint."""

import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.data.dataset import AttributeDataset
from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.evaluation.config import RegressorConfig
from attr2image_tf.run_folder import RunFolder


class RegressorTraining:
    """Trains a network by a schedule, from where the folder's last checkpoint left off.

    Args:
        config: RegressorConfig.
        dataset: AttributeDataset.
        folder: RunFolder, for checkpoints and log.csv.
        checkpoint_seconds: float. Time between checkpoints; each epoch ends with one too.
    """

    def __init__(self, config: RegressorConfig, dataset: AttributeDataset, folder: RunFolder, *,
                 checkpoint_seconds=60.0):
        self.config, self.folder, self.checkpoint_seconds = config, folder, checkpoint_seconds
        self.reader = BatchReader(
            dataset, batch_size=config.batch_size, seed=config.seed,
            augmentation=AugmentationConfig(flip_probability=0.5 if config.flip else 0.0, minimum_gain=0.9,
                                            maximum_gain=1.1, maximum_rotation=config.rotation))
        self.network = attribute_regressor.build(config)
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate,
                                                          self.reader.steps_per_epoch * config.epochs)
        self.optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
        self.optimizer.build(self.network.trainable_variables)
        # The error summed over the epoch under way, so that a resumed epoch logs what an uninterrupted one does.
        self._total = tf.Variable(0.0)
        # All variables: the state of dropout is one of them.
        states = [variable.value for variable in (*self.network.variables, *self.optimizer.variables)]
        self._checkpoint, self._manager = tf.train.Checkpoint(states=states, total=self._total), None
        self._step = tf.function(self._train_step)

    def run(self):
        """Trains to the last epoch, with a line and a row of log.csv for each.

        The folder is locked by whoever calls it.

        Raises:
            ConfigError: the folder has no checkpoint that is whole, or its log has epochs and there is none.
            ValueError: training diverged.
        """
        self._manager = self.folder.restore(self._checkpoint, keep=1)
        epochs, started, first = self.config.epochs, time.monotonic(), self._first_epoch()
        for epoch in range(first, epochs):
            self._train_epoch(epoch)
            row = {"epoch": epoch + 1, "train_squared_error": float(self._total) / self.reader.steps_per_epoch,
                   "validation_squared_error": self._validation_error()}
            self.folder.append_log(row)
            minutes = (time.monotonic() - started) / (epoch + 1 - first) * (epochs - epoch - 1) / 60
            logging.info("Epoch %d of %d: mean squared error of standardised attributes %.4f in training, %.4f on "
                         "validation pictures; %.0f min left.", epoch + 1, epochs, row["train_squared_error"],
                         row["validation_squared_error"], minutes)

    def _first_epoch(self):
        """The first epoch that is not done, as far as checkpoint and log say."""
        done, within = divmod(self._done, self.reader.steps_per_epoch)
        rows = {int(row["epoch"]) for row in self.folder.read_log()}
        # One killed between an epoch's last step and its row of the log still owes that row, and no other: the weights
        # of earlier epochs are gone.
        owed = done > 0 and within == 0 and done not in rows
        if missing := [epoch for epoch in range(1, done + 1 - owed) if epoch not in rows]:
            logging.warning("%s has no row of epoch %s; they stay out.", self.folder.log, ", ".join(map(str, missing)))
        return done - owed

    @property
    def _done(self):
        return int(self.optimizer.iterations.numpy())

    def _train_epoch(self, epoch):
        first = self._done - epoch * self.reader.steps_per_epoch
        if first == 0:
            self._total.assign(0.0)
        elif first == self.reader.steps_per_epoch:
            return
        saved = time.monotonic()
        for batch in self.reader.training(epoch, first):
            error = self._step(batch)
            if not np.isfinite(error.numpy()):
                raise ValueError(f"training diverged at step {self._done}; use a learning_rate below "
                                 f"{self.config.learning_rate} and a new folder.")
            if time.monotonic() - saved > self.checkpoint_seconds:
                self._manager.save(checkpoint_number=self._done)
                saved = time.monotonic()
        self._manager.save(checkpoint_number=self._done)

    def _train_step(self, batch):
        shift = self.config.shift
        # One shift for the batch, a function of the step: enough of them over an epoch, and one slice.
        seed = tf.stack([self.config.seed, tf.cast(self.optimizer.iterations.value, tf.int32)])
        offset = tf.random.stateless_uniform([2], seed, 0, 2 * shift + 1, tf.int32, alg="philox")
        images = tf.pad(batch["image"], [[0, 0], [shift, shift], [shift, shift], [0, 0]], "REFLECT")
        size = self.config.image_size
        images = tf.ensure_shape(tf.slice(images, [0, offset[0], offset[1], 0], [-1, size, size, -1]),
                                 [None, size, size, 3])
        with tf.GradientTape() as tape:
            error = tf.reduce_mean(tf.square(self.network(images, training=True)["scores"] - self._scores(batch)))
        weights = self.network.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(error, [weight.value for weight in weights]), weights,
                                           strict=True))
        self._total.assign_add(error)
        return error

    def _scores(self, batch):
        return ((batch["attributes"] - tf.constant(self.config.attribute_mean))
                / tf.constant(self.config.attribute_standard_deviation))

    def _validation_error(self):
        total = count = 0.0
        for batch in self.reader.evaluation("validation"):
            scores = self.network(batch["image"], training=False)["scores"]
            errors = tf.reduce_mean(tf.square(scores - self._scores(batch)), -1)
            total += float(tf.reduce_sum(errors * batch["weight"]))
            count += float(tf.reduce_sum(batch["weight"]))
        return total / count
