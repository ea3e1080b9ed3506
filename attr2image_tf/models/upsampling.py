"""UpsampleConv2D: nearest upsampling by 2 and a k x k convolution, in ways that cost less than that."""

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf.models.narrow import rotated_kernel


def polyphase_kernels(kernel):
    """The four kernels [m, n, C, D] that `convolve_polyphase` takes, of a convolution's kernel [k, k, C, D].

    In a picture whose pixels were spread apart with zeros between, these are the parts of the kernel that do not meet
    zeros: at even rows and even columns, even rows and odd columns, odd and even, odd and odd.
    """
    size = kernel.shape[0]
    # Gathered whole, which copies memory; slices with steps go value by value.
    places, pairs = np.arange(size**2).reshape([size, size]), tf.reshape(kernel, [size**2, *kernel.shape[2:]])
    even = (size - 1) // 2 % 2
    parts = [places[row::2, column::2] for row in (even, 1 - even) for column in (even, 1 - even)]
    return [tf.gather(pairs, part) for part in parts]


def convolve_polyphase(inputs, even_even, even_odd, odd_even, odd_odd, bias):
    """The upsampled convolution [B, 2H, 2W, D] from inputs [B, H, W, C], its `polyphase_kernels` and a bias [D].

    Repeating every pixel is spreading them apart with zeros between, then summing over 2 x 2. Sum and convolution may
    change places, and the convolution of the spread picture is four of the small one, of which each sum has one value.
    """
    def convolve(kernel):
        # Odd rows and columns are one more than even ones.
        rows, columns = kernel.shape[0] // 2, kernel.shape[1] // 2
        return tf.nn.conv2d(inputs, kernel, 1, [[0, 0], [rows, rows], [columns, columns], [0, 0]])

    # The bias goes where it costs nothing.
    even_rows = _sum_neighbours(tf.nn.bias_add(convolve(even_even), bias), convolve(odd_even), axis=1)
    return _sum_neighbours(even_rows, _sum_neighbours(convolve(even_odd), convolve(odd_odd), axis=1), axis=2)


def _sum_neighbours(even, odd, axis):
    """The 2 n sums of neighbours along an axis on which n + 1 odd ones and n even ones between them take turns."""
    skip, shape = (slice(None),) * axis, even.shape.as_list()
    # Not stacked: XNNPACK, which computes LiteRT files, would have to stop for that.
    sums = tf.concat([even + odd[(*skip, slice(start, start + shape[axis]))] for start in (0, 1)], axis + 1)
    shape[axis] *= 2
    return tf.reshape(sums, [-1, *shape[1:]])


def transposed_kernel(kernel):
    """The kernel [k, k, D, C] of the transposed convolution whose average over 2 x 2 is the upsampled convolution."""
    return 4.0 * rotated_kernel(kernel)


def convolve_upsampled(inputs, *weights):
    """`convolve_polyphase` with gradients that cost less than those of its parts.

    Spreading and convolving are a transposed convolution of stride 2. Its gradients are a convolution of stride 2 and
    one for the kernel, without slices and sums.

    Args:
        inputs: [B, H, W, C].
        weights: the `polyphase_kernels`, the `transposed_kernel`, which is the one that gets the gradient, and the bias
            [D].
    """
    # Tensors: variables that the function below reads would want gradients of their own.
    *polyphase, transposed, bias = map(tf.convert_to_tensor, weights)

    @tf.custom_gradient
    def compute(inputs, transposed, bias):
        def gradient(upstream):
            batch, height, width = tf.shape(inputs)[0], inputs.shape[1], inputs.shape[2]
            # Padded here and not by the convolutions: oneDNN takes a kernel's gradient without explicit padding only,
            # and what TensorFlow computes instead takes 25 times as long in bfloat16.
            border = (transposed.shape[0] - 1) // 2 - 1
            padded = tf.pad(upstream, [[0, 0], [border, border], [border, border], [0, 0]]) if border else upstream
            # A pixel more at the top and the left than the picture has, which the sum takes away again.
            summed = tf.raw_ops.AvgPoolGrad(
                orig_input_shape=[batch, 2 * (height + border) + 1, 2 * (width + border) + 1, transposed.shape[2]],
                grad=padded, ksize=[1, 2, 2, 1], strides=[1, 1, 1, 1], padding="VALID")
            return (tf.nn.conv2d(summed, transposed, 2, "VALID"),
                    tf.compat.v1.nn.conv2d_backprop_filter(summed, transposed.shape, inputs, [1, 2, 2, 1], "VALID"),
                    tf.reduce_sum(upstream, [0, 1, 2]))

        return convolve_polyphase(inputs, *polyphase, bias), gradient

    return compute(inputs, transposed, bias)


class UpsampleConv2D(keras.layers.Layer):
    """Nearest upsampling by 2 followed by a "same" k x k convolution, without convolving the large picture.

    `convolve_upsampled` takes k^2 multiply-adds for each small pixel instead of 4 k^2, and equals the plain form up to
    rounding, in values and gradients, zero padding included.

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
        return convolve_upsampled(inputs, *polyphase_kernels(kernel), transposed_kernel(kernel), bias)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}
