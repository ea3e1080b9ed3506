"""Laws of UpsampleConv2D: it is nearest upsampling and a convolution, computed otherwise."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.upsampling import UpsampleConv2D


def plain(inputs, kernel, bias):
    """The definition: repeat every pixel, then convolve the large picture."""
    large = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
    return tf.nn.conv2d(large, kernel, 1, "SAME") + bias


@pytest.fixture(params=[1, 3, 5, 7])
def case(request):
    random = np.random.default_rng(request.param)
    # Height and width differ and are odd, so that a swap of axes or a shift by one shows.
    inputs = tf.constant(random.normal(size=(2, 5, 7, 3)), tf.float32)
    layer = UpsampleConv2D(4, request.param)
    layer(inputs)
    layer.bias.assign(random.normal(size=4))
    return layer, inputs, tf.constant(random.normal(size=(2, 10, 14, 4)), tf.float32)


def test_values_equal_the_plain_form(case):
    layer, inputs, _ = case
    outputs = layer(inputs)
    assert outputs.shape == (2, 10, 14, 4)
    np.testing.assert_allclose(outputs, plain(inputs, layer.kernel.value, layer.bias.value), atol=1e-5)


def test_gradients_equal_the_plain_form(case):
    layer, inputs, cotangent = case
    sources = [inputs, layer.kernel.value, layer.bias.value]

    def gradients(function):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = function()
        return tape.gradient(outputs, sources, cotangent)

    expected = gradients(lambda: plain(*sources))
    for gradient, plain_gradient in zip(gradients(lambda: layer(inputs)), expected, strict=True):
        assert np.abs(plain_gradient).max() > 0.1
        np.testing.assert_allclose(gradient, plain_gradient, atol=1e-4)


@pytest.mark.parametrize("kernel_size", [2, 4])
def test_even_kernels_are_refused(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size}.*odd"):
        UpsampleConv2D(4, kernel_size)
