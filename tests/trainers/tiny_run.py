"""A training run of seconds, as a process of its own: what the tests of the loop start, kill and compare.

    python tiny_run.py RUN [--strategy=one_device] [--devices=1] [--epochs=2] [--learning_rate=...] [--sharpened=RUN]

Writes weights.npz into RUN when training is done.
"""

import argparse
import sys

from attr2image_tf.config import ModelConfig, RunConfig, SharpeningConfig

parser = argparse.ArgumentParser()
parser.add_argument("run")
parser.add_argument("--model", default="discvae")
parser.add_argument("--strategy", default="one_device")
parser.add_argument("--devices", type=int, default=1)
parser.add_argument("--epochs", type=int, default=2)
parser.add_argument("--precision", default="float32")
parser.add_argument("--learning_rate", type=float, default=1e-3)
parser.add_argument("--epsilon", type=float, default=1e-2, help="of Adam; 0 for the one that ships")
parser.add_argument("--sleep", type=float, default=0.0, help="seconds after each epoch's row, for a kill to hit")
parser.add_argument("--sharpened", help="a run whose decoders are tuned, instead of training a new model")
arguments = parser.parse_args()


def main():
    import dataclasses
    import time

    import numpy as np
    import tensorflow as tf
    from absl import logging

    from attr2image_tf.data.augmentation import AugmentationConfig
    from attr2image_tf.data.batches import BatchReader
    from attr2image_tf.data.emblems import open_emblems
    from attr2image_tf.models.optimizer import Adam
    from attr2image_tf.run_folder import RunFolder
    from attr2image_tf.sharpening import Sharpener
    from trainers import strategies
    from trainers.loop import BoundLearner, Loop

    logging.set_verbosity(logging.INFO)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * arguments.devices)
    strategy = strategies.create(arguments.strategy)
    dataset = open_emblems(image_size=32, train=40, validation=10, test=2)
    config = RunConfig(
        dataset="emblems", epochs=arguments.epochs, batch_size=8, learning_rate=arguments.learning_rate,
        schedule="cosine", flip=False,
        model=ModelConfig(model=arguments.model, image_size=32, width=1 / 16, latent_size=8, foreground_latent_size=8,
                          background_latent_size=4, attribute_mean=tuple(dataset.schema.mean.tolist()),
                          attribute_standard_deviation=tuple(dataset.schema.standard_deviation.tolist()),
                          precision=arguments.precision))
    learner = BoundLearner
    if arguments.sharpened:
        tuning = SharpeningConfig(source=arguments.sharpened, source_step=1, attribute_weight=0.0, change_weight=0.0,
                                  discriminator_width=1 / 16, penalty_interval=2)
        config = dataclasses.replace(config, sharpening=tuning)

        def learner(config, steps):
            return Sharpener(RunFolder(arguments.sharpened).load_model(), config, steps, None)

    reader = BatchReader(dataset, batch_size=8, seed=0, augmentation=AugmentationConfig(flip_probability=0.0))
    folder = RunFolder(arguments.run)
    folder.check(config)
    chief = strategies.is_chief()
    if chief:
        folder.write(config, dataset.schema)
    loop = Loop(config, reader, strategy, folder, chief=chief, steps_per_execution=2, checkpoint_seconds=0.0,
                on_epoch=lambda *_: time.sleep(arguments.sleep), learner=learner)
    # Gradients that are zero but for rounding (a bias that batch normalisation takes away again) would otherwise
    # become whole steps of random sign, and no two orders of summation could agree.
    for state in loop.learner.state.values():
        if isinstance(state, Adam) and arguments.epsilon:
            state.epsilon = arguments.epsilon
    done = loop.run()
    if done and chief:
        np.savez(folder.path / "weights.npz", **{variable.path: variable.numpy() for variable in loop.model.variables})
    return 0 if done else 3


sys.exit(main())
