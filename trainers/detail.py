"""Trains the second stage of a run: a network that adds detail to its pictures.

    python -m trainers.detail --run=runs/lfw --output=runs/lfw_detail --data_dir=DATA
    python -m trainers.detail --run=runs/lfw --output=runs/lfw_detail64 --output_size=64 --data_dir=DATA

The model of --run is not changed, nor are its encoders, latents, prior and posterior inference. The new run folder is
like any other; pictures drawn from it or from its exports have detail, at --output_size. The same command continues a
run that was stopped or killed.
"""

import dataclasses

from absl import flags

from attr2image_tf.config import PRECISIONS, SCHEDULES, DetailConfig, RunConfig
from attr2image_tf.run_folder import RunFolder
from trainers import strategies
from trainers.flags import config_from_flags, define_config, load_run_dataset, run
from trainers.training_flags import define_loop_flags, define_tuning_flags, open_tuning_runs

define_tuning_flags()
flags.DEFINE_integer("epochs", 30, "Passes over the training split.", lower_bound=1)
flags.DEFINE_integer("batch_size", 32, "Pictures per step over all replicas.", lower_bound=1)
flags.DEFINE_float("learning_rate", 6e-4, "Peak learning rate of the network's Adam, above 0.")
flags.DEFINE_enum("schedule", "cosine", SCHEDULES, "Learning rate schedule. A constant rate with averaged weights "
                  "lets a run end or resume at any epoch.")
flags.DEFINE_float("average_decay", 0.999, "Decay of the moving average of the weights.")
flags.DEFINE_enum("precision", "float32", PRECISIONS, "Precision of training; see trainers.train.")
define_config(DetailConfig, skip=("source", "source_step"))
define_loop_flags()


def detail_config(values, source: RunFolder, fingerprint: str = "") -> RunConfig:
    """The configuration of the new run.

    Raises:
        ValueError: no such run, one with detail already, or a value out of its range.
    """
    before = source.read_config()
    if before.detail is not None:
        raise ValueError(f"--run={str(source.path)!r} has detail already; name the run it comes from, "
                         f"{before.detail.source!r}.")
    detail = config_from_flags(DetailConfig, values, source=str(source.path), source_step=source.step())
    if detail.output_size % before.model.image_size:
        raise ValueError(f"output_size={detail.output_size}: expected a multiple of the size of the run's pictures, "
                         f"{before.model.image_size}.")
    model = dataclasses.replace(before.model, precision=values.precision)
    return config_from_flags(
        RunConfig, values, dataset=before.dataset, model=model, l2=0.0, clip_norm=1.0, flip=before.flip, sharpness=0.0,
        prior_steps=before.prior_steps, sharpening=before.sharpening, detail=detail, fingerprint=fingerprint)


def main(values):
    source, folder = open_tuning_runs(values, "runs/lfw_detail")
    schema = source.read_schema()
    folder.check(detail_config(values, source))
    from attr2image_tf.detail import DetailFlow, DetailLearner
    from trainers.training import tune
    strategy = strategies.create(values.strategy)
    dataset = load_run_dataset(values, source.read_config(), schema, values.output_size)
    config = folder.check(detail_config(values, source, dataset.fingerprint))

    def learner(config, steps):
        model = source.load_model(config.model.precision)
        model.detail = DetailFlow(model.config, config.detail)
        return DetailLearner(model, config, steps)

    tune(values, config, dataset, strategy, source, folder, learner)


if __name__ == "__main__":
    run(main)
