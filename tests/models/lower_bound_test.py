"""Laws of the terms of the lower bounds, against numpy."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models import lower_bound as bounds


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_kl_of_equals_is_zero():
    prior = bounds.standard_normal(5)
    posterior = bounds.diagonal_normal(tf.zeros([3, 5]), tf.zeros([3, 5]))
    np.testing.assert_allclose(bounds.kl_divergence(posterior, prior), np.zeros(3), atol=1e-6)
    np.testing.assert_allclose(bounds.kl_divergence(posterior, posterior), np.zeros(3), atol=1e-6)


def test_kl_equals_the_closed_form(random):
    mean, log_variance = random.normal(size=(2, 4, 5)).astype(np.float32)
    posterior = bounds.diagonal_normal(tf.constant(mean), tf.constant(log_variance))
    expected = 0.5 * np.sum(np.exp(log_variance) + mean**2 - 1.0 - log_variance, -1)
    np.testing.assert_allclose(bounds.kl_divergence(posterior, bounds.standard_normal(5)), expected, rtol=1e-5)


def test_gaussian_likelihood_equals_numpy(random):
    images, mean = random.normal(size=(2, 3, 4, 4, 3)).astype(np.float32)
    deviation = 0.3
    expected = np.sum(-0.5 * ((images - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi),
                      (1, 2, 3))
    np.testing.assert_allclose(bounds.gaussian_log_likelihood(images, mean, deviation), expected, rtol=1e-5)


def test_bernoulli_likelihood_equals_numpy_for_gates_between_too(random):
    gates = random.uniform(size=(3, 4, 4, 1)).astype(np.float32)
    gates[0] = gates[0] > 0.5
    logits = random.normal(size=gates.shape).astype(np.float32)
    probability = 1.0 / (1.0 + np.exp(-logits))
    expected = np.sum(gates * np.log(probability) + (1.0 - gates) * np.log(1.0 - probability), (1, 2, 3))
    np.testing.assert_allclose(bounds.bernoulli_log_likelihood(gates, logits), expected, rtol=1e-5)


def test_bernoulli_likelihood_is_finite_at_extreme_logits():
    gates = tf.reshape(tf.constant([0.0, 1.0, 0.0, 1.0]), [1, 2, 2, 1])
    logits = tf.reshape(tf.constant([200.0, 200.0, -200.0, -200.0]), [1, 2, 2, 1])
    np.testing.assert_allclose(bounds.bernoulli_log_likelihood(gates, logits), [-400.0], rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 4])
def test_importance_weighted_bound_of_equal_weights_is_that_weight(samples):
    # Such log-weights overflow and underflow unless they are shifted first.
    weights = np.array([-5000.0, 0.0, 3.0, 4000.0], np.float32)
    bound = bounds.importance_weighted_bound(tf.constant(np.tile(weights, (samples, 1))))
    np.testing.assert_allclose(bound, weights, rtol=1e-6, atol=1e-5)


def test_importance_weighted_bound_grows_with_the_number_of_draws(random):
    # log w ~ N(-s^2 / 2, s^2) has E[w] = 1: the bound rises from -s^2 / 2 towards 0.
    weights = random.normal(-0.5, 1.0, (16, 20_000)).astype(np.float32)
    means = []
    for count in (1, 2, 4, 16):
        groups = weights.reshape(16 // count, count, -1)
        means.append(np.mean([bounds.importance_weighted_bound(tf.constant(group)) for group in groups]))
    assert means[0] == pytest.approx(-0.5, abs=0.02)
    assert all(low + 0.05 < high for low, high in zip(means, means[1:], strict=False))
    assert means[-1] < 0.0
