"""NarrowConv2D: a convolution to few channels, computed as a transposed one."""

import keras
import tensorflow as tf


class NarrowConv2D(keras.layers.Conv2D):
    """A "same" convolution with stride 1, for fewer channels of output than of input.

    A convolution on a CPU is a matrix product with the k^2 inputs around each pixel, which are copied side by side for
    it. Of a picture with many channels that copy is large and the product, of a few columns, slow; backward too. A
    transposed convolution of stride 1 with the kernel turned by half is the same function and lays out the few channels
    of its output instead.

    Args:
        filters: int. Output channels.
        kernel_size: int, odd.

    Call input: [B, H, W, C]. Output: [B, H, W, filters].
    """

    def __init__(self, filters, kernel_size, **kwargs):
        super().__init__(filters, kernel_size, padding="same", **kwargs)

    def convolution_op(self, inputs, kernel):
        turned = tf.transpose(tf.reverse(tf.convert_to_tensor(kernel), [0, 1]), [0, 1, 3, 2])
        shape = [tf.shape(inputs)[0], inputs.shape[1], inputs.shape[2], turned.shape[2]]
        return tf.nn.conv2d_transpose(inputs, turned, shape, 1, "SAME")
