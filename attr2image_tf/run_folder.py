"""RunFolder: the files of a training run, all that resuming, evaluation and export need."""

import csv
import dataclasses
import os

import tensorflow as tf

from attr2image_tf import data, models
from attr2image_tf.config import ConfigError, RunConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import as_path, check_no_pattern, replacing, write_text
from attr2image_tf.models.latent_prior import LatentPrior
from attr2image_tf.models.optimizer import WeightAverage


class RunFolder:
    """A folder with config.json, schema.json, checkpoints/, prior.npz, log.csv, tensorboard/, samples/ and models/.

    Args:
        path: the folder; made when something is first written.

    Raises:
        ValueError: TensorFlow would take the path for a pattern.
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

    def check(self, config: RunConfig) -> RunConfig:
        """The configuration to go on with: `config`, or what it means to a run of an older version in the folder.

        Raises:
            ConfigError: the folder is neither new nor holds a run of `config` (of as many epochs or fewer).
        """
        if not (self.path / "config.json").exists():
            if self.path.exists() and any(self.path.iterdir()):
                raise ConfigError(f"run={str(self.path)!r}: the folder exists, is not empty and has no config.json; "
                                  "name a new folder.")
            return config
        before = self.read_config()
        if (before.fine_tuning is None) != (config.fine_tuning is None):
            main = "trainers.train" if before.fine_tuning is None else "trainers.sharpen"
            raise ConfigError(f"run={str(self.path)!r} holds a run of {main}; go on with that, or name a new folder.")
        config = config.continuing(before)
        old, new = (_flat(each.to_dict()) for each in (before, config))
        if new["epochs"] > old["epochs"]:
            del new["epochs"]
        if data.same_set(old["dataset"], new["dataset"]):
            # However it is spelled.
            del new["dataset"]
        if changed := changes(old, new):
            raise ConfigError(f"run={str(self.path)!r} holds a run of another configuration ({changed}). "
                              "Give the same flags to go on with it, or name a new folder.")
        return config

    def write(self, config: RunConfig, schema: AttributeSchema):
        """Writes config.json and schema.json."""
        self.path.mkdir(parents=True, exist_ok=True)
        # Last, since its presence says that the folder is a run.
        write_text(self.path / "schema.json", schema.to_json())
        write_text(self.path / "config.json", config.to_json())

    def read_config(self) -> RunConfig:
        """Raises ConfigError where there is no run or its configuration cannot be read."""
        return RunConfig.from_json(self._read("config.json"))

    def read_schema(self) -> AttributeSchema:
        return AttributeSchema.from_json(self._read("schema.json"))

    def load_model(self, precision: str = "float32") -> models.AttributeModel:
        """The model of the last checkpoint, with the averaged weights and the prior that was last fitted.

        A run without a fitted prior draws from N(0, I).

        Args:
            precision: one of PRECISIONS; the weights are float32 whatever the run computed in. In bfloat16 a processor
                without its instructions takes many times as long to draw.

        Raises:
            ConfigError: no run, or no checkpoint yet.
        """
        config = self.read_config()
        latest = self._latest_checkpoint()
        model = models.create(dataclasses.replace(config.model, precision=precision))
        variables = [variable.value for variable in model.variables]
        average = WeightAverage(variables, config.average_decay)
        tf.train.Checkpoint(average=average).restore(latest).assert_existing_objects_matched().expect_partial()
        for variable, mean in zip(variables, average.averages, strict=True):
            variable.assign(mean)
        if self.prior.exists():
            prior, _ = LatentPrior.load(self.prior)
            if prior.size != model.latent_size or prior.attribute_count != config.model.attribute_count:
                raise ConfigError(f"{str(self.prior)!r} is of {prior.size} latents and {prior.attribute_count} "
                                  f"attributes, the run of {model.latent_size} and {config.model.attribute_count}; fit "
                                  "it again with `python -m trainers.fit_prior --run=...`.")
            model.prior = prior
        return model

    def step(self) -> int:
        """The step of the last checkpoint.

        Raises:
            ConfigError: no checkpoint yet.
        """
        return int(self._latest_checkpoint().rpartition("-")[2])

    def _latest_checkpoint(self):
        latest = tf.train.latest_checkpoint(str(self.checkpoints))
        if not latest:
            raise ConfigError(f"run={str(self.path)!r} has no checkpoint yet; let the training run for a while.")
        return latest

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
        ends."""
        if not self.log.exists():
            return []
        with open(self.log, newline="") as file:
            return list(csv.DictReader(file))

    def _read(self, name):
        path = self.path / name
        if not path.exists():
            raise ConfigError(f"{str(path)!r} does not exist; expected the folder of a run made by "
                              "`python -m trainers.train --run=...`.")
        return path.read_text()


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
