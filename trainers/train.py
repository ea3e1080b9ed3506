"""Trains a model.

    python -m trainers.train --flagfile=quickstart.flags
    python -m trainers.train --flagfile=lfw.flags --data_dir=/folder/that/holds/lfw

The run folder (--run) gets config.json, schema.json, checkpoints/, log.csv, tensorboard/, samples/ and, at the end,
models/ with the exported generator. The same command goes on with a run that was stopped or killed, at the step it had
reached.
"""

import sys

import numpy as np
import tensorflow as tf
from absl import flags, logging

from attr2image_tf import models, pixels
from attr2image_tf.config import ConfigError, ModelConfig, RunConfig
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.errors import check_writable
from attr2image_tf.evaluation import sheets
from attr2image_tf.run_folder import RunFolder
from export.publishing import export_run
from trainers import strategies
from trainers.flags import (
    config_from_flags,
    define_config,
    define_dataset_flags,
    define_path,
    define_threads,
    load_dataset,
    require,
    run,
)
from trainers.journal import Journal
from trainers.loop import Diverged, Loop
from trainers.prior import fit_prior

define_dataset_flags()
define_path("run", None, "Run folder; an existing run of the same configuration goes on.")
# A data set says the first two; the warm-up is told in epochs.
define_config(ModelConfig, skip=("attribute_mean", "attribute_standard_deviation", "image_size", "kl_warmup_steps"))
define_config(RunConfig, skip=("version",))
flags.DEFINE_float("kl_warmup_epochs", 0.0, "Epochs over which the weight of the KL terms rises from 0 to 1.",
                   lower_bound=0.0)
flags.DEFINE_enum("strategy", "auto", strategies.NAMES, "How training is distributed.")
flags.DEFINE_bool("jit_compile", False, "Compile the training step with XLA; pays on GPUs, not on CPUs.")
flags.DEFINE_integer("steps_per_execution", 8, "Steps between returns to Python.", lower_bound=1)
flags.DEFINE_float("checkpoint_minutes", 5.0, "Time between checkpoints; every epoch ends with one too.")
define_threads()
flags.DEFINE_bool("dry_run", False, "Print the configuration, the parameter and data counts, and stop.")


def check_values(values):
    """Raises ConfigError for a value out of its range, before anything is prepared."""
    model = config_from_flags(ModelConfig, values, attribute_mean=(0.0,), attribute_standard_deviation=(1.0,))
    config_from_flags(RunConfig, values, model=model)


def run_config(values, dataset) -> RunConfig:
    """The configuration of a run from flag values and an open data set.

    Raises:
        ConfigError: a value out of its range, or a layered model for pictures without masks.
    """
    if models.CLASSES[values.model].layered and not dataset.has_masks:
        raise ConfigError(f"model={values.model!r}: the pictures of {dataset.name!r} have no masks, which a layered "
                          "model learns from; use --model=cvae, or give masks.")
    steps_per_epoch = dataset.counts["train"] // values.batch_size
    model = config_from_flags(ModelConfig, values, **dataset.schema.standardisation(),
                              kl_warmup_steps=round(values.kl_warmup_epochs * steps_per_epoch))
    return config_from_flags(RunConfig, values, dataset=dataset.name, model=model)


def finish(folder: RunFolder, dataset):
    """Fits the prior, exports the run, loads the generator as an app would, and draws a sheet with it.

    Returns the sheet's path.
    """
    fit_prior(folder, dataset, folder.read_config().model.prior)
    version = export_run(folder.path, folder.models)["generator"]
    generator = tf.saved_model.load(str(version))

    def generate(attributes, seeds):
        return generator.signatures["generate"](attributes=attributes, seed=seeds)["images"]

    examples = list(dataset.examples("test").take(8).as_numpy_iterator())
    sheet = sheets.beside_references(generate, [example["image"] for example in examples],
                                     np.stack([example["attributes"] for example in examples]), count=8, seed=0)
    return pixels.save(sheet, folder.path / "sheet.png")


def describe(loop, reader, config):
    """Prints what a run would do."""
    print(config.to_json())
    for network in loop.model.layers:
        print(f"{network.name}: {sum(int(np.prod(weight.shape)) for weight in network.trainable_variables):,} "
              "trainable parameters")
    print(", ".join(f"{split}: {count:,} examples" for split, count in reader.dataset.counts.items()))
    print(f"{reader.steps_per_epoch:,} steps an epoch, {reader.steps_per_epoch * config.epochs:,} in all, on "
          f"{loop.strategy.num_replicas_in_sync} replica(s)")


def main(values):
    if not values.dry_run:
        require(values, "run", "name the folder of the run, for example --run=runs/first")
    check_values(values)
    if values.run:
        check_writable(values.run, "run")
    # Before anything else touches the devices: a cluster must know its peers first.
    strategy = strategies.create(values.strategy)
    dataset = load_dataset(values)
    config = run_config(values, dataset)
    folder = RunFolder(values.run or "unused")
    if values.run:
        config = folder.check(config)
    augmentation = AugmentationConfig(flip_probability=0.5 if config.flip else 0.0,
                                      maximum_sharpening=config.sharpening,
                                      maximum_rotation=config.rotation,
                                      cropped_size=dataset.image_size if config.crop else None)
    reader = BatchReader(dataset, batch_size=config.batch_size, seed=config.model.seed, augmentation=augmentation)
    if config.batch_size % strategy.num_replicas_in_sync:
        raise ValueError(f"batch_size={config.batch_size} cannot be shared by {strategy.num_replicas_in_sync} "
                         "replicas; use a multiple.")
    chief = strategies.is_chief()
    if chief and not values.dry_run:
        folder.write(config, dataset.schema)
    loop = Loop(config, reader, strategy, folder, chief=chief, jit_compile=values.jit_compile,
                steps_per_execution=values.steps_per_execution, checkpoint_seconds=60 * values.checkpoint_minutes)
    if values.dry_run:
        describe(loop, reader, config)
        return
    if chief:
        loop.on_epoch = Journal(folder, dataset, config)
    try:
        done = loop.run()
    except Diverged as error:
        sys.exit(f"error: {error}")
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        # The first lines tell where in the graph, the last what happened.
        logging.debug("%s", error)
        sys.exit("error: the cluster lost a worker; look for the first one that ended and why. Start all workers again "
                 f"with the same commands; they go on from the last checkpoint. ({type(error).__name__})")
    if done and chief:
        # What the picture shows is said before its path, which ends the output so that it is easily copied.
        sheet = finish(folder, dataset)
        print(f"Exported to {folder.models}. At the left pictures of the test split, beside each what the exported "
              f"generator draws for its attributes:\n{sheet}")


if __name__ == "__main__":
    run(main)
