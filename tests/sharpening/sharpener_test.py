"""Laws of sharpening, over all models: what a step changes, what it leaves, and what each term measures."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import ConfigError, RunConfig, SharpeningConfig
from attr2image_tf.models import randomness
from attr2image_tf.sharpening import Sharpener
from attr2image_tf.sharpening.discriminator import Discriminator
from attr2image_tf.sharpening.expected import ExpectedScores
from attr2image_tf.sharpening.sharpener import Triple
from attr2image_tf.sharpening.varying import vary
from tests.conformance_test import COVERED, make_batch
from tests.tiny import make_model

pytestmark = pytest.mark.slow

TUNING = SharpeningConfig(source="run", source_step=1, attribute_weight=0.0, change_weight=0.0,
                          discriminator_width=1 / 16)
ALONE = dict.fromkeys(("reconstruction_weight", "patch_weight", "global_weight", "feature_weight"), 0.0)


def make_sharpener(name="cvae", network=None, **changes):
    model = make_model(name)
    config = RunConfig(dataset="emblems", model=model.config, batch_size=4, l2=0.0,
                       sharpening=dataclasses.replace(TUNING, **changes))
    return Sharpener(model, config, 100, network)


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def step(sharpener, batch, times=1):
    run = tf.function(sharpener.training_step)
    for _ in range(times):
        terms = run(batch)
    return {name: float(term) for name, term in terms.items()}


@pytest.mark.parametrize("name, background", [*((name, False) for name in COVERED), ("discvae", True)])
def test_a_step_changes_the_decoders_and_nothing_else(name, background):
    sharpener = make_sharpener(name, background=background)
    model = sharpener.model
    # Of the layered model's two only the foreground's, unless the other is asked for.
    tuned = model.decoders if background else model.decoders[:1]
    inside = {id(variable) for decoder in tuned for variable in decoder.trainable_variables}
    before = values(model.variables)
    terms = step(sharpener, make_batch())
    assert terms["count"] == 4 and set(terms) == {*sharpener.terms, "count"} and all(map(np.isfinite, terms.values()))
    changed = [id(variable) in inside for variable, old in zip(model.variables, before, strict=True)
               if not np.array_equal(variable.numpy(), old)]
    assert changed and all(changed)
    # All that decode reads is trained, or fixed statistics.
    assert sum(changed) >= 0.9 * len(inside)


def test_the_same_seed_gives_the_same_steps():
    first, second = make_sharpener(), make_sharpener()
    assert step(first, make_batch(), 3) == step(second, make_batch(), 3)
    for one, other in zip(values(first.model.variables), values(second.model.variables), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted():
    sharpener = make_sharpener()
    batch = make_batch()
    batch["image"] = tf.where(tf.range(4)[:, tf.newaxis, tf.newaxis, tf.newaxis] == 1, np.nan, batch["image"])
    before = values([*sharpener.model.variables, *sharpener.discriminator.variables])
    step(sharpener, batch)
    after = values([*sharpener.model.variables, *sharpener.discriminator.variables])
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(new, old)
    assert (int(sharpener.skipped), int(sharpener.iterations)) == (1, 1)


@pytest.mark.parametrize("name", COVERED)
def test_reconstruction_alone_is_the_bounds_own_terms_and_falls(name):
    sharpener = make_sharpener(name, **ALONE | {"reconstruction_weight": 1.0})
    batch = make_batch()
    # What the bound says of the same latents, which the first step draws, before it changes anything.
    model, seed = sharpener.model, randomness.split_seed(tf.constant([sharpener.config.model.seed, 0]), 5)[0]
    latents = model.draw_posterior(batch["image"], batch["mask"], batch["attributes"], seed)
    layers = model.decode(latents, batch["attributes"])
    likelihoods = model.log_likelihoods(batch, layers)
    objective = model.reconstruction_objective(batch, layers, likelihoods)
    assert set(likelihoods) <= set(model.lower_bound(batch, tf.constant([0, 0])))
    first = step(sharpener, batch)["reconstruction_loss"]
    assert first == pytest.approx(-float(tf.reduce_sum(objective)) / (32 * 32 * 3), rel=1e-5)
    assert step(sharpener, batch, 30)["reconstruction_loss"] < first


def test_with_weight_0_for_all_terms_nothing_is_trained():
    sharpener = make_sharpener(**ALONE)
    before = values(sharpener.model.variables)
    step(sharpener, make_batch())
    for old, new in zip(before, values(sharpener.model.variables), strict=True):
        np.testing.assert_array_equal(new, old)


def judged(real, reconstructed, sampled, scale=1.0):
    """What a discriminator says that says one number of all that is real, and so on."""
    def triple(*shape):
        return Triple(*(tf.fill(shape, scale * value) for value in (real, reconstructed, sampled)))

    return {"features": [triple(2, 4, 4, 3), triple(2, 2, 2, 5)], "patches": triple(2, 4, 4, 1), "whole": triple(2)}


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_decoders_are_told_by_the_discriminators_numbers_and_features_by_their_size(scale):
    sharpener, batch = make_sharpener(), {name: value[:2] for name, value in make_batch().items()}
    layers = sharpener.model.decode(tf.zeros([2, sharpener.model.latent_size]), batch["attributes"])
    terms = sharpener._decoder_terms(batch, layers, judged(2.0, 3.0, -5.0, scale))
    np.testing.assert_allclose(terms["feature_loss"], [0.5, 0.5], rtol=1e-5)
    for name in ("patch_loss", "global_loss"):
        np.testing.assert_allclose(terms[name], [scale, scale], rtol=1e-6)


def test_the_discriminators_hinge_counts_real_pictures_as_much_as_both_that_are_drawn():
    losses = [Sharpener._discriminator_terms(judged(*numbers)).numpy() for numbers in (
        (1.0, -1.0, -1.0), (0.0, -1.0, -1.0), (1.0, 0.0, -1.0), (1.0, -1.0, 0.0), (9.0, -9.0, -9.0))]
    # Each of patches and whole.
    np.testing.assert_allclose(losses, np.repeat([[0.0], [2.0], [1.0], [1.0], [0.0]], 2, 1), atol=1e-6)


def test_requests_come_in_pairs_that_differ_in_one_attribute():
    sharpener = make_sharpener(largest_change=1.5)
    attributes = tf.random.stateless_normal([64, 3], [1, 2])
    requests, moved = sharpener._requests(attributes, tf.constant([0, 1]))
    np.testing.assert_array_equal(requests[::2], attributes[::2])
    difference = (requests[1::2] - requests[::2]).numpy()
    np.testing.assert_array_equal(np.abs(difference) > 1e-6, moved)
    change = difference.sum(1)
    assert np.abs(change).min() >= 0.499 and np.abs(change).max() <= 1.501 and (change < 0).any() and (change > 0).any()
    assert (moved.numpy().sum(0) > 5).all()
    noise = sharpener._paired_noise(64, tf.constant([0, 2]))
    np.testing.assert_array_equal(noise[::2], noise[1::2])


def test_the_change_term_is_0_where_the_change_asked_for_is_found_and_nothing_else():
    change_loss = change_losses(np.eye(3))
    np.testing.assert_allclose(change_loss([0.5, 1.5, 0.5]), [0.0, 0.0], atol=1e-6)
    np.testing.assert_allclose(change_loss([1.5, 1.5, 0.5]), [0.0, 0.0], atol=1e-6)  # no more than the moved one
    np.testing.assert_allclose(change_loss([2.5, 1.5, 0.5]), [1 / 3, 1 / 3], rtol=1e-5)
    np.testing.assert_allclose(change_loss([0.5, 0.5, 0.5]), [1.0, 1.0], rtol=1e-5)
    np.testing.assert_allclose(change_loss([0.5, 1.0, 0.5]), [0.25, 0.25], rtol=1e-5)


def change_losses(slope):
    """Function of what a regressor finds in the second of a pair of samples that gives the terms of the change, where
    it finds 0.5 of everything in the first and real pictures show y times `slope`."""
    requests, moved = tf.constant([[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]), tf.constant([[0.0, 1.0, 0.0]])

    def change_loss(second):
        found = tf.constant([[0.5, 0.5, 0.5], second])
        sharpener = make_sharpener(network=lambda drawn, training: {"scores": found})
        sharpener.expected.slope.assign(slope)
        return sharpener._regressor_terms(tf.zeros([2, 32, 32, 3]), requests, moved)["change_loss"].numpy()

    return change_loss


def test_the_change_asked_for_is_what_real_pictures_show():
    """Half of the attribute and, with it, some of another that goes with it in all that the regressor has seen."""
    change_loss = change_losses([[1.0, 0.0, 0.0], [0.75, 0.5, 0.0], [0.0, 0.0, 1.0]])
    np.testing.assert_allclose(change_loss([1.25, 1.0, 0.5]), 0.0, atol=1e-6)
    np.testing.assert_allclose(change_loss([1.25, 1.5, 0.5]), 0.25, rtol=1e-5)  # all that was asked for is too much
    np.testing.assert_allclose(change_loss([0.0, 1.0, 0.5]), 0.75**2 / 3, rtol=1e-5)  # the wrong way by 1.25 of 0.5


def test_what_is_expected_is_what_the_regressor_finds_on_average():
    random = np.random.default_rng(0)
    attributes = random.normal(size=(4000, 3)).astype(np.float32)
    slope, shift = np.array([[0.5, 0.1, 0.0], [0.0, 0.7, -0.2], [0.1, 0.0, 0.6]]), np.array([0.1, -0.2, 0.3])
    found = (shift + attributes @ slope + 0.3 * random.normal(size=(4000, 3))).astype(np.float32)
    # The pictures are their rows' numbers; rows that only fill up a batch say nothing.
    batches = [{"image": tf.range(start, start + 1000), "attributes": tf.constant(2.0 * attributes[start:start + 1000]),
                "weight": tf.ones([1000])} for start in range(0, 4000, 1000)]
    batches.append({"image": tf.zeros([9], tf.int32), "attributes": tf.fill([9, 3], 9.0), "weight": tf.zeros([9])})
    expected = ExpectedScores(3)
    np.testing.assert_array_equal(expected(attributes[:5]), attributes[:5])
    expected.fit(lambda rows, training: {"scores": tf.gather(found, rows)}, batches, lambda values: 0.5 * values)
    np.testing.assert_allclose(expected(attributes[:5]), shift + attributes[:5] @ slope, atol=0.05)
    # The same pictures give the same, and of one picture alone nobody learns much.
    again, little = ExpectedScores(3), ExpectedScores(3)
    again.fit(lambda rows, training: {"scores": tf.gather(found, rows)}, batches, lambda values: 0.5 * values)
    np.testing.assert_array_equal(again.slope, expected.slope)
    little.fit(lambda rows, training: {"scores": -tf.ones([1, 3])}, [
        {"image": tf.zeros([1]), "attributes": tf.ones([1, 3]), "weight": tf.ones([1])}], lambda values: values)
    assert np.abs(little.slope - np.eye(3)).max() < 0.5


@pytest.mark.parametrize("asked", [True, False])
def test_a_new_run_asks_for_what_is_expected_and_an_old_one_for_all(asked):
    def network(images, training):
        return {"scores": tf.fill([tf.shape(images)[0], 3], 0.25)}

    sharpener = make_sharpener(network=network, expected_attributes=asked, attribute_weight=1.0, regressor="r")
    batch = make_batch()
    loop = types.SimpleNamespace(reader=types.SimpleNamespace(evaluation=lambda split: [batch]))
    sharpener.before_epoch(loop, 1)
    np.testing.assert_array_equal(sharpener.expected.slope, np.eye(3))
    sharpener.before_epoch(loop, 0)
    assert np.array_equal(sharpener.expected.slope, np.eye(3)) != asked
    # What is in a checkpoint, for a resume; older checkpoints have nothing.
    assert ("expected" in sharpener.state) == asked
    requests = tf.random.stateless_normal([4, 3], [1, 2])
    found = sharpener._regressor_terms(batch["image"], requests, tf.eye(3)[:2])["attribute_loss"]
    expected = sharpener.expected(requests) if asked else requests
    np.testing.assert_allclose(found, np.square(0.25 - expected).mean(-1), rtol=1e-5)


def test_features_of_a_picture_drawn_as_it_is_cost_nothing():
    """A picture and its reconstruction are seen in one light, so a perfect one leaves nothing to ask for."""
    sharpener = make_sharpener()
    batch, decode = make_batch(), sharpener.model.decode

    def perfect(latents, attributes):
        drawn = decode(latents, attributes)["images"]
        return {"images": tf.concat([batch["image"] + 0.0 * drawn[:4], drawn[4:]], 0)}

    sharpener.model.decode = perfect
    terms = step(sharpener, batch)
    assert terms["feature_loss"] == 0.0
    sharpener.model.decode = decode
    assert step(sharpener, batch)["feature_loss"] > 0.1


@pytest.mark.nightly
def test_backgrounds_are_held_where_they_are_hidden():
    """A gate that hides nothing costs nothing; one that hides all costs the change, and is not pushed away by it."""
    sharpener = make_sharpener("discvae", background=True)
    latents = tf.random.stateless_normal([4, sharpener.model.latent_size], [1, 2])
    attributes = make_batch()["attributes"]
    layers = sharpener.model.decode(latents, attributes)
    np.testing.assert_allclose(sharpener._hidden_change(latents, layers), 0.0, atol=1e-9)
    layers["backgrounds"] += 0.1
    for gate, share in ((0.0, 1.0), (0.75, 0.25), (1.0, 0.0)):
        layers["gates"] = tf.fill(layers["gates"].shape, gate)
        with tf.GradientTape() as tape:
            tape.watch(layers["gates"])
            change = sharpener._hidden_change(latents, layers)
        deviation = float(sharpener.model.observation_standard_deviation)
        np.testing.assert_allclose(change, 0.5 * share * 0.01 / deviation**2, rtol=1e-3, atol=1e-9)
        assert tape.gradient(change, layers["gates"]) is None

    def moved(weight):
        sharpener = make_sharpener("discvae", background=True, **ALONE | {"global_weight": 1.0},
                                   hidden_background_weight=weight)
        step(sharpener, make_batch(), 8)
        return float(tf.reduce_mean(sharpener._hidden_change(latents, sharpener.model.decode(latents, attributes))))

    assert 0.0 < moved(100.0) < 0.7 * moved(0.0)


def test_the_discriminator_learns_to_tell_what_is_drawn():
    sharpener = make_sharpener(discriminator_rate=1e-3, **ALONE)
    batch = make_batch()
    first, last = step(sharpener, batch), step(sharpener, batch, 60)
    assert last["discriminator_loss"] < 0.8 * first["discriminator_loss"]
    assert last["real_logit"] > last["drawn_logit"]


def test_the_penalty_is_that_of_the_squared_gradient_on_every_few_steps():
    sharpener = make_sharpener(penalty=2.0, penalty_interval=3)
    batch = make_batch()
    def logits(images):
        judged = sharpener.discriminator(images, batch["attributes"])
        return judged["whole"] + tf.reduce_mean(judged["patches"], [1, 2, 3])

    with tf.GradientTape() as tape:
        images = tf.constant(batch["image"])
        tape.watch(images)
        said = logits(images)
    # Of a picture the gradient of its own logits; by differences along its direction it is the gradient indeed.
    gradient = tape.gradient(said, images)
    norm = np.sqrt(np.sum(np.square(gradient), (1, 2, 3), keepdims=True))
    ahead, behind = (logits(images + offset * gradient / norm) for offset in (1e-2, -1e-2))
    np.testing.assert_allclose((ahead - behind) / 2e-2, norm[:, 0, 0, 0], rtol=0.05)
    penalty = sharpener._penalty(batch["image"], batch["attributes"]).numpy()
    np.testing.assert_allclose(penalty, 0.5 * 2.0 * 3 * norm[:, 0, 0, 0]**2, rtol=1e-4)
    sharpener.iterations.assign(1)
    np.testing.assert_array_equal(sharpener._penalty(batch["image"], batch["attributes"]), np.zeros(4))


def test_varying_keeps_what_is_neutral_and_varies_all_alike():
    images = tf.random.stateless_uniform([2, 32, 32, 3], [1, 2], -1.0, 1.0)
    neutral = vary(images, tf.fill([2, 2], 0.5), tf.fill([2], 0.5))
    np.testing.assert_allclose(neutral, images[:, 4:28, 4:28], atol=1e-6)
    uniforms = tf.tile(tf.constant([[0.9, 0.2]]), [2, 1])
    same = vary(tf.stack([images[0], images[0]]), uniforms, tf.constant([0.1, 0.9]))
    np.testing.assert_array_equal(same[0], same[1])
    assert float(tf.reduce_mean(tf.abs(same[0] - images[0, :24, 8:]))) > 0.1
    # Nothing comes in at an edge: all that is seen is the picture's own.
    corners = [vary(images, tf.fill([2, 2], 0.5), tf.constant(place)) for place in ([0.0, 0.0], [0.999, 0.999])]
    np.testing.assert_allclose(corners[0], images[:, :24, :24], atol=1e-6)
    np.testing.assert_allclose(corners[1], images[:, 8:, 8:], atol=1e-6)


def test_the_discriminator_sees_attributes():
    discriminator = Discriminator(3, width=1 / 16)
    images = tf.random.stateless_uniform([2, 32, 32, 3], [1, 2], -1.0, 1.0)
    one, other = (discriminator(images, tf.fill([2, 3], value)) for value in (0.0, 2.0))
    assert one["patches"].shape == (2, 8, 8, 1) and one["whole"].shape == (2,)
    assert np.abs(one["whole"] - other["whole"]).max() > 1e-4
    np.testing.assert_array_equal(one["patches"], other["patches"])


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="regressor='': expected the folder of a regressor, which attribute_weight"):
        SharpeningConfig(source="run", source_step=1)
    with pytest.raises(ConfigError, match="penalty_interval=0: expected at least 1"):
        dataclasses.replace(TUNING, penalty_interval=0)
