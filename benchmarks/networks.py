"""Where a training step's time goes: each network of the layered model, forward and backward, beside a matrix product.

    python -m benchmarks.networks
"""

import statistics
import time

import tensorflow as tf
from absl import flags

from attr2image_tf import models
from benchmarks.peer import matrix_product
from benchmarks.steps import count_gflop, make_batch, make_config
from trainers.flags import run

_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pictures.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each network, in turn.", lower_bound=1)
PRODUCT = "matrix product 2048 x 2048"


def passes(model: models.AttributeModel, batch) -> dict:
    """Functions by name that compute one network once: the sum of its squared outputs, and the gradients of that."""
    config, seed = model.config, tf.constant([1, 2])
    foreground, background = (tf.random.stateless_normal([len(batch["image"]), size], seed)
                              for size in (config.foreground_latent_size, config.background_latent_size))
    images, attributes = batch["image"], batch["attributes"]
    # Latents come from an encoder, which needs their gradient.
    calls = {
        "foreground encoder": (model.foreground_encoder, (images, attributes), {"seed": seed}, []),
        "background encoder": (model.background_encoder, (images, attributes, foreground), {"seed": seed},
                               [foreground]),
        "foreground decoder": (model.foreground_decoder, (foreground, attributes), {}, [foreground]),
        "background decoder": (model.background_decoder, (background,), {}, [background]),
    }

    def make(network, inputs, options, latents):
        sources = [variable.value for variable in network.trainable_variables] + latents

        @tf.function
        def both():
            with tf.GradientTape() as tape:
                tape.watch(sources)
                outputs = tf.nest.flatten(network(*inputs, training=True, **options))
                total = tf.add_n([tf.reduce_sum(output**2) for output in outputs])
            return total, tape.gradient(total, sources)

        return both

    return {name: make(*call) for name, call in calls.items()}


def main(values):
    config = make_config()
    functions = passes(models.create(config), make_batch(config, _BATCH_SIZE.value))
    gflop = {name: count_gflop(function.get_concrete_function().graph) for name, function in functions.items()}
    functions[PRODUCT], gflop[PRODUCT] = matrix_product()
    seconds = {name: [] for name in functions}
    for round_ in range(_ROUNDS.value + 1):
        for name, function in functions.items():
            started = time.process_time()
            tf.nest.flatten(function())[0].numpy()
            if round_:  # the first one prepares
                seconds[name].append(time.process_time() - started)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    rates = {name: gflop[name] / medians[name] for name in functions}
    print("| network | GFLOP | processor s | GFLOP a processor second | of a matrix product's |\n" + "| --- " * 5 + "|")
    for name, rate in rates.items():
        print(f"| {name} | {gflop[name]:.1f} | {medians[name]:.2f} | {rate:.0f} | {rate / rates[PRODUCT]:.0%} |")


if __name__ == "__main__":
    run(main)
