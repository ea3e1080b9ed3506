"""Laws of the energy."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from attr2image_tf.config import ConfigError
from attr2image_tf.inference.energy import Energy, EnergyConfig


def pictures(seed, size=8, batch=3):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, (batch, size, size, 3)), tf.float32)


OBSERVED = tf.ones([3, 8, 8, 1])


def test_the_minimum_is_the_maximum_of_the_posterior():
    """E = -sigma^2 log p(x, z | y) up to a constant, with tfp's densities."""
    sigma, size = 0.3, 5
    energy = Energy(EnergyConfig(observation_variance=sigma**2))
    targets = pictures(0)
    observation = tfp.distributions.Independent(tfp.distributions.Normal(targets, sigma), 3)
    prior = tfp.distributions.Independent(tfp.distributions.Normal(tf.zeros(size), 1.0), 1)
    totals, logs = [], []
    for seed in (1, 2):
        images, latents = pictures(seed), tf.random.stateless_normal([3, size], [seed, 0])
        totals.append(energy.reconstruction(images, targets, OBSERVED)
                      + energy.prior_weight * energy.regulariser(latents))
        logs.append(observation.log_prob(images) + prior.log_prob(latents))
    np.testing.assert_allclose(totals[1] - totals[0], -sigma**2 * (logs[1] - logs[0]), rtol=1e-4)


def test_a_given_prior_replaces_the_normal_one():
    prior = tfp.distributions.Independent(tfp.distributions.Laplace(tf.zeros(4), 2.0), 1)
    latents = tf.random.stateless_normal([3, 4], [0, 0])
    energy = Energy(EnergyConfig(), prior)
    np.testing.assert_allclose(energy.regulariser(latents), -prior.log_prob(latents))


def test_an_explicit_prior_weight_counts():
    assert Energy(EnergyConfig(observation_variance=0.25)).prior_weight == 0.25
    assert Energy(EnergyConfig(observation_variance=0.25, prior_weight=0.0)).prior_weight == 0.0


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
@pytest.mark.parametrize("scales", [0.0, 0.5])
def test_losses_vanish_on_equal_pictures_only_and_look_at_observed_pixels_only(loss, scales):
    energy = Energy(EnergyConfig(loss=loss, multi_scale_weight=scales))
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


@pytest.mark.parametrize("loss, expected", [("squared", 0.5 * 0.6**2), ("absolute", 0.6), ("huber", 0.1 * 0.55)])
def test_losses_of_one_residual(loss, expected):
    energy = Energy(EnergyConfig(loss=loss, huber_width=0.1))
    value = energy.reconstruction(tf.fill([1, 1, 1, 1], 0.4), tf.fill([1, 1, 1, 1], -0.2), tf.ones([1, 1, 1, 1]))
    np.testing.assert_allclose(value, [expected], atol=1e-3)


def test_weights_weight():
    energy = Energy(EnergyConfig())
    images, targets = pictures(0), pictures(1)
    once, thrice = (energy.reconstruction(images, targets, weight * OBSERVED) for weight in (1.0, 3.0))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-6)


def test_scales_count_a_plain_residual_once_each_and_see_displaced_structure_better():
    plain, scales = Energy(EnergyConfig()), Energy(EnergyConfig(multi_scale_weight=1.0, multi_scale_levels=2))
    shift = tf.fill([1, 8, 8, 3], 0.2)
    once, all_scales = (energy.reconstruction(shift, 0 * shift, OBSERVED[:1]) for energy in (plain, scales))
    np.testing.assert_allclose(all_scales, 3 * once, rtol=1e-5)
    checks = tf.constant((-1.0) ** np.indices((8, 8)).sum(0)[None, :, :, None] * np.ones(3), tf.float32)
    once, all_scales = (energy.reconstruction(checks, 0 * checks, OBSERVED[:1]) for energy in (plain, scales))
    np.testing.assert_allclose(all_scales, once, rtol=1e-5)


def test_configuration_round_trips_and_is_checked():
    config = EnergyConfig(0.04, loss="huber", multi_scale_weight=0.5)
    assert EnergyConfig.from_json(config.to_json()) == config
    with pytest.raises(ConfigError, match="loss='cubic'"):
        EnergyConfig(loss="cubic")
    with pytest.raises(ConfigError, match="observation_variance"):
        EnergyConfig(observation_variance=0.0)
