"""Trains an attribute regressor, the judge of faithfulness, on the training split.

    python -m trainers.train_regressor --dataset=lfw --data_dir=DATA --output=runs/regressor_a
    python -m trainers.train_regressor --dataset=lfw --data_dir=DATA --output=runs/regressor_b --width=24 --seed=1

Writes its configuration, log.csv, the trained weights and metrics.json: how well it tells the attributes of the test
pictures, of people it has never seen. A run that was killed goes on with the same command.
"""

import json
import time

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags, logging

from attr2image_tf import runtime
from attr2image_tf.config import ConfigError
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.errors import clear_errors
from attr2image_tf.evaluation import attribute_regressor, faithfulness, pictures
from attr2image_tf.evaluation.attribute_regressor import RegressorConfig
from attr2image_tf.run_folder import RunFolder, write_text
from trainers.flags import define_dataset_flags, load_dataset

define_dataset_flags()
flags.DEFINE_string("output", None, "Folder of the regressor; an unfinished one of the same configuration goes on.")
flags.DEFINE_integer("width", 32, "Channels of the first level.", lower_bound=1)
flags.DEFINE_integer("blocks", 1, "Residual blocks a level.", lower_bound=1)
flags.DEFINE_integer("epochs", 20, "Passes over the training split.", lower_bound=1)
flags.DEFINE_integer("batch_size", 64, "Pictures of a step.", lower_bound=1)
flags.DEFINE_float("learning_rate", 2e-3, "The largest, of AdamW; falls to 0.")
flags.DEFINE_float("weight_decay", 0.05, "Decoupled; in units of the learning rate.")
flags.DEFINE_float("dropout", 0.3, "Dropout rate before the last layer.")
flags.DEFINE_bool("flip", True, "Mirror pictures at random. For attributes that name a side give --noflip.")
flags.DEFINE_float("rotation", 0.1, "Largest angle of random rotation, in radians.")
flags.DEFINE_integer("shift", 3, "Largest random shift in pixels.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Of the weights, the order, the augmentation and the dropout.", lower_bound=0)
flags.DEFINE_integer("threads", 0, "Threads for computation; 0 for one a core.", lower_bound=0)

_CHECKPOINT_SECONDS = 60.0


class Training:
    """Trains a network by a schedule, from where the folder's last checkpoint left off.

    Args:
        config: RegressorConfig.
        dataset: AttributeDataset.
        folder: RunFolder, its config.json written.
    """

    def __init__(self, config: RegressorConfig, dataset, folder: RunFolder):
        self.config, self.folder = config, folder
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
        checkpoint = tf.train.Checkpoint(states=states, total=self._total)
        self._manager = tf.train.CheckpointManager(checkpoint, str(folder.checkpoints), max_to_keep=1)
        if latest := self._manager.latest_checkpoint:
            checkpoint.restore(latest).assert_consumed()
            logging.info("Going on from %s.", latest)
        self._step = tf.function(self._train_step)

    def run(self):
        """Trains to the last epoch, with a line and a row of log.csv for each."""
        epochs, started = self.config.epochs, time.monotonic()
        # A run killed between an epoch's last step and its row of the log still owes that row.
        first = min(len(self.folder.read_log()), self._done // self.reader.steps_per_epoch)
        for epoch in range(first, epochs):
            self._train_epoch(epoch)
            row = {"epoch": epoch + 1, "train_squared_error": float(self._total) / self.reader.steps_per_epoch,
                   "validation_squared_error": self._validation_error()}
            self.folder.append_log(row)
            minutes = (time.monotonic() - started) / (epoch + 1 - first) * (epochs - epoch - 1) / 60
            logging.info("Epoch %d of %d: mean squared error of standardised attributes %.4f in training, %.4f on "
                         "validation pictures; %.0f min left.", epoch + 1, epochs, row["train_squared_error"],
                         row["validation_squared_error"], minutes)

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
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
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


def accuracy(regressor: attribute_regressor.AttributeRegressor, real: pictures.Pictures) -> dict:
    """How well a regressor tells the attributes of real pictures, as metrics.json holds it."""
    compared = faithfulness.compare(real.attributes, regressor(real.images)[0], regressor.schema)
    return {**compared.summary(), "pictures": len(real), "people": len(set(real.people)),
            "by_attribute": compared.by_attribute(regressor.schema)}


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    values = flags.FLAGS
    logging.set_verbosity(logging.INFO)
    runtime.prepare(values.threads)
    with clear_errors():
        if not values.output:
            raise ValueError("--output is missing; name the folder of the regressor, for example "
                             "--output=runs/regressor_a.")
        dataset = load_dataset(values)
        names = ("image_size", "width", "blocks", "epochs", "batch_size", "learning_rate", "weight_decay",
                 "dropout", "flip", "rotation", "shift", "seed")
        config = RegressorConfig.for_schema(dataset.schema, dataset=dataset.name,
                                            **{name: values[name].value for name in names})
        folder = RunFolder(values.output)
        check(folder, config)
        folder.write(config, dataset.schema)
        training = Training(config, dataset, folder)
        training.run()
        attribute_regressor.save(training.network, folder.path)
        figures = accuracy(attribute_regressor.load(folder.path), pictures.read(dataset, "test"))
        write_text(folder.path / "metrics.json", json.dumps(figures, indent=2))
    print("On {pictures} test pictures of {people} people: cosine similarity {cosine_similarity:.3f} (raw attributes "
          "{raw_cosine_similarity:.3f}), mean squared error of standardised attributes {squared_error:.3f}, "
          "correlation {correlation:.3f}, sign accuracy {sign_accuracy:.3f}".format(**figures))
    print(folder.path)


def check(folder: RunFolder, config: RegressorConfig):
    """Raises ConfigError unless the folder is new or holds a regressor of `config`."""
    path = folder.path / "config.json"
    if not path.exists():
        if folder.path.exists() and any(folder.path.iterdir()):
            raise ConfigError(f"output={str(folder.path)!r}: the folder exists, is not empty and has no config.json; "
                              "name a new folder.")
        return
    old, new = RegressorConfig.from_json(path.read_text()).to_dict(), config.to_dict()
    changed = [f"{key}: {old[key]!r} before, {new[key]!r} now" for key in new if old[key] != new[key]]
    if changed:
        raise ConfigError(f"output={str(folder.path)!r} holds a regressor of another configuration "
                          f"({'; '.join(changed)}). Give the same flags to go on with it, or name a new folder.")


if __name__ == "__main__":
    app.run(main)
