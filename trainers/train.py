"""Trains a model.

    python -m trainers.train --flagfile=quickstart.flags
    python -m trainers.train --flagfile=lfw.flags --data_dir=/folder/that/holds/lfw

The run folder (--run) gets config.json, schema.json, checkpoints/, log.csv, tensorboard/, samples/ and, at the end,
models/ with the exported generator. The same command continues a run that was stopped or killed, at the step it had
reached.

Exit status: 0 when all of that is done; 143 after SIGTERM and 130 after Ctrl-C, which save first (a second Ctrl-C ends
at once); 1 if training diverged or the cluster lost a worker; 2 if files or flags must be corrected.
"""

import numpy as np
from absl import flags

from attr2image_tf.config import ConfigError, ModelConfig, RunConfig
from attr2image_tf.errors import check_writable
from attr2image_tf.run_folder import RunFolder
from trainers import strategies
from trainers.flags import (
    config_from_flags,
    define_config,
    define_dataset_flags,
    define_path,
    load_dataset,
    require,
    run,
)
from trainers.training_flags import define_loop_flags

define_dataset_flags()
define_path("run", None, "Run folder; an existing run with the same configuration continues.")
# A data set says the first two; the warm-up is told in epochs.
define_config(ModelConfig, skip=("attribute_mean", "attribute_standard_deviation", "image_size", "kl_warmup_steps"))
define_config(RunConfig, skip=("sharpening", "detail", "fingerprint", "version"))
flags.DEFINE_float("kl_warmup_epochs", 0.0, "Epochs over which the weight of the KL terms rises from 0 to 1.",
                   lower_bound=0.0)
define_loop_flags()
flags.DEFINE_bool("dry_run", False, "Print the configuration, the parameter and data counts, and stop.")


def run_config(values, dataset) -> RunConfig:
    """The configuration of a run from flag values and an open data set.

    Raises:
        ConfigError: a value out of its range, or a layered model for pictures without masks.
    """
    from attr2image_tf import models
    if models.CLASSES[values.model].layered and not dataset.has_masks:
        raise ConfigError(f"model={values.model!r}: the pictures of {dataset.name!r} have no masks, and a layered "
                          "model learns from them; use --model=cvae, or provide masks.")
    steps_per_epoch = dataset.counts["train"] // values.batch_size
    model = config_from_flags(ModelConfig, values, **dataset.schema.standardisation(),
                              kl_warmup_steps=round(values.kl_warmup_epochs * steps_per_epoch))
    return config_from_flags(RunConfig, values, dataset=dataset.name, model=model, fingerprint=dataset.fingerprint)


def describe(loop):
    """Prints what a run would do."""
    config, reader = loop.config, loop.reader
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
    # A value out of its range is told before anything is prepared.
    config_from_flags(RunConfig, values, model=config_from_flags(
        ModelConfig, values, attribute_mean=(0.0,), attribute_standard_deviation=(1.0,)))
    if values.run:
        check_writable(values.run, "run")
    from trainers.prior import fit_prior
    from trainers.training import make_loop, train
    # Before anything else touches the devices: a cluster must know its peers first.
    strategy = strategies.create(values.strategy)
    dataset = load_dataset(values)
    config = run_config(values, dataset)
    folder = RunFolder(values.run or "unused")
    if values.run:
        config = folder.check(config)
    loop = make_loop(values, config, dataset, strategy, folder, write=not values.dry_run)
    if values.dry_run:
        describe(loop)
        return
    train(loop, dataset, lambda: fit_prior(folder, dataset, config.model.prior))


if __name__ == "__main__":
    run(main)
