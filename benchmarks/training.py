"""Training steps per second of the paper's layered model, beside a peer in the same run.

    python -m benchmarks.training --peer="OTHER_ENVIRONMENT/bin/python peer_torch.py" --peer_options=--channels_last

Both take the same batch of noise again and again: data pipelines are measured by benchmarks.data.
"""

import json
import os
import resource
import statistics

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from attr2image_tf import models, runtime
from attr2image_tf.config import ModelConfig
from attr2image_tf.models.optimizer import Adam
from benchmarks.peer import matrix_peak, measure_peer, median_seconds

_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pictures of a step.", lower_bound=1)
_WIDTH = flags.DEFINE_float("width", 1.0, "Factor on the channels; the peer's network is of width 1.")
_MODEL = flags.DEFINE_enum("model", "discvae", ("vae", "cvae", "discvae"), "The peer's is discvae.")
_IMAGE_SIZE = flags.DEFINE_integer("image_size", 64, "Height and width in pixels.")
_PRECISION = flags.DEFINE_enum("precision", "float32", ("float32", "mixed_bfloat16", "mixed_float16"), "Dtype policy.")
_JIT_COMPILE = flags.DEFINE_bool("jit_compile", False, "Compile the step with XLA.")
_REPEATS = flags.DEFINE_integer("repeats", 6, "Steps of one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side, in turn.", lower_bound=1)
# Of one training step on one picture with the plain form of upsampling, 64 x 64, width 1: what both compute the
# result of. Multiply and add count as two.
GFLOP_A_PICTURE = 17.75


def create_step(config: ModelConfig, batch_size: int, jit_compile: bool):
    """A function that takes one training step on a fixed batch and waits for its end."""
    model = models.create(config)
    model.optimizer = Adam([variable.value for variable in model.trainable_variables], 3e-4,
                           scale_loss=config.precision == "mixed_float16")
    random = np.random.default_rng(0)
    size = config.image_size
    batch = {"image": random.uniform(-1, 1, (batch_size, size, size, 3)),
             "mask": random.uniform(0, 1, (batch_size, size, size, 1)) > 0.5,
             "attributes": random.normal(size=(batch_size, config.attribute_count)), "weight": np.ones(batch_size)}
    batch = {name: tf.constant(value, tf.float32) for name, value in batch.items()}
    step = tf.function(lambda: model.train_step(batch), jit_compile=jit_compile or None)
    return lambda: step()["lower_bound"].numpy()


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    runtime.prepare(0)
    config = ModelConfig(model=_MODEL.value, image_size=_IMAGE_SIZE.value, width=_WIDTH.value,
                         precision=_PRECISION.value, attribute_mean=(0.0,) * 73,
                         attribute_standard_deviation=(1.0,) * 73)
    step = create_step(config, _BATCH_SIZE.value, _JIT_COMPILE.value)
    seconds, peers = [], []
    for _ in range(_ROUNDS.value):
        seconds.append(median_seconds(step, _REPEATS.value))
        peers.append(measure_peer("train", f"--batch={_BATCH_SIZE.value}", f"--repeats={_REPEATS.value}"))
    ours = statistics.median(seconds)
    peak = matrix_peak()
    result = {"tensorflow": tf.__version__, "keras": keras.__version__, "cores": len(os.sched_getaffinity(0)),
              "model": config.model, "width": config.width, "image_size": config.image_size,
              "precision": config.precision, "jit_compile": _JIT_COMPILE.value, "batch_size": _BATCH_SIZE.value,
              "seconds_a_step": ours, "pictures_per_second": _BATCH_SIZE.value / ours,
              "matrix_peak_gflops": peak,
              "peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    if config == ModelConfig(attribute_mean=config.attribute_mean, precision=config.precision,
                             attribute_standard_deviation=config.attribute_standard_deviation):
        result["plain_gflops"] = GFLOP_A_PICTURE * result["pictures_per_second"]
    if all(peers):
        theirs = statistics.median(peer["seconds"] for peer in peers)
        result |= {"peer": peers[0], "peer_seconds_a_step": theirs, "times_the_peer": theirs / ours}
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    app.run(main)
