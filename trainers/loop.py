"""The training loop: a learner's steps under any tf.distribute strategy, resumable at every step.

Keras' `fit` fails under MultiWorkerMirroredStrategy (keras#20585), so the loop is here. Everything in a step (data,
augmentation, noise) is a function of the configuration and the step's number, so a checkpoint holds only the variables.
"""

import signal
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf.config import RunConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.learner import Diverged
from attr2image_tf.models.observation_noise import IMAGE
from attr2image_tf.models.optimizer import WeightAverage
from attr2image_tf.run_folder import RunFolder
from trainers.bound_learner import BoundLearner

_ADVICE = "use a smaller learning_rate, or set clip_norm, and start again in a new folder."


class _Stopped(Exception):
    """This process or another worker was sent a signal; the state has been saved."""


class Loop:
    """Trains as `config` says, from the run folder's last checkpoint on.

    Args:
        reader: BatchReader of the data set.
        chief: whether this process writes.
        jit_compile: XLA for the training step.
        steps_per_execution: at least 1. Steps between returns to Python.
        checkpoint_seconds: time between checkpoints; each epoch ends with one too.
        on_epoch: function of (loop, epoch, row of log.csv), called with the averaged weights in place.
        learner: function of the configuration and the steps of the whole run that makes the Learner.

    Attributes:
        validation: dictionary of the terms' means on the validation split after the last epoch; None before that.
        stopped_by: number of the signal that ended `run`; None if this process received none.
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
            self._variables = self.learner.variables
            self.average = WeightAverage(self._variables, config.average_decay)
            self._evaluated = self._term_names()
        # A step of the bound has no `prior_gain` in training.
        self._trained = [name for name in self.learner.terms or self._evaluated if name != "prior_gain"]
        self._names = sorted({*self._evaluated, *self._trained})
        # Sums over the steps of the epoch under way, so that a resumed epoch logs what an uninterrupted one does.
        self._totals = tf.Variable(tf.zeros([len(self._names)]), trainable=False)
        # The variables themselves: a Keras model's own tracking loses layers on the way to tf.train.Checkpoint.
        checkpoint = tf.train.Checkpoint(variables=self._variables, average=self.average, totals=self._totals,
                                         **self.learner.state)
        self._manager = folder.restore(checkpoint, keep=2, write=chief)
        self._train = tf.function(self._train_steps)
        self._replica_train = tf.function(self._replica_step, jit_compile=jit_compile or None)
        self._test = tf.function(self._test_step)
        # Where one came to this process the next steps tell all workers, which then stop together.
        self.stopped_by = None
        self._rate, self._tracing = 0.0, True
        self.validation = None

    @property
    def step(self) -> int:
        """Steps taken since the start of the run."""
        return int(self.learner.iterations.numpy())

    def run(self) -> bool:
        """Trains to the last epoch, or until SIGTERM or SIGINT, which save first; a second SIGINT ends the process at
        once. Returns whether training is done and nothing asks for an end.

        Raises:
            Diverged: no step of an epoch had finite gradients, or a mean of the validation is not finite.
            ValueError: the data set has fewer pictures than it says.
        """
        handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            for epoch in range(self._first_epoch(), self.config.epochs):
                if self.step < (epoch + 1) * self.reader.steps_per_epoch:
                    self._train_epoch(epoch)
                self._finish_epoch(epoch)
        except _Stopped:
            logging.info("Stopped at step %d of %d; the same command continues from here.", self.step,
                         self.config.epochs * self.reader.steps_per_epoch)
            return False
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return self.stopped_by is None

    def evaluate(self, split: str) -> dict[str, float]:
        """Means of all terms over a split, with the weights that are in place.

        Raises:
            ValueError: the split has fewer pictures than the data set says.
        """
        data = self.strategy.distribute_datasets_from_function(lambda context: self.reader.evaluation(split, context))
        totals = np.zeros(len(self._names))
        for number, batch in enumerate(data):
            sums, stopping = self._test(batch, tf.constant([number, 0]), self._stop_asked())
            if stopping:
                raise _Stopped
            totals += sums.numpy().astype(np.float64)
        if round(totals[self._names.index("count")]) != self.reader.dataset.counts[split]:
            raise self._too_few(split)
        means = self._means(totals)
        return {name: means[name] for name in self._evaluated if name in means}

    @tf.function
    def exchange_average(self):
        """Puts the averaged weights in place of the trained ones, or back."""
        self.strategy.run(self.average.exchange, (self._variables,))

    def in_both(self, change: Callable[[], None]):
        """Changes variables of the learner, and their averages likewise, so that the two do not differ."""
        for _ in range(2):
            change()
            self.exchange_average()

    def save(self):
        """Writes a checkpoint."""
        if self.chief:
            self._manager.save(checkpoint_number=self.step)

    def _train_epoch(self, epoch):
        per_epoch = self.reader.steps_per_epoch
        first = self.step - epoch * per_epoch
        if first == 0:
            self.learner.before_epoch(self, epoch)
            self._totals.assign(tf.zeros_like(self._totals))
        batches = iter(self.strategy.distribute_datasets_from_function(
            lambda context: self.reader.training(epoch, first, context)))
        bar = keras.utils.Progbar(per_epoch, verbose=1 if self.chief else 0, unit_name="step",
                                  stateful_metrics=(self.learner.shown, "pictures/s"))
        saved = time.monotonic()
        started, done = (saved, first), first
        while done < per_epoch:
            count = min(self.steps_per_execution, per_epoch - done)
            try:
                totals, stopping = self._train(batches, tf.constant(count), self._stop_asked())
            except tf.errors.OutOfRangeError:
                raise self._too_few("train") from None
            self._totals.assign_add(totals)
            done += count
            means = self._means(self._totals.numpy())
            now = time.monotonic()
            self._rate = (done - started[1]) * self.config.batch_size / max(now - started[0], 1e-9)
            if self._tracing:
                # The first execution traces the graph, which says nothing of speed.
                self._tracing, started = False, (now, done)
            bar.update(done, [(self.learner.shown, means[self.learner.shown]), ("pictures/s", self._rate)])
            if stopping or time.monotonic() - saved > self.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
            if stopping:
                raise _Stopped

    def _finish_epoch(self, epoch):
        self.save()
        train = self._means(self._totals.numpy())
        if not self._totals.numpy()[self._names.index("count")]:
            raise Diverged(f"epoch {epoch + 1} had no step with finite terms; {_ADVICE}")
        self.exchange_average()
        try:
            self.learner.after_epoch(self)
            validation = self.validation = self.evaluate("validation")
            if wrong := [f"{name} {value}" for name, value in validation.items() if not np.isfinite(value)]:
                raise Diverged(f"after epoch {epoch + 1} the validation loss is not finite ({wrong[0]}); {_ADVICE}")
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

    def _first_epoch(self):
        """The first epoch that is not done, as far as checkpoint and log say; `validation` becomes that of the one
        before."""
        done, within = divmod(self.step, self.reader.steps_per_epoch)
        rows = {int(row["epoch"]): row for row in self.folder.read_log()}
        # A run killed between an epoch's last step and its row of the log still owes that row, and no other: the
        # weights of earlier epochs are gone.
        owed = done > 0 and within == 0 and done not in rows
        if missing := [epoch for epoch in range(1, done + 1 - owed) if epoch not in rows]:
            logging.warning("%s has no row for epoch %s; these rows stay missing.", self.folder.log,
                            ", ".join(map(str, missing)))
        if done in rows:
            self.validation = {name.removeprefix("validation_"): float(value) for name, value in rows[done].items()
                               if name.startswith("validation_") and value}
        return done - owed

    def _too_few(self, split):
        dataset = self.reader.dataset
        return ValueError(f"data set {dataset.name!r} has fewer pictures in its {split} split than the "
                          f"{dataset.counts[split]:,} that it says; its files are cut or lost. Prepare it again.")

    def _train_steps(self, batches, count, stop):
        totals = tf.zeros([len(self._names)])
        for _ in tf.range(count):
            sums = self._summed(self.strategy.run(self._replica_train, (next(batches),)))
            # A skipped step would make the epoch's means unreadable.
            totals += tf.where(tf.reduce_all(tf.math.is_finite(sums)), sums, tf.zeros_like(sums))
        return totals, self._any(stop)

    def _test_step(self, batch, seed, stop):
        return self._summed(self.strategy.run(self.learner.evaluation_step, (batch, seed))), self._any(stop)

    def _any(self, stop):
        """Whether any worker was asked to stop: they all do so at the same step."""
        return self.strategy.reduce("SUM", self.strategy.run(tf.identity, (stop,)), axis=None) > 0.0

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
        return {name: value / count for name, value in values.items() if name != "log_weight"}

    def _term_names(self):
        size = self.reader.dataset.image_size
        batch = {"image": tf.zeros([1, size, size, 3]), "mask": tf.zeros([1, size, size, 1]), "weight": tf.ones([1]),
                 "attributes": tf.zeros([1, self.config.model.attribute_count])}
        step = tf.function(lambda: self.strategy.run(self.learner.evaluation_step, (batch, tf.zeros([2], tf.int32))))
        return sorted(step.get_concrete_function().structured_outputs)

    def _stop_asked(self):
        return tf.constant(float(self.stopped_by is not None))

    def _stop(self, number, frame):
        del frame
        if self.stopped_by is None:
            logging.info("%s: stopping after the next %d steps; a second Ctrl-C ends at once.",
                         signal.Signals(number).name, self.steps_per_execution)
            self.stopped_by = number
        # The system's own answer, which does not wait for TensorFlow. Not to a second SIGTERM: `timeout` sends two.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
