"""UpsampleConv2D: nearest upsampling by 2 and a k x k convolution, computed at low resolution."""

import keras
import numpy as np
import tensorflow as tf


def fold_matrix(kernel_size: int) -> np.ndarray:
    """Which rows of a kernel fall on which low-resolution row, by phase.

    Row 2i + a of the output reads rows 2i + a - r ... 2i + a + r of the upsampled picture, r = (k - 1) / 2, which are
    repeats of the low-resolution rows floor((a + t - r) / 2) + i for t = 0 ... k - 1.

    Returns:
        float32 [2, n, k] of zeros and ones: phase a, low-resolution row (n = 3 for k = 3 and k = 5), kernel row.
    """
    radius = (kernel_size - 1) // 2
    reach = (radius + 1) // 2
    matrix = np.zeros((2, 2 * reach + 1, kernel_size), np.float32)
    for phase in range(2):
        for row in range(kernel_size):
            matrix[phase, (phase + row - radius) // 2 + reach, row] = 1.0
    return matrix


def fold_kernel(kernel):
    """The low-resolution kernel [n, n, C, 4 D] (phases a, b outside D) of a kernel [k, k, C, D]."""
    size, _, inputs, outputs = kernel.shape
    rows = fold_matrix(size)
    n = rows.shape[1]
    # One matrix product: cheaper in the backward pass than an einsum over five axes.
    both = np.einsum("api,bqj->pqabij", rows, rows).reshape(n * n * 4, size * size)
    folded = tf.matmul(tf.constant(both, kernel.dtype), tf.reshape(kernel, [size * size, inputs * outputs]))
    folded = tf.transpose(tf.reshape(folded, [n * n, 4, inputs, outputs]), [0, 2, 1, 3])
    return tf.reshape(folded, [n, n, inputs, 4 * outputs])


def convolve_phases(inputs, folded_kernel, bias):
    """The upsampled convolution [B, 2H, 2W, D] from inputs [B, H, W, C], a folded kernel and a bias [D]."""
    phases = tf.nn.bias_add(tf.nn.conv2d(inputs, folded_kernel, 1, "SAME"), tf.tile(bias, [4]))
    return tf.nn.depth_to_space(phases, 2)


class UpsampleConv2D(keras.layers.Layer):
    """Nearest upsampling by 2 followed by a "same" k x k convolution, as one convolution on the small picture.

    The four output phases (even and odd rows and columns) are four convolutions with smaller kernels, folded from the
    trained k x k kernel and interleaved by depth-to-space: for k = 5 it takes 36 multiply-adds for each small pixel
    instead of 100. Values and gradients equal the plain form up to rounding; zero padding is the same.

    Args:
        filters: int. Output channels.
        kernel_size: int, odd. k.

    Call input: [B, H, W, C]. Output: [B, 2H, 2W, filters].
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0:
            raise ValueError(f"UpsampleConv2D: kernel_size={kernel_size}; expected an odd number.")
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", initializer="glorot_uniform",
                                      shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs):
        return convolve_phases(inputs, fold_kernel(tf.cast(self.kernel, self.compute_dtype)),
                               tf.cast(self.bias, self.compute_dtype))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}
