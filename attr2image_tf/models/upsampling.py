"""UpsampleConv2D: nearest upsampling by 2 and a k x k convolution, in ways that cost less than that."""

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf.models.narrow import turned_kernel


def fold_matrix(kernel_size: int) -> np.ndarray:
    """Which columns of a kernel fall on which low-resolution column, by phase.

    Column 2j + b of the output reads columns 2j + b - r ... 2j + b + r of the upsampled picture, r = (k - 1) / 2, which
    are repeats of the low-resolution columns floor((b + t - r) / 2) + j for t = 0 ... k - 1.

    Returns:
        float32 [2, n, k] of zeros and ones: phase b, low-resolution column (n = 3 for k = 3 and k = 5), kernel column.
    """
    radius = (kernel_size - 1) // 2
    reach = (radius + 1) // 2
    matrix = np.zeros((2, 2 * reach + 1, kernel_size), np.float32)
    for phase in range(2):
        for column in range(kernel_size):
            matrix[phase, (phase + column - radius) // 2 + reach, column] = 1.0
    return matrix


def row_kernels(kernel):
    """The kernels [m, n, C, 2 D] that `convolve_rows` takes, of even and of odd rows, of a kernel [k, k, C, D]."""
    size, _, inputs, outputs = kernel.shape
    wide = tf.einsum("bqj,ijcd->iqcbd", tf.constant(fold_matrix(size), kernel.dtype), kernel)
    wide = tf.reshape(wide, [size, -1, inputs, 2 * outputs])
    first_even = (size - 1) // 2 % 2
    return wide[first_even::2], wide[1 - first_even::2]


def convolve_rows(inputs, even, odd, bias):
    """The upsampled convolution [B, 2H, 2W, D] from inputs [B, H, W, C], its `row_kernels` and a bias [D].

    Columns are repeated inside of the kernels, which give two of them as channels. Rows are spread apart and summed, as
    in `convolve_spread`: in the convolution of the spread picture every other kernel row meets zeros only, one half of
    them at even rows and the other at odd ones, and the sum of two neighbours has a row of each kind.
    """
    height, width, channels = inputs.shape[1], inputs.shape[2], bias.shape[0]
    # Every sum has one even row, so that the bias may go here, where it costs nothing.
    evens = tf.nn.bias_add(tf.nn.conv2d(inputs, even, 1, "SAME"), tf.tile(bias, [2]))
    rows, columns = odd.shape[0] // 2, odd.shape[1] // 2
    # One row more than the picture has.
    odds = tf.nn.conv2d(inputs, odd, 1, [[0, 0], [rows, rows], [columns, columns], [0, 0]])
    return tf.reshape(tf.stack([evens + odds[:, :-1], evens + odds[:, 1:]], 2), [-1, 2 * height, 2 * width, channels])


def spread_kernel(kernel):
    """The kernel [k, k, D, C] that `convolve_spread` takes, of a convolution's kernel [k, k, C, D]."""
    return 4.0 * turned_kernel(kernel)


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

    `convolve_spread` takes k^2 multiply-adds for each small pixel instead of 4 k^2, `convolve_rows` 30 for k = 5. Both
    equal the plain form up to rounding, in values and gradients, zero padding included. The first is the faster one
    where gradients are needed, and so the layer's own; the second without them, in networks that only draw.

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
