"""UpsampleConv2D: nearest upsampling by 2 and a k x k convolution, in ways that cost less than that."""

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


def spread_kernel(kernel):
    """The kernel [k, k, D, C] that `convolve_spread` takes, of a convolution's kernel [k, k, C, D]."""
    return 4.0 * tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def convolve_spread(inputs, spread, bias):
    """The upsampled convolution [B, 2H, 2W, D] from inputs [B, H, W, C], a `spread_kernel` and a bias [D].

    Repeating every pixel is spreading them apart with zeros between, then summing over 2 x 2. Sum and convolution may
    change places: a transposed convolution of stride 2 skips the zeros, and average pooling, the factor 4 being in the
    kernel, sums what comes out.
    """
    batch, height, width = tf.shape(inputs)[0], inputs.shape[1], inputs.shape[2]
    # A pixel more at the top and the left, which the sum takes away again.
    crop = (spread.shape[0] - 1) // 2 - 1
    # The same where nothing is cropped, but oneDNN takes it only by that name.
    padding = [[0, 0], [crop, crop], [crop, crop], [0, 0]] if crop else "VALID"
    shape = [batch, 2 * height + 1, 2 * width + 1, spread.shape[2]]
    outputs = tf.nn.conv2d_transpose(inputs, spread, shape, 2, padding)
    return tf.nn.bias_add(tf.nn.avg_pool2d(outputs, 2, 1, "VALID"), bias)


class UpsampleConv2D(keras.layers.Layer):
    """Nearest upsampling by 2 followed by a "same" k x k convolution, without convolving the large picture.

    `convolve_spread` takes k^2 multiply-adds for each small pixel instead of 4 k^2, `convolve_phases` 36 for k = 5.
    Both equal the plain form up to rounding, in values and gradients, zero padding included. The layer takes the first;
    the second is for runtimes whose transposed convolutions are slow, as those of LiteRT are.

    Args:
        filters: int. Output channels.
        kernel_size: int, odd and at least 3. k.

    Call input: [B, H, W, C]. Output: [B, 2H, 2W, filters].
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(**kwargs)
        if kernel_size % 2 == 0 or kernel_size < 3:
            raise ValueError(f"UpsampleConv2D: kernel_size={kernel_size}; expected an odd number from 3 on.")
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", initializer="glorot_uniform",
                                      shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs):
        kernel, bias = (tf.cast(weight, self.compute_dtype) for weight in (self.kernel, self.bias))
        return convolve_spread(inputs, spread_kernel(kernel), bias)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}
