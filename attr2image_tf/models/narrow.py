"""NarrowConv2D: a convolution to few channels, computed as a transposed one."""

import keras
import tensorflow as tf


def rotated_kernel(kernel):
    """The kernel [k, k, D, C] of the transposed convolution, of a convolution's kernel [k, k, C, D]."""
    return tf.transpose(tf.reverse(tf.convert_to_tensor(kernel), [0, 1]), [0, 1, 3, 2])


def convolve_narrow(inputs, kernel):
    """The "same" convolution [B, H, W, D] of inputs [B, H, W, C] from its `rotated_kernel`."""
    shape = [tf.shape(inputs)[0], inputs.shape[1], inputs.shape[2], kernel.shape[2]]
    return tf.nn.conv2d_transpose(inputs, kernel, shape, 1, "SAME")


class NarrowConv2D(keras.layers.Conv2D):
    """A "same" convolution with stride 1, for fewer channels of output than of input.

    On a CPU without oneDNN a convolution is a matrix product with the k^2 inputs around each pixel, which are copied
    side by side for it. Of a picture with many channels that copy is large and the product, of a few columns, slow;
    backward too. A transposed convolution of stride 1 with the kernel rotated by 180 degrees is the same function and
    lays out the few channels of its output instead.

    Args:
        filters: int. Output channels.
        kernel_size: int, odd.

    Call input: [B, H, W, C]. Output: [B, H, W, filters].
    """

    def __init__(self, filters, kernel_size, *, name=None, dtype=None, trainable=True):
        super().__init__(filters, kernel_size, padding="same", name=name, dtype=dtype, trainable=trainable)

    def convolution_op(self, inputs, kernel):
        return convolve_narrow(inputs, rotated_kernel(kernel))

    def get_config(self):
        # Of a convolution's many options these are all that the layer has.
        return {**keras.layers.Layer.get_config(self), "filters": self.filters, "kernel_size": self.kernel_size[0]}
