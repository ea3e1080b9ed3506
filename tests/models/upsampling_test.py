"""Laws of upsampled convolutions: nearest upsampling and a convolution, computed otherwise in two ways."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.upsampling import (
    UpsampleConv2D,
    convolve_polyphase,
    convolve_upsampled,
    polyphase_kernels,
    transposed_kernel,
)
from tests.models.plain import convolve_transposed


def plain(inputs, kernel, bias):
    """The definition: repeat every pixel, then convolve the large picture."""
    large = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
    return tf.nn.conv2d(large, kernel, 1, "SAME") + bias


def polyphase(inputs, kernel, bias):
    return convolve_polyphase(inputs, *polyphase_kernels(kernel), bias)


def transposed(inputs, kernel, bias):
    """What benchmarks compare with."""
    return convolve_transposed(inputs, transposed_kernel(kernel), bias)


def upsampled(inputs, kernel, bias):
    return convolve_upsampled(inputs, *polyphase_kernels(kernel), transposed_kernel(kernel), bias)


@pytest.fixture(params=[3, 5, 7])
def case(request):
    """Inputs, kernel, bias, and a cotangent of the outputs."""
    random = np.random.default_rng(request.param)
    # Height and width differ and are odd, so that a swap of axes or a shift by one shows.
    shapes = ((2, 5, 7, 3), (request.param, request.param, 3, 4), (4,), (2, 10, 14, 4))
    return [tf.constant(random.normal(size=shape), tf.float32) for shape in shapes]


@pytest.mark.parametrize("form", [polyphase, transposed, upsampled])
def test_values_equal_the_plain_form(case, form):
    inputs, kernel, bias, cotangent = case
    outputs = form(inputs, kernel, bias)
    assert outputs.shape == cotangent.shape
    np.testing.assert_allclose(outputs, plain(inputs, kernel, bias), rtol=1e-5, atol=2e-5)


def compute_gradients(function, sources, cotangent):
    with tf.GradientTape() as tape:
        tape.watch(sources)
        outputs = function(*sources)
    return tape.gradient(outputs, sources, cotangent)


@pytest.mark.parametrize("form", [polyphase, transposed, upsampled])
def test_gradients_equal_the_plain_form(case, form):
    *sources, cotangent = case
    found, expected = (compute_gradients(function, sources, cotangent) for function in (form, plain))
    for one, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 0.1
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_gradients_in_half_precision(case, dtype):
    *sources, cotangent = case
    expected = compute_gradients(plain, sources, cotangent)
    found = compute_gradients(upsampled, [tf.cast(each, dtype) for each in sources], tf.cast(cotangent, dtype))
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == dtype
        # Of bfloat16's eight bits, after sums of up to hundreds of terms.
        np.testing.assert_allclose(tf.cast(one, tf.float32), other, atol=0.03 * np.abs(other).max())


def test_no_gradient_has_explicit_padding(case):
    """oneDNN does not take a kernel's gradient with it."""
    *sources, cotangent = case
    graph = tf.function(lambda: compute_gradients(upsampled, sources, cotangent)).get_concrete_function().graph
    paddings = {each.type: each.get_attr("padding") for each in graph.get_operations()
                if each.type in ("Conv2DBackpropFilter", "Conv2DBackpropInput")}
    assert paddings == {"Conv2DBackpropFilter": b"VALID"}


def test_kernels_may_be_variables(case):
    inputs, kernel, bias, cotangent = case
    weights = [tf.Variable(each) for each in (*polyphase_kernels(kernel), transposed_kernel(kernel), bias)]
    with tf.GradientTape() as tape:
        outputs = convolve_upsampled(inputs, *weights)
    *phases, whole, offset = tape.gradient(outputs, weights, cotangent)
    # All of the kernel's gradient goes to one of its forms.
    assert phases == [None] * 4 and np.abs(whole).max() > 0.1 and np.abs(offset).max() > 0.1


def test_the_layer_takes_any_batch():
    layer = UpsampleConv2D(4, 5)
    inputs = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    called = tf.function(layer, input_signature=[tf.TensorSpec([None, 4, 4, 2])])
    outputs = called(inputs)
    np.testing.assert_allclose(outputs, plain(inputs, layer.kernel.value, layer.bias.value), atol=1e-5)
    np.testing.assert_allclose(called(inputs[:1]), outputs[:1], atol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 2, 4])
def test_even_kernels_are_refused(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size={kernel_size}.*odd"):
        UpsampleConv2D(4, kernel_size)
