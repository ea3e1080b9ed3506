"""Laws of the energy."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from attr2image_tf.inference.energy import Energy


def pictures(seed, size=8, batch=3):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (batch, size, size, 3)), tf.float32)


OBSERVED = tf.ones([3, 8, 8, 1])


def test_the_minimum_is_the_maximum_of_the_posterior():
    """E = -sigma^2 log p(x, z | y) up to a constant, with tfp's densities."""
    sigma, size = 0.3, 5
    energy = Energy(sigma**2)
    targets = pictures(0)
    observation = tfp.distributions.Independent(tfp.distributions.Normal(targets, sigma), 3)
    prior = tfp.distributions.Independent(tfp.distributions.Normal(tf.zeros(size), 1.0), 1)
    totals, logs = [], []
    for seed in (1, 2):
        images, latents = pictures(seed), tf.random.stateless_normal([3, size], [seed, 0])
        totals.append(energy.reconstruction(images, targets, OBSERVED) + energy.regulariser(latents, OBSERVED))
        logs.append(observation.log_prob(images) + prior.log_prob(latents))
    np.testing.assert_allclose(totals[1] - totals[0], -sigma**2 * (logs[1] - logs[0]), rtol=1e-4)


def test_it_vanishes_on_equal_pictures_only_and_looks_at_observed_pixels_only():
    energy = Energy()
    images, targets = pictures(0), pictures(1)
    np.testing.assert_allclose(energy.reconstruction(images, images, OBSERVED), 0.0, atol=1e-6)
    observed = tf.constant(np.random.default_rng(2).integers(0, 2, (3, 8, 8, 1)), tf.float32)
    value = energy.reconstruction(images, targets, observed)
    assert (value.numpy() > 0).all()
    hidden = tf.where(observed > 0, targets, float("nan"))
    with tf.GradientTape() as tape:
        tape.watch(images)
        same = energy.reconstruction(images, hidden, observed)
    np.testing.assert_array_equal(same, value)
    gradient = tape.gradient(same, images).numpy()
    assert np.isfinite(gradient).all() and (gradient[observed.numpy()[..., 0] == 0] == 0).all()


def test_weights_weight():
    energy = Energy()
    images, targets = pictures(0), pictures(1)
    once, thrice = (energy.reconstruction(images, targets, weight * OBSERVED) for weight in (1.0, 3.0))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-6)


def test_with_nothing_hidden_lambda_is_the_variance_and_it_rises_with_what_is_hidden():
    energy = Energy(0.3, tempering=44.0)
    observed = np.ones((4, 8, 8, 1), np.float32)
    observed[1] *= 3.0
    observed[2, :4, :4] = 0.0
    observed[3, :4] = 0.0
    np.testing.assert_allclose(energy.weights(observed), 0.3 * np.array([1.0, 1.0, 12.0, 23.0]), rtol=1e-6)
    points = tf.ones([4, 6])
    np.testing.assert_array_equal(energy.regulariser(points, observed)[:2],
                                  Energy(0.3, tempering=0.0).regulariser(points, observed)[:2])
    with pytest.raises(ValueError, match="tempering=-1: expected a number of at least 0"):
        Energy(0.3, tempering=-1)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan")])
def test_a_variance_that_is_none_is_refused(variance):
    with pytest.raises(ValueError, match="observation_variance=.*above 0"):
        Energy(variance)
