"""Laws of BatchNormalization: it is Keras' layer, computed by one fused kernel."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.normalization import BatchNormalization

STATISTICS = ("moving_mean", "moving_variance")


@pytest.fixture
def pair():
    """Ours and Keras' with equal weights, and batches whose channels differ in mean and scale."""
    random = np.random.default_rng(0)
    layers = BatchNormalization(momentum=0.9, epsilon=1e-3), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-3)
    for layer in layers:
        layer.build((None, 4, 6, 5))
    for name in ("gamma", "beta", *STATISTICS):
        value = random.uniform(0.5, 1.5, 5)
        for layer in layers:
            getattr(layer, name).assign(value)
    batches = [tf.constant(random.normal(size=(3, 4, 6, 5)) * [1, 2, 0.5, 1, 3] + [0, 1, -2, 5, 0], tf.float32)
               for _ in range(3)]
    return *layers, batches


def test_values_and_moving_statistics_equal_keras(pair):
    ours, plain, batches = pair
    for batch in batches:
        before = ours.moving_mean.numpy()
        np.testing.assert_allclose(ours(batch, training=True), plain(batch, training=True), atol=1e-5)
        assert np.abs(ours.moving_mean.numpy() - before).min() > 1e-4
        for name in STATISTICS:
            np.testing.assert_allclose(getattr(ours, name), getattr(plain, name), rtol=1e-5, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(ours(batches[0]), plain(batches[0], training=False), atol=1e-5)


def test_gradients_equal_keras(pair):
    ours, plain, (batch, cotangent, _) = pair

    def gradients(layer):
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = layer(batch, training=True)
        return tape.gradient(outputs, [batch, layer.gamma.value, layer.beta.value], cotangent)

    for gradient, expected in zip(gradients(ours), gradients(plain), strict=True):
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)
