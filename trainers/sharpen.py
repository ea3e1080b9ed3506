"""Tunes the decoders of a trained run so that pictures are sharp and match the requested attributes.

    python -m trainers.train_regressor --dataset=lfw --data_dir=DATA --output=runs/regressor_c --width=24 --seed=2
    python -m trainers.sharpen --run=runs/lfw --output=runs/lfw_sharp --regressor=runs/regressor_c --data_dir=DATA

The encoders do not change, so neither do the prior and the latents of pictures. The new run folder is like any other:
you can draw from it, export, evaluate and serve it. The same command continues a run that was stopped or killed. The
regressor must not be one that later judges the pictures; --attribute_weight=0 --change_weight=0 needs none.
"""

from absl import flags

from attr2image_tf.config import SCHEDULES, RunConfig, SharpeningConfig
from attr2image_tf.run_folder import RunFolder
from trainers import strategies
from trainers.flags import config_from_flags, define_config, define_path, load_run_dataset, run
from trainers.training_flags import define_loop_flags, define_tuning_flags, open_tuning_runs

define_tuning_flags()
define_path("regressor", "", "Folder of the regressor for the attribute losses; it must not be one that judges the "
            "result.")
# Of the rest the run decides.
flags.DEFINE_integer("epochs", 2, "Passes over the training split. Too many let the discriminator win, and faces get "
                     "lines like pen strokes.", lower_bound=1)
flags.DEFINE_integer("batch_size", 16, "Pictures per step over all replicas, at least two each; one sample is drawn "
                     "per picture.", lower_bound=2)
flags.DEFINE_float("learning_rate", 2e-4, "Peak learning rate of the decoders' Adam, above 0.")
flags.DEFINE_enum("schedule", "cosine", SCHEDULES, "Schedule of both learning rates, this one and the discriminator's.")
define_config(SharpeningConfig, skip=("source", "source_step", "regressor"))
define_loop_flags()


def sharpened_config(values, source: RunFolder) -> RunConfig:
    """The configuration of the new run.

    Raises:
        ConfigError: no such run, or a value out of its range.
    """
    before = source.read_config()
    if before.sharpening is not None:
        raise ValueError(f"--run={str(source.path)!r} is a sharpened run already; name the run it comes from, "
                         f"{before.sharpening.source!r}.")
    if before.detail is not None:
        raise ValueError(f"--run={str(source.path)!r} has detail, which would not fit tuned decoders; name the run it "
                         f"comes from, {before.detail.source!r}.")
    tuning = config_from_flags(SharpeningConfig, values, source=str(source.path), source_step=source.step())
    return config_from_flags(
        RunConfig, values, dataset=before.dataset, model=before.model, l2=0.0, flip=before.flip,
        rotation=before.rotation, crop=before.crop, sharpness=0.0, prior_steps=before.prior_steps, sharpening=tuning,
        fingerprint=before.fingerprint)


def load_regressor(config: RunConfig, schema):
    """The network of the attribute terms, or None where they have no weight.

    Raises:
        ValueError: a regressor of another data set or size.
    """
    if not config.sharpening.uses_regressor:
        return None
    from attr2image_tf.evaluation import attribute_regressor
    regressor = attribute_regressor.load(config.sharpening.regressor)
    regressor.check_fits(config.sharpening.regressor, schema, config.model.image_size)
    return regressor.network


def main(values):
    source, folder = open_tuning_runs(values, "runs/lfw_sharp")
    config, schema = folder.check(sharpened_config(values, source)), source.read_schema()
    from attr2image_tf.sharpening import Sharpener
    from trainers.training import tune
    strategy = strategies.create(values.strategy)
    if config.batch_size % (2 * strategy.num_replicas_in_sync):
        raise ValueError(f"batch_size={config.batch_size}: expected a multiple of {2 * strategy.num_replicas_in_sync}, "
                         "since samples are drawn in pairs on each replica.")
    with strategy.scope():
        regressor = load_regressor(config, schema)
    dataset = load_run_dataset(values, config, schema)

    def learner(config, steps):
        return Sharpener(source.load_model(config.model.precision), config, steps, regressor)

    tune(values, config, dataset, strategy, source, folder, learner)


if __name__ == "__main__":
    run(main)
