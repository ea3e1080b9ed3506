"""RunFolder: the files of a training run, with everything that resuming, evaluation and export need."""

from __future__ import annotations

import csv
import dataclasses
import os
import pathlib
import re
import shutil
import typing

import numpy as np
from absl import logging

from attr2image_tf import data
from attr2image_tf.config import ConfigError, RunConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import as_path, check_no_pattern, lock, replacing, write_text
from attr2image_tf.later import tf

if typing.TYPE_CHECKING:
    from attr2image_tf.models import AttributeModel
    from attr2image_tf.models.latent_prior import LatentPrior

# Beside config.json while a process trains, and after it; the system knows whether it is locked.
_LOCK = ".lock"
# Values of a configuration that are paths.
_PATHS = ("sharpening.source", "sharpening.regressor", "detail.source")


class RunFolder:
    """A folder with config.json, schema.json, checkpoints/, prior.npz, log.csv, tensorboard/, samples/ and models/.

    Args:
        path: the folder; made when something is first written.

    Raises:
        ValueError: the path has characters that TensorFlow treats as wildcards.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = as_path(path)
        check_no_pattern(self.path, "run")
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.tensorboard = self.path / "tensorboard"
        self.models = self.path / "models"
        self.log = self.path / "log.csv"
        self.prior = self.path / "prior.npz"
        self._lock = None

    def lock(self):
        """Keeps other processes from training into the folder until this one ends, however it ends.

        Raises:
            ConfigError: another one is training into it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock or lock(self.path / _LOCK)
        if self._lock is None:
            raise ConfigError(f"run={str(self.path)!r}: another process is training in this folder; wait until it "
                              "ends, or name a new folder.")

    def check(self, config: RunConfig) -> RunConfig:
        """The configuration to continue with: `config`, or what it means for a run of an older version in the folder.

        Raises:
            ConfigError: the folder is neither new nor holds a run of `config` (of as many epochs or fewer).
        """
        if not (self.path / "config.json").exists():
            if self.path.exists() and any(path.name != _LOCK for path in self.path.iterdir()):
                raise ConfigError(f"run={str(self.path)!r}: the folder exists, is not empty and has no config.json; "
                                  "name a new folder.")
            return config
        before = self.read_config()
        if before.main != config.main:
            raise ConfigError(f"run={str(self.path)!r} holds a run of {before.main}; continue it with that, or name "
                              "a new folder.")
        config = config.continuing(before)
        old, new = (_flat(each.to_dict()) for each in (before, config))
        if new["epochs"] > old["epochs"]:
            del new["epochs"]
        # However they are spelled.
        if data.same_set(old["dataset"], new["dataset"]):
            del new["dataset"]
            before.check_dataset(config.fingerprint)
        for name in _PATHS:
            if name in new and old.get(name) and new[name] and as_path(old[name]).resolve() == as_path(
                    new[name]).resolve():
                del new[name]
        # Other pictures of the same name are refused above; older runs do not know what theirs were.
        del new["fingerprint"]
        config = dataclasses.replace(config, fingerprint=config.fingerprint or before.fingerprint)
        if changed := changes(old, new):
            raise ConfigError(f"run={str(self.path)!r} holds a run with another configuration ({changed}). "
                              "Give the same flags to continue it, or name a new folder.")
        return config

    def write(self, config: RunConfig, schema: AttributeSchema):
        """Writes config.json and schema.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        # Last, since its presence says that the folder is a run.
        write_text(self.path / "schema.json", schema.to_json())
        write_text(self.path / "config.json", config.to_json())

    def read_config(self) -> RunConfig:
        """Raises ConfigError if there is no run or its configuration cannot be read."""
        return RunConfig.from_json(self._read("config.json"))

    def read_schema(self) -> AttributeSchema:
        return AttributeSchema.from_json(self._read("schema.json"))

    def load_model(self, precision: str = "float32", prior: bool = True) -> AttributeModel:
        """The model of the last checkpoint, with the averaged weights and the prior that was last fitted.

        A run without a fitted prior draws from N(0, I).

        Args:
            precision: one of PRECISIONS; the weights are float32 whatever the run used. A processor without bfloat16
                instructions takes many times as long to draw with it.
            prior: whether the fitted prior is needed.

        Raises:
            ConfigError: no run, no checkpoint yet or none that is whole, or one of a training that diverged; or the
                prior cannot be read.
        """
        config = self.read_config()
        latest = self._newest_checkpoint()
        from attr2image_tf import models
        from attr2image_tf.models.optimizer import WeightAverage
        model = models.create(dataclasses.replace(config.model, precision=precision))
        variables, kept = [variable.value for variable in model.variables], {}
        if config.detail is not None:
            from attr2image_tf.detail import DetailFlow
            # The model has been there before its detail, and was not trained with it.
            model.detail = DetailFlow(model.config, config.detail)
            variables, kept = model.detail.weights, {"model": variables}
        average = WeightAverage(variables, config.average_decay)
        checkpoint = tf.train.Checkpoint(average=average, **kept)
        checkpoint.restore(latest).assert_existing_objects_matched().expect_partial()
        for variable, mean in zip(variables, average.averages, strict=True):
            variable.assign(mean)
        if not _is_finite(model):
            raise ConfigError(f"run={str(self.path)!r}: pictures of the model in {latest} are not finite; training "
                              "diverged. Train again in a new folder with a smaller learning_rate, or set clip_norm.")
        if prior and self.prior.exists():
            prior, _ = self.load_prior()
            if prior.size != model.latent_size or prior.attribute_count != config.model.attribute_count:
                raise ConfigError(f"{str(self.prior)!r} has {prior.size} latents and {prior.attribute_count} "
                                  f"attributes, the run {model.latent_size} and {config.model.attribute_count}; fit it "
                                  "again with `python -m trainers.fit_prior --run=...`.")
            if not all(np.isfinite(variable).all() for variable in prior.variables):
                raise ConfigError(f"{str(self.prior)!r} is not finite; fit it again with `python -m trainers.fit_prior "
                                  "--run=...`.")
            model.prior = prior
        return model

    def step(self) -> int:
        """The step of the last checkpoint.

        Raises:
            ConfigError: no checkpoint yet, or none that is whole.
        """
        return _step(self._newest_checkpoint())

    def load_prior(self) -> tuple[LatentPrior, dict]:
        """What `LatentPrior.save` wrote into the folder, with the facts about it.

        Raises:
            ConfigError: it cannot be read.
        """
        from attr2image_tf.models.latent_prior import LatentPrior
        try:
            return LatentPrior.load(self.prior)
        except ConfigError:
            raise
        except Exception as error:  # What NumPy says of a file that it did not write is anything.
            raise ConfigError(f"{str(self.prior)!r} cannot be read as a prior ({error}); fit it again with "
                              "`python -m trainers.fit_prior --run=...`.") from None

    def take_prior(self, source: RunFolder):
        """Copies the prior of another run whose encoders this one has, unless one is here."""
        if source.prior.exists() and not self.prior.exists():
            with replacing(self.prior) as beside:
                shutil.copyfile(source.prior, beside)

    def restore(self, checkpoint: tf.train.Checkpoint, keep: int, write: bool = True
                ) -> tf.train.CheckpointManager | None:
        """Gives `checkpoint` the values of the newest one that is whole, and returns what writes the next ones.

        Args:
            checkpoint: stays as it is where there is none yet.
            keep: newest checkpoints that stay.
            write: whether this process writes them; otherwise the result is None.

        Raises:
            ConfigError: none is whole; or there is none, and the log says that there was one.
        """
        latest = self._newest_checkpoint(needed=False)
        if latest is None and self.read_log():
            raise ConfigError(f"run={str(self.path)!r}: {self.log.name} has epochs, and there is no checkpoint in "
                              f"{str(self.checkpoints)!r}; put it back, or train again in a new folder.")
        if latest:
            checkpoint.restore(latest).assert_existing_objects_matched().assert_consumed()
            logging.info("Continuing from %s.", latest)
        if not write:
            return None
        # TensorFlow's own list, by which it removes the oldest, may be lost or be of a checkpoint that is.
        (self.checkpoints / "checkpoint").unlink(missing_ok=True)
        if latest:
            paths = [str(self.checkpoints / f"ckpt-{step}") for step in self._steps() if step <= _step(latest)]
            tf.compat.v1.train.update_checkpoint_state(
                str(self.checkpoints), latest, paths, last_preserved_timestamp=0.0,
                all_model_checkpoint_timestamps=[float(place + 1) for place in range(len(paths))])
        return tf.train.CheckpointManager(checkpoint, str(self.checkpoints), max_to_keep=keep)

    def _steps(self):
        """Steps of which there is a file, from the first to the last."""
        names = (re.fullmatch(r"ckpt-(\d+)\.(index|data-.*)", path.name) for path in self.checkpoints.glob("ckpt-*"))
        return sorted({int(name.group(1)) for name in names if name})

    def _newest_checkpoint(self, needed=True):
        """The path of the newest whole checkpoint without its endings; where there never was one, and none is needed,
        None.

        TensorFlow's list of them is not asked: it may be lost, and it knows nothing of a file that is cut.
        """
        problems = []
        for step in reversed(self._steps()):
            path = str(self.checkpoints / f"ckpt-{step}")
            if problem := _damage(path):
                problems.append(problem)
                continue
            for each in problems:
                logging.warning("%s; using %s, an older one.", each, path)
            return path
        if any(self.checkpoints.glob("ckpt-*.index")):
            raise ConfigError(f"run={str(self.path)!r} has no checkpoint that is whole: {'; '.join(problems)}. Put a "
                              "copy back, or train again in a new folder.")
        if needed:
            raise ConfigError(f"run={str(self.path)!r} has no checkpoint yet; let it train for a while.")
        return None

    def append_log(self, row: dict):
        """Adds an epoch's row to log.csv, in place of a row of the same or a later epoch (a run that was resumed)."""
        rows = [before for before in self.read_log() if int(before["epoch"]) < row["epoch"]] + [row]
        with replacing(self.log) as beside, open(beside, "w", newline="") as file:
            # Another version may have logged other terms, which stay, empty where there are none.
            writer = csv.DictWriter(file, list(dict.fromkeys(name for each in (row, *rows) for name in each)))
            writer.writeheader()
            writer.writerows(rows)

    def read_log(self) -> list[dict]:
        """The rows of log.csv, values as text, "" where another version had another term; no row before the first epoch
        ends. What is no row, in a file that is cut or damaged, is left out with a warning."""
        if not self.log.exists():
            return []
        text = self.log.read_text(errors="replace")
        whole, _, rest = text.rpartition("\n")
        rows = list(csv.DictReader(whole.splitlines()))
        good = [row for row in rows if None not in row and None not in row.values() and row.get("epoch", "").isdigit()]
        if rest or len(good) < len(rows) or not rows:
            logging.warning("%s is damaged; %d of its rows can be read.", self.log, len(good))
        return good

    def _read(self, name):
        path = self.path / name
        if not path.exists():
            raise ConfigError(f"{str(path)!r} does not exist; expected the folder of a run made by "
                              "`python -m trainers.train --run=...`.")
        return path.read_text()


def _step(path):
    return int(path.rpartition("-")[2])


def _is_finite(model):
    """Whether the weights are, and what they make of a picture: large weights overflow."""
    if not all(np.isfinite(variable).all() for variable in model.variables):
        return False
    config, size = model.config, model.config.image_size
    picture = tf.random.stateless_uniform([1, size, size, 4], [0, 0], alg="philox")
    # No attribute is at its mean, where its weights do not count.
    attributes = tf.constant([np.add(config.attribute_mean, config.attribute_standard_deviation)], tf.float32)
    latents = model.encode(2.0 * picture[..., :3] - 1.0, picture[..., 3:], attributes).mean()
    return all(np.isfinite(layer).all() for layer in model.decode(latents, attributes).values())


def _damage(path):
    """What is wrong with a checkpoint, or "": all of it is read, with its checksums."""
    if not pathlib.Path(f"{path}.index").exists():
        return f"{path}.index is missing"
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
        return ""
    except (tf.errors.OpError, ValueError, LookupError, RuntimeError, TypeError) as error:
        # Whatever the reader's codes are turned into.
        return f"{path} is damaged or cut ({str(error).splitlines()[0]})"


def changes(old: dict, new: dict) -> str:
    """Which values of `new` are not as they were, for a complaint; empty if none. Of long ones where they differ."""
    def change(key):
        before, now = repr(old.get(key)), repr(new[key])
        start = max(0, len(os.path.commonprefix([before, now])) - 20)
        before, now = (text if len(text) <= 60 else
                       f"{'... ' * (start > 0)}{text[start:start + 60]}{' ...' * (len(text) > start + 60)}"
                       for text in (before, now))
        return f"{key}: {before} before, {now} now"

    return "; ".join(change(key) for key in new if old.get(key) != new[key])


def _flat(values, prefix=""):
    result = {}
    for key, value in values.items():
        result |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return result
