"""Milliseconds of each upsampled convolution of the layered model, forward and with its backward pass, in four forms.

    python -m benchmarks.upsampling --batch_size=32

plain: nearest upsampling, then the convolution of the large picture; transposed: a transposed convolution and a sum;
polyphase: `convolve_polyphase`; upsampled: `convolve_upsampled`, the model's. Kernels are made beforehand, as in a
folded network.
"""

import statistics
import time

import numpy as np
import tensorflow as tf
from absl import flags

from attr2image_tf.models.upsampling import convolve_polyphase, convolve_upsampled, polyphase_kernels, transposed_kernel
from benchmarks.plain import convolve_transposed
from trainers.flags import run

_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Pictures.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Measurements of each form, in turn.", lower_bound=1)
# Side of the small picture, channels in and out, k; the paper's network at 64 x 64.
LAYERS = ((8, 256, 256, 5), (16, 256, 128, 5), (32, 128, 64, 5),
          (2, 256, 128, 3), (4, 128, 128, 3), (8, 128, 64, 3), (16, 64, 64, 3), (32, 64, 32, 5))


def convolve_plain(inputs, kernel, bias):
    """The definition."""
    large = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
    return tf.nn.bias_add(tf.nn.conv2d(large, kernel, 1, "SAME"), bias)


FORMS = {"plain": (convolve_plain, lambda kernel: [kernel]),
         "transposed": (convolve_transposed, lambda kernel: [transposed_kernel(kernel)]),
         "polyphase": (convolve_polyphase, polyphase_kernels),
         "upsampled": (convolve_upsampled, lambda kernel: [*polyphase_kernels(kernel), transposed_kernel(kernel)])}


def calls(side, inputs, outputs, size):
    """Functions that compute one layer once, by form and pass."""
    random = np.random.default_rng(0)
    images = tf.constant(random.normal(size=(_BATCH_SIZE.value, side, side, inputs)), tf.float32)
    kernel = tf.constant(random.normal(size=(size, size, inputs, outputs)), tf.float32)
    made = {}
    for form, (convolve, prepare) in FORMS.items():
        weights = [tf.Variable(each) for each in (*prepare(kernel), tf.zeros([outputs]))]

        def forward(convolve=convolve, weights=weights):
            return tf.reduce_sum(convolve(images, *weights) ** 2)

        def backward(forward=forward, weights=weights):
            with tf.GradientTape() as tape:
                tape.watch(images)
                loss = forward()
            # Of two kernels only one gets a gradient.
            gradients = [each for each in tape.gradient(loss, [images, *weights]) if each is not None]
            return tf.add_n([tf.reduce_sum(gradient) for gradient in gradients])

        made[form, "forward"], made[form, "with backward"] = tf.function(forward), tf.function(backward)
    return made


def main(values):
    kinds = [(form, part) for part in ("forward", "with backward") for form in FORMS]
    print("| small picture, channels, k | " + " | ".join(f"{form}, {part}" for form, part in kinds) + " |\n"
          + "| --- " * (1 + len(kinds)) + "|")
    total = dict.fromkeys(kinds, 0.0)
    for layer in LAYERS:
        functions, seconds = calls(*layer), {kind: [] for kind in kinds}
        for round_ in range(_ROUNDS.value + 1):
            for kind in kinds:
                started = time.perf_counter()
                functions[kind]().numpy()
                if round_:  # the first traces
                    seconds[kind].append(time.perf_counter() - started)
        medians = {kind: 1000 * statistics.median(values) for kind, values in seconds.items()}
        total = {kind: total[kind] + medians[kind] for kind in kinds}
        side, inputs, outputs, size = layer
        print(f"| {side} x {side}, {inputs} to {outputs}, {size} | "
              + " | ".join(f"{medians[kind]:.1f}" for kind in kinds) + " |", flush=True)
    print("| all | " + " | ".join(f"{total[kind]:.0f}" for kind in kinds) + " |")


if __name__ == "__main__":
    run(main)
