"""Trains a model.

    python -m trainers.train --flagfile=quickstart.flags
    python -m trainers.train --flagfile=lfw.flags --data_dir=/folder/that/holds/lfw

The run folder (--run) gets config.json, schema.json, checkpoints/, log.csv, tensorboard/, samples/ and, at the end,
models/ with the exported generator. The same command goes on with a run that was stopped or killed, at the step it had
reached.
"""

import dataclasses
import sys

import numpy as np
import tensorflow as tf
from absl import app, flags, logging

from attr2image_tf import config as configs
from attr2image_tf import data, pixels, runtime
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.errors import check_writable, clear_errors
from attr2image_tf.evaluation import sheets
from attr2image_tf.files import check_no_pattern
from attr2image_tf.run_folder import RunFolder
from export.publishing import export_run
from trainers import strategies
from trainers.fit_prior import fit_prior
from trainers.flags import define_dataset_flags, load_dataset
from trainers.journal import Journal
from trainers.loop import Diverged, Loop

define_dataset_flags()
flags.DEFINE_string("run", None, "Run folder; an existing run of the same configuration goes on.")
flags.DEFINE_enum("model", "discvae", configs.MODELS, "Layered model, conditional VAE or VAE.")
flags.DEFINE_integer("latent_size", 256, "Z of vae and cvae.", lower_bound=1)
flags.DEFINE_integer("foreground_latent_size", 192, "Z_F of discvae.", lower_bound=1)
flags.DEFINE_integer("background_latent_size", 64, "Z_B of discvae.", lower_bound=1)
flags.DEFINE_float("width", 1.0, "Factor on the channels of all networks; 1 is the paper's.")
flags.DEFINE_float("dropout", 0.5, "Dropout rate in the encoders.")
flags.DEFINE_enum("observation_noise", "validation", configs.OBSERVATION_NOISES,
                  "How the pixels' standard deviation is found: fixed, learned by gradient, the running root mean "
                  "squared error of training, or that of the validation split after the epoch before.")
flags.DEFINE_float("observation_standard_deviation", 0.5, "Its (first) value; pixels are in [-1, 1].")
flags.DEFINE_bool("shared_observation_noise", False, "One standard deviation for p(x | .) and p(x_F | .) of discvae.")
flags.DEFINE_float("gate_weight", 0.3, "Weight of the gate's log-likelihood in the objective of discvae.")
flags.DEFINE_float("kl_warmup_epochs", 0.0, "Epochs over which the weight of the KL terms rises from 0 to 1.")
flags.DEFINE_enum("prior", "flow", configs.PRIORS, "p(z | y) that pictures are drawn from, fitted when training ends: "
                  "N(0, I) as in the paper, linear in y, or that with a flow.")
flags.DEFINE_integer("epochs", 20, "Passes over the training split.", lower_bound=1)
flags.DEFINE_integer("batch_size", 32, "Examples of a step, over all replicas together.", lower_bound=1)
flags.DEFINE_float("learning_rate", 3e-4, "Of Adam.")
flags.DEFINE_float("weight_decay", 0.004, "L2 coefficient on kernels.")
flags.DEFINE_float("clip_norm", 0.0, "Largest global norm of the gradients; 0 switches clipping off.")
flags.DEFINE_float("average_decay", 0.999, "Decay of the moving average of the weights.")
flags.DEFINE_bool("flip", True, "Mirror training pictures at random.")
flags.DEFINE_float("rotation", 0.0, "Largest angle of random rotation, in radians.")
flags.DEFINE_bool("crop", False, "Crop training pictures at random; for data sets whose pictures have a border (cub).")
flags.DEFINE_integer("seed", 0, "Of the weights, the order, the augmentation and the noise.", lower_bound=0)
flags.DEFINE_enum("precision", "float32", ("float32", "mixed_bfloat16", "mixed_float16"), "Keras dtype policy.")
flags.DEFINE_enum("strategy", "auto", strategies.NAMES, "How training is distributed.")
flags.DEFINE_bool("jit_compile", False, "Compile the training step with XLA; pays on GPUs, not on CPUs.")
flags.DEFINE_integer("steps_per_execution", 8, "Steps between returns to Python.", lower_bound=1)
flags.DEFINE_float("checkpoint_minutes", 5.0, "Time between checkpoints; every epoch ends with one too.")
flags.DEFINE_integer("threads", 0, "Threads for computation; 0 for one a core.", lower_bound=0)
flags.DEFINE_bool("dry_run", False, "Print the configuration, the parameter and data counts, and stop.")


def run_config(values, dataset) -> configs.RunConfig:
    """The configuration of a run from flag values and an open data set.

    Raises:
        ConfigError: a value out of its range, or a layered model for pictures without masks.
    """
    if values.model == "discvae" and not dataset.has_masks:
        raise configs.ConfigError(f"model='discvae': the pictures of {dataset.name!r} have no masks, which a layered "
                                  "model learns from; use --model=cvae, or give masks.")
    steps_per_epoch = dataset.counts["train"] // values.batch_size
    model = configs.ModelConfig(
        model=values.model, image_size=values.image_size, attribute_mean=tuple(dataset.schema.mean.tolist()),
        attribute_standard_deviation=tuple(dataset.schema.scale.tolist()), latent_size=values.latent_size,
        foreground_latent_size=values.foreground_latent_size, background_latent_size=values.background_latent_size,
        width=values.width, dropout=values.dropout, observation_noise=values.observation_noise,
        observation_standard_deviation=values.observation_standard_deviation,
        shared_observation_noise=values.shared_observation_noise, gate_weight=values.gate_weight,
        kl_warmup_steps=round(values.kl_warmup_epochs * steps_per_epoch), prior=values.prior,
        precision=values.precision, seed=values.seed)
    return configs.RunConfig(
        dataset=dataset.name, model=model, epochs=values.epochs, batch_size=values.batch_size,
        learning_rate=values.learning_rate, weight_decay=values.weight_decay, clip_norm=values.clip_norm,
        average_decay=values.average_decay, flip=values.flip, rotation=values.rotation, crop=values.crop)


def spelled_alike(config: configs.RunConfig, folder: RunFolder) -> configs.RunConfig:
    """`config` with the data set spelled as the run in a folder has it, where both mean the same."""
    if not (folder.path / "config.json").exists():
        return config
    before = folder.read_config().dataset
    return dataclasses.replace(config, dataset=before) if data.same_set(before, config.dataset) else config


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


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    values = flags.FLAGS
    logging.set_verbosity(logging.INFO)
    runtime.prepare(values.threads)
    with clear_errors():
        if not values.run and not values.dry_run:
            raise ValueError("--run is missing; name the folder of the run, for example --run=runs/first.")
        if values.run:
            check_writable(values.run, "run")
            check_no_pattern(values.run, "run")
        # Before anything else touches the devices: a cluster must know its peers first.
        strategy = strategies.create(values.strategy)
        dataset = load_dataset(values)
        config = run_config(values, dataset)
        folder = RunFolder(values.run or "unused")
        if values.run:
            config = spelled_alike(config, folder)
            folder.check(config)
        augmentation = AugmentationConfig(flip_probability=0.5 if config.flip else 0.0,
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
    app.run(main)
