"""Laws of the decoders' last convolutions: a convolution, computed as a transposed one."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.folding import FoldedNarrowConv2D
from attr2image_tf.models.narrow import NarrowConv2D


@pytest.fixture(params=[1, 3, 5])
def layer(request):
    made = NarrowConv2D(2, request.param)
    made.build([None, 5, 7, 6])
    made.bias.assign([0.5, -0.5])
    return made


@pytest.fixture
def inputs():
    # Height and width differ and are odd, so that a swap of axes or a shift by one shows.
    return tf.constant(np.random.default_rng(0).normal(size=(3, 5, 7, 6)), tf.float32)


def plain(layer, inputs):
    return tf.nn.conv2d(inputs, layer.kernel.value, 1, "SAME") + layer.bias.value


def test_values_and_gradients_equal_the_convolution(layer, inputs):
    sources = [inputs, layer.kernel.value, layer.bias.value]

    def compute(function):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = function(inputs)
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, sources)]

    for found, expected in zip(compute(layer), compute(lambda x: plain(layer, x)), strict=True):
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


def test_a_folded_layer_is_the_same_function_with_its_kernel_rotated_beforehand(layer, inputs):
    before = layer(inputs)
    called = tf.function(FoldedNarrowConv2D(layer), input_signature=[tf.TensorSpec([None, *inputs.shape[1:]])])
    np.testing.assert_allclose(called(inputs), before, atol=1e-6)
    operations = {operation.type for operation in called.get_concrete_function().graph.get_operations()}
    assert "Conv2DBackpropInput" in operations and not operations & {"ReverseV2", "Transpose"}


def test_the_layer_can_be_made_from_its_configuration(layer, inputs):
    again = NarrowConv2D.from_config(layer.get_config())
    again.build(inputs.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(inputs), layer(inputs))
