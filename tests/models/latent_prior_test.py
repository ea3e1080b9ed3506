"""p(z | y): laws of the fitted priors."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from attr2image_tf.config import PRIORS, ConfigError, FittingConfig
from attr2image_tf.models import lower_bound as bounds
from attr2image_tf.models.latent_prior import LatentBlock, LatentPrior
from attr2image_tf.models.prior_fitting import Posteriors, calibrate, fit, mean_kl_divergence

ATTRIBUTES = 3
BLOCKS = {"one": [LatentBlock(5)], "without attributes": [LatentBlock(5, attributes=False)],
          "layers": [LatentBlock(3), LatentBlock(2, attributes=False)],
          "joint": [LatentBlock(3), LatentBlock(2, earlier=True)]}
QUICK = FittingConfig(steps=60, checked=20, batch_size=64, ridge=0.0)


# Training a flow takes seconds; these two have all kinds of blocks.
FLOWS = ("layers", "joint")
KINDS = [(kind, name) for kind in PRIORS for name in BLOCKS if kind != "flow" or name in FLOWS]


def posteriors(count=400, seed=0):
    """Posteriors whose means follow the attributes, bent, in latents that go together."""
    random = np.random.default_rng(seed)
    attributes = random.normal(size=(count, ATTRIBUTES))
    means = attributes @ np.random.default_rng(7).normal(size=(ATTRIBUTES, 5)) + random.normal(size=(count, 5))
    means[:, 4] += means[:, 0] - 1.5
    means[:, 1] = np.abs(means[:, 1])
    return Posteriors(*(part.astype(np.float32) for part in (
        means, random.uniform(0.1, 0.6, (count, 5)), attributes)))


def make(kind, name):
    return LatentPrior(kind, BLOCKS[name], ATTRIBUTES, couplings=3, hidden=8)


def noise(count=6, seed=3):
    return np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    """Fitted priors by kind and blocks."""
    made = {}
    for key in KINDS:
        made[key] = make(*key)
        fit(made[key], posteriors(), posteriors(seed=1), QUICK, progress=lambda line: None)
    return made


@pytest.mark.parametrize("key", KINDS)
def test_before_it_is_fitted_it_is_the_standard_normal(key):
    prior = make(*key)
    latents = noise()
    np.testing.assert_array_equal(prior.latents(latents, latents[:, :3]), latents)
    np.testing.assert_allclose(prior.log_prob(latents, latents[:, :3]), bounds.standard_normal(5).log_prob(latents),
                               rtol=1e-6)


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.slow
def test_noise_and_latents_are_inverse(fitted, key):
    attributes = posteriors().attributes[:6]
    latents = fitted[key].latents(noise(), attributes)
    np.testing.assert_allclose(fitted[key].noise(latents, attributes), noise(), atol=2e-4)


@pytest.mark.parametrize("key", [key for key in KINDS if key[0] != "standard"])
@pytest.mark.slow
def test_density_is_that_of_the_drawn_latents(fitted, key):
    # log p(z) = log N(e; 0, I) - log |dz / de|, the Jacobian taken by differentiation.
    attributes, prior = posteriors().attributes[:1], fitted[key]
    point = tf.constant(noise(1))
    with tf.GradientTape() as tape:
        tape.watch(point)
        latents = prior.latents(point, attributes)
    jacobian = tape.jacobian(latents, point)[0, :, 0]
    expected = bounds.standard_normal(5).log_prob(point) - tf.linalg.slogdet(jacobian)[1]
    np.testing.assert_allclose(prior.log_prob(latents, attributes), expected, atol=2e-3)


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.slow
def test_each_kind_is_nearer_to_the_posteriors_of_other_pictures(fitted, name):
    held_out = posteriors(seed=2)
    standard, gaussian, flow = (mean_kl_divergence(fitted[kind, name], held_out) for kind in PRIORS)
    assert gaussian < standard - 1.0 and flow < gaussian + 0.05


def test_gaussian_is_the_maximum_of_the_bound():
    prior = LatentPrior("gaussian", BLOCKS["one"], ATTRIBUTES)
    data = posteriors()
    fit(prior, data, data, QUICK)

    def bound():
        """E_q[log p(z | y)], exactly."""
        part = prior.parts[0]
        factor = tf.linalg.inv(part.factor)
        residual = data.means - part.shift - data.attributes @ part.weight
        variance = tf.matmul(factor, tf.matmul(tf.linalg.diag(data.deviations**2), factor, transpose_b=True))
        normal = tfp.distributions.MultivariateNormalTriL(scale_tril=part.factor)
        return float(tf.reduce_mean(normal.log_prob(residual) - 0.5 * tf.linalg.trace(variance)))

    best = bound()
    random = np.random.default_rng(0)
    for variable in prior.variables:
        for _ in range(3):
            before = variable.numpy()
            step = 0.02 * random.normal(size=variable.shape)
            variable.assign(before + (np.tril(step) if variable.shape == (5, 5) else step))
            assert bound() < best
            variable.assign(before)


def test_joint_block_follows_the_latents_before_it():
    blocks = BLOCKS["joint"]
    data = posteriors(4000)
    joint, one = LatentPrior("gaussian", blocks, ATTRIBUTES), LatentPrior("gaussian", BLOCKS["one"], ATTRIBUTES)
    for prior in (joint, one):
        fit(prior, data, data, QUICK)
    # The chain rule: p(z_1, z_2 | y) = p(z_1 | y) p(z_2 | y, z_1) is the same normal.
    latents = one.latents(noise(), data.attributes[:6])
    np.testing.assert_allclose(joint.log_prob(latents, data.attributes[:6]),
                               one.log_prob(latents, data.attributes[:6]), atol=5e-3)


@pytest.mark.slow
def test_a_background_without_attributes_does_not_see_them(fitted):
    for kind in PRIORS:
        prior = fitted[kind, "layers"]
        first, second = (prior.latents(noise(), np.full([6, 3], value, np.float32)) for value in (0.0, 2.0))
        np.testing.assert_array_equal(first[:, 3:], second[:, 3:])


@pytest.mark.slow
def test_the_same_seed_fits_the_same(fitted):
    again = make("flow", "layers")
    fit(again, posteriors(), posteriors(seed=1), QUICK)
    for first, second in zip(again.variables, fitted["flow", "layers"].variables, strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.parametrize("key", KINDS)
@pytest.mark.slow
def test_a_saved_prior_comes_back(fitted, key, tmp_path):
    fitted[key].save(tmp_path / "prior.npz", step=7)
    loaded, about = LatentPrior.load(tmp_path / "prior.npz")
    assert about["step"] == 7 and loaded.kind == key[0] and loaded.blocks == tuple(BLOCKS[key[1]])
    attributes = posteriors().attributes[:6]
    np.testing.assert_array_equal(loaded.latents(noise(), attributes), fitted[key].latents(noise(), attributes))


@pytest.mark.slow
def test_calibration_is_worth_something_to_people_who_took_no_part():
    few, others, third = posteriors(40), posteriors(300, seed=1), posteriors(300, seed=2)
    prior = make("flow", "layers")
    fit(prior, few, few, dataclasses.replace(QUICK, calibrated=False), progress=lambda line: None)
    before = mean_kl_divergence(prior, third)
    calibrate(prior, others)
    assert mean_kl_divergence(prior, third) < before - 0.3
    # And nothing is made of it where nothing is to be had.
    told = make("flow", "layers")
    standard = Posteriors(np.zeros([2000, 5], np.float32), np.ones([2000, 5], np.float32), posteriors(2000).attributes)
    calibrate(told, standard)
    for part in told.parts:
        np.testing.assert_allclose(part.spread, np.eye(part.block.size), atol=0.04)
        np.testing.assert_allclose(part.centre, 0.0, atol=0.04)


@pytest.mark.slow
def test_a_folded_calibration_is_the_same_function(fitted):
    prior, attributes = copied(fitted["flow", "joint"]), posteriors().attributes[:6]
    assert any(not np.array_equal(part.spread, np.eye(part.block.size)) for part in prior.parts)
    before = prior.latents(noise(), attributes), prior.log_prob(noise(), attributes)
    prior.fold()
    np.testing.assert_allclose(prior.latents(noise(), attributes), before[0], atol=1e-4)
    np.testing.assert_allclose(prior.log_prob(noise(), attributes), before[1], atol=1e-3)


def copied(prior):
    made = make(prior.kind, next(name for name, blocks in BLOCKS.items() if tuple(blocks) == prior.blocks))
    made.assign(prior)
    return made


@pytest.mark.slow
def test_a_file_from_before_calibration_loads(fitted, tmp_path):
    prior, attributes = make("flow", "layers"), posteriors().attributes[:6]
    fit(prior, posteriors(60), posteriors(60), dataclasses.replace(QUICK, calibrated=False))
    prior.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as file:
        about = json.loads(str(file["about"])) | {"version": 1}
        kept = [file[f"variable_{index}"] for index, variable in enumerate(prior.variables)
                if "calibration" not in variable.name]
    assert len(kept) == len(prior.variables) - 4
    np.savez(tmp_path / "old.npz", about=np.array(json.dumps(about)),
             **{f"variable_{index}": value for index, value in enumerate(kept)})
    old, _ = LatentPrior.load(tmp_path / "old.npz")
    np.testing.assert_array_equal(old.latents(noise(), attributes), prior.latents(noise(), attributes))


def test_a_damaged_or_newer_file_is_refused(tmp_path):
    (tmp_path / "prior.npz").write_bytes(b"PK nothing")
    with pytest.raises(ConfigError, match="cannot be read as a prior"):
        LatentPrior.load(tmp_path / "prior.npz")
    LatentPrior("standard", BLOCKS["one"], ATTRIBUTES).save(tmp_path / "new.npz", version=3)
    about = {"version": 3}
    np.savez(tmp_path / "new.npz", about=np.array(str(about).replace("'", '"')))
    with pytest.raises(ConfigError, match="version 3"):
        LatentPrior.load(tmp_path / "new.npz")


def test_latents_that_say_nothing_keep_the_standard_normal():
    quiet = Posteriors(np.zeros([100, 5], np.float32), np.ones([100, 5], np.float32),
                       posteriors(100).attributes)
    prior = LatentPrior("gaussian", BLOCKS["layers"], ATTRIBUTES)
    fit(prior, quiet, quiet, QUICK)
    np.testing.assert_allclose(prior.latents(noise(), quiet.attributes[:6]), noise(), atol=1e-5)
