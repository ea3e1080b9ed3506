"""Laws of Adam and of the moving average: Keras' optimiser and the definition, computed by fused kernels."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.optimizer import Adam, WeightAverage, learning_rate

SHAPES = ((4, 3), (3,), (2, 2, 3, 2))
STEPS = 6


def make_weights():
    random = np.random.default_rng(0)
    return [tf.Variable(random.normal(size=shape), dtype=tf.float32) for shape in SHAPES]


def make_gradients(step):
    """Large at odd steps, so that clipping works at some steps and not at others."""
    random = np.random.default_rng(100 + step)
    return [tf.constant(random.normal(size=shape) * (10.0 if step % 2 else 0.01), tf.float32) for shape in SHAPES]


@pytest.mark.parametrize("clip_norm", [0.0, 1.0])
@pytest.mark.parametrize("scale_loss", [False, True])
def test_adam_equals_keras(clip_norm, scale_loss):
    ours, weights = make_weights(), [keras.Variable(weight.numpy()) for weight in make_weights()]
    fused = Adam(ours, 0.01, clip_norm=clip_norm, scale_loss=scale_loss)
    plain = keras.optimizers.Adam(0.01, beta_1=0.9, beta_2=0.999, epsilon=1e-8, global_clipnorm=clip_norm or None)
    apply = tf.function(lambda gradients: fused.apply(gradients, ours))
    for step in range(STEPS):
        gradients = make_gradients(step)
        apply([gradient * fused.loss_scale for gradient in gradients])
        plain.apply(gradients, weights)
        for one, other, first in zip(ours, weights, make_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-6)
            assert np.abs(one - first).max() > 1e-3
    assert (fused.iterations, fused.skipped) == (STEPS, 0)


def test_l2_is_a_penalty_in_the_loss_and_spares_biases():
    ours, decayed = make_weights(), make_weights()
    coefficient = 0.3
    fused, by_hand = Adam(ours, 0.01, l2=coefficient), Adam(decayed, 0.01)
    for step in range(STEPS):
        gradients = make_gradients(step)
        fused.apply(gradients, ours)
        by_hand.apply([gradient + coefficient * weight if weight.shape.rank > 1 else gradient
                       for gradient, weight in zip(gradients, decayed, strict=True)], decayed)
    for one, other in zip(ours, decayed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_average_follows_the_definition():
    weights, decay = make_weights(), 0.6
    average = WeightAverage(weights, decay)
    expected = [weight.numpy().astype(np.float64) for weight in weights]
    update = tf.function(lambda step: average.update(weights, step))
    for step in range(1, 30):
        for weight, gradient in zip(weights, make_gradients(step), strict=True):
            weight.assign_add(0.1 * gradient)
        update(tf.constant(step, tf.int64))
        share = 1.0 - min(decay, step / (step + 9.0))
        expected = [(1.0 - share) * mean + share * weight.numpy()
                    for mean, weight in zip(expected, weights, strict=True)]
    for mean, wanted in zip(average.averages, expected, strict=True):
        np.testing.assert_allclose(mean, wanted, rtol=1e-4, atol=1e-5)


def test_a_cosine_rises_and_falls_and_adam_follows_it():
    """The rate at a step is the length of Adam's move there, whose gradients are all equal."""
    largest, steps = 0.01, 40
    weight = [tf.Variable(tf.zeros([2, 3]))]
    follower = Adam(weight, learning_rate("cosine", largest, steps), epsilon=0.0)
    moves = []
    for _ in range(steps + 2):
        before = weight[0].numpy()
        follower.apply([tf.ones([2, 3])], weight)
        moves.append(float((before - weight[0].numpy()).max()))
    step = np.arange(steps + 2)
    expected = np.where(step < 2, step / 2, 1.0) * largest * (1 + np.cos(np.pi * np.minimum(step / steps, 1.0))) / 2
    np.testing.assert_allclose(moves, expected, atol=1e-6)
    assert max(moves) > 0.9 * largest > 0.0 == moves[0]
    assert learning_rate("constant", largest, steps) == largest
