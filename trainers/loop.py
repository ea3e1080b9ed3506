"""The training loop: a learner's steps under any tf.distribute strategy, resumable at every step.

Keras' `fit` fails under MultiWorkerMirroredStrategy (keras#20585), so the loop is here. All that happens in a step is
a function of the configuration and the step's number: data, augmentation, noise. A checkpoint therefore holds the
variables and nothing else.
"""

import signal
import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf import models
from attr2image_tf.config import RunConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.models.latent_prior import STANDARD
from attr2image_tf.models.observation_noise import IMAGE
from attr2image_tf.models.optimizer import Adam, WeightAverage, learning_rate
from attr2image_tf.models.prior_fitting import Posteriors, encoder, fit_gaussian
from attr2image_tf.run_folder import RunFolder

# Pictures whose posteriors the prior is fitted to when an epoch ends; when training ends it is all of them.
EPOCH_POSTERIORS = 4096


class Diverged(RuntimeError):
    """Training that cannot go on: a whole epoch without one finite step."""


class BoundLearner:
    """Trains all of a new model by its lower bound.

    Another learner, such as `sharpening.Sharpener`, has these attributes and `training_step` too. It is made in the
    strategy's scope, and draws noise by `iterations` alone.

    Args:
        config: RunConfig.
        steps: int. Of the whole run.

    Attributes:
        model: AttributeModel.
        iterations: int64 variable. Steps, skipped ones included.
        skipped: int64 variable. Steps not taken because a gradient was not finite.
        state: dictionary of what a checkpoint must hold beside the model's weights.
        terms: names of what `training_step` returns; empty for those of the bound.
        shown: name of the term that the progress bar shows.
        tunes: whether it goes on with a trained model, whose prior and likelihoods stay.
    """

    terms, shown, tunes = (), "lower_bound", False

    def __init__(self, config: RunConfig, steps: int):
        self.model = models.create(config.model)
        self.optimizer = Adam(
            [variable.value for variable in self.model.trainable_variables],
            learning_rate(config.schedule, config.learning_rate, steps), l2=config.l2,
            clip_norm=config.clip_norm, scale_loss=config.model.precision == "mixed_float16")
        self.iterations, self.skipped = self.optimizer.iterations, self.optimizer.skipped
        self.state = {"optimizer": self.optimizer}

    def training_step(self, batch):
        """The sums of the terms over this replica's rows of a batch, and `count`; call in replica context."""
        return self.model.training_step(batch, self.optimizer)

    def describe(self, row: dict) -> str:
        """How it stands, from an epoch's row of the log."""
        return (f"bound {row['train_lower_bound']:.1f} in training, {row['validation_lower_bound']:.1f} in validation "
                "(nats per example)")


class Loop:
    """Trains as `config` says, from where the run folder's last checkpoint left off.

    Args:
        config: RunConfig.
        reader: BatchReader of the data set.
        strategy: tf.distribute.Strategy.
        folder: RunFolder.
        chief: bool. Whether this process writes.
        jit_compile: bool. XLA for the training step.
        steps_per_execution: int, at least 1. Steps between returns to Python.
        checkpoint_seconds: float. Time between checkpoints; each epoch ends with one too.
        on_epoch: function of (loop, epoch, row of log.csv), called with the averaged weights in place.
        learner: function of the configuration and the steps of the whole run that makes what is trained; see
            BoundLearner.
    """

    def __init__(self, config: RunConfig, reader: BatchReader, strategy: tf.distribute.Strategy, folder: RunFolder, *,
                 chief=True, jit_compile=False, steps_per_execution=8, checkpoint_seconds=300.0, on_epoch=None,
                 learner=BoundLearner):
        self.config, self.reader, self.strategy, self.folder = config, reader, strategy, folder
        self.chief, self.on_epoch = chief, on_epoch
        self.steps_per_execution, self.checkpoint_seconds = steps_per_execution, checkpoint_seconds
        with strategy.scope():
            self.learner = learner(config, config.epochs * reader.steps_per_epoch)
            self.model = self.learner.model
            self._variables = [variable.value for variable in self.model.variables]
            self.average = WeightAverage(self._variables, config.average_decay)
            self._evaluated = self._term_names()
        # A training step has no `prior_gain`.
        self._trained = [name for name in self.learner.terms or self._evaluated if name != "prior_gain"]
        self._names = sorted({*self._evaluated, *self._trained})
        # Sums over the steps of the epoch under way, so that a resumed epoch logs what an uninterrupted one does.
        self._totals = tf.Variable(tf.zeros([len(self._names)]), trainable=False)
        # The variables themselves: a Keras model's own tracking loses layers on the way to tf.train.Checkpoint.
        checkpoint = tf.train.Checkpoint(variables=self._variables, average=self.average, totals=self._totals,
                                         **self.learner.state)
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder.checkpoints), max_to_keep=2)
        self._restore(checkpoint)
        self._train = tf.function(self._train_steps)
        self._replica_train = tf.function(self._replica_step, jit_compile=jit_compile or None)
        self._test = tf.function(self._test_step)
        self._encode = encoder(self.model)
        # A signal came to this process; the next steps tell all workers, which then stop together.
        self._signalled = self._stopping = False
        self._rate, self._tracing = 0.0, True
        self._validation = None

    @property
    def step(self) -> int:
        """Steps taken since the start of the run."""
        return int(self.learner.iterations.numpy())

    def run(self) -> bool:
        """Trains to the last epoch, or until SIGTERM or SIGINT, which save first. Returns whether training is done.

        Raises:
            Diverged: no step of an epoch had finite gradients.
        """
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            epochs, per_epoch = self.config.epochs, self.reader.steps_per_epoch
            if rows := self.folder.read_log():
                self._validation = {name.removeprefix("validation_"): float(value)
                                    for name, value in rows[-1].items() if name.startswith("validation_") and value}
            # A run killed between an epoch's last step and its row of the log still owes that row.
            for epoch in range(min(len(self.folder.read_log()), self.step // per_epoch), epochs):
                if self.step < (epoch + 1) * per_epoch:
                    self._train_epoch(epoch)
                    if self._stopping:
                        return False
                self._finish_epoch(epoch)
            return True
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def evaluate(self, split: str) -> dict[str, float]:
        """Means of all terms over a split, with the weights that are in place."""
        data = self.strategy.distribute_datasets_from_function(lambda context: self.reader.evaluation(split, context))
        totals = sum((self._test(batch, tf.constant([number, 0])).numpy().astype(np.float64)
                      for number, batch in enumerate(data)), np.zeros(len(self._names)))
        means = self._means(totals)
        return {name: means[name] for name in self._evaluated if name in means}

    @tf.function
    def exchange_average(self):
        """Puts the averaged weights in place of the trained ones, or back."""
        self.strategy.run(self.average.exchange, (self._variables,))

    def save(self):
        """Writes a checkpoint."""
        if self.chief:
            self._manager.save(checkpoint_number=self.step)

    def _train_epoch(self, epoch):
        per_epoch = self.reader.steps_per_epoch
        first = self.step - epoch * per_epoch
        if first == 0:
            following = self.config.model.observation_noise == "validation" and not self.learner.tunes
            if following and self._validation is not None:
                self._set_observation_noise()
            self._totals.assign(tf.zeros_like(self._totals))
        batches = iter(self.strategy.distribute_datasets_from_function(
            lambda context: self.reader.training(epoch, first, context)))
        bar = keras.utils.Progbar(per_epoch, verbose=1 if self.chief else 0, unit_name="step",
                                  stateful_metrics=(self.learner.shown, "pictures/s"))
        saved = time.monotonic()
        started, done = (saved, first), first
        while done < per_epoch:
            count = min(self.steps_per_execution, per_epoch - done)
            totals, stopping = self._train(batches, tf.constant(count), tf.constant(float(self._signalled)))
            self._totals.assign_add(totals)
            self._stopping = bool(stopping)
            done += count
            means = self._means(self._totals.numpy())
            now = time.monotonic()
            self._rate = (done - started[1]) * self.config.batch_size / max(now - started[0], 1e-9)
            if self._tracing:
                # The first execution traces the graph, which says nothing of speed.
                self._tracing, started = False, (now, done)
            bar.update(done, [(self.learner.shown, means[self.learner.shown]), ("pictures/s", self._rate)])
            if self._stopping or time.monotonic() - saved > self.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
            if self._stopping:
                logging.info("Stopped at step %d of %d; the same command goes on from here.", self.step,
                             self.config.epochs * per_epoch)
                return

    def _finish_epoch(self, epoch):
        self.save()
        train = self._means(self._totals.numpy())
        if not self._totals.numpy()[self._names.index("count")]:
            raise Diverged(f"epoch {epoch + 1} had no step with finite terms; use a smaller learning_rate, or set "
                           "clip_norm, and start again in a new folder.")
        self.exchange_average()
        try:
            self._fit_prior()
            validation = self._validation = self.evaluate("validation")
            row = {"epoch": epoch + 1, "step": self.step, "skipped_steps": int(self.learner.skipped.numpy()),
                   **{f"observation_standard_deviation{'' if name == IMAGE else f'_{name}'}": deviation
                      for name, deviation in self.model.observation_noise.standard_deviations().items()},
                   "pictures_per_second": round(self._rate, 2),
                   **{f"train_{name}": train[name] for name in self._trained if name in train},
                   **{f"validation_{name}": value for name, value in validation.items()}}
            if self.chief:
                self.folder.append_log(row)
            if self.on_epoch:
                self.on_epoch(self, epoch, row)
        finally:
            self.exchange_average()

    def _fit_prior(self):
        """The Gaussian part of the prior, on all workers alike; a flow is trained when training has ended."""
        if self.learner.tunes or self.model.prior.kind == STANDARD:
            return
        batches = self.reader.evaluation("train").take(-(-EPOCH_POSTERIORS // self.reader.batch_size))
        fit_gaussian(self.model.prior, Posteriors.of(self._encode, batches, mirrored=self.config.flip))
        if self.chief:
            self.model.prior.save(self.folder.prior, step=self.step, final=False)

    def _set_observation_noise(self):
        noise = self.model.observation_noise
        # In the average too, so that the two never differ.
        for _ in range(2):
            noise.assign(noise.squared_errors(self._validation))
            self.exchange_average()

    def _train_steps(self, batches, count, stop):
        totals = tf.zeros([len(self._names)])
        for _ in tf.range(count):
            sums = self._summed(self.strategy.run(self._replica_train, (next(batches),)))
            # A skipped step would make the epoch's means unreadable.
            totals += tf.where(tf.reduce_all(tf.math.is_finite(sums)), sums, tf.zeros_like(sums))
        # One worker's signal stops all of them at the same step.
        stops = self.strategy.reduce("SUM", self.strategy.run(tf.identity, (stop,)), axis=None)
        return totals, stops > 0.0

    def _test_step(self, batch, seed):
        return self._summed(self.strategy.run(self.model.evaluation_step, (batch, seed)))

    def _replica_step(self, batch):
        terms = self.learner.training_step(batch)
        self.average.update(self._variables, self.learner.iterations)
        return terms

    def _summed(self, terms):
        summed = tf.nest.map_structure(lambda term: self.strategy.reduce("SUM", term, axis=None), terms)
        return tf.stack([summed.get(name, 0.0) for name in self._names])

    def _means(self, totals):
        values = dict(zip(self._names, np.asarray(totals, np.float64).tolist(), strict=True))
        count = max(values.pop("count"), 1.0)
        return {name: value / count for name, value in values.items() if name not in ("log_weight",)}

    def _term_names(self):
        size = self.config.model.image_size
        batch = {"image": tf.zeros([1, size, size, 3]), "mask": tf.zeros([1, size, size, 1]), "weight": tf.ones([1]),
                 "attributes": tf.zeros([1, self.config.model.attribute_count])}
        step = tf.function(lambda: self.strategy.run(self.model.evaluation_step, (batch, tf.zeros([2], tf.int32))))
        return sorted(step.get_concrete_function().structured_outputs)

    def _restore(self, checkpoint):
        if latest := self._manager.latest_checkpoint:
            checkpoint.restore(latest).assert_existing_objects_matched().assert_consumed()
            logging.info("Going on from %s.", latest)

    def _stop(self, number, frame):
        del frame
        logging.info("%s: stopping after the next %d steps.", signal.Signals(number).name, self.steps_per_execution)
        self._signalled = True
