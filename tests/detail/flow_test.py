"""Laws of the second stage: what is kept stays, a row is a row's own, a step of training is of the flow."""

import types

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import DetailConfig, RunConfig
from attr2image_tf.detail import DetailFlow, DetailLearner, masks
from attr2image_tf.detail.network import Kernel
from tests.tiny import make_model

SIZE = 64


@pytest.fixture(scope="module")
def model():
    return make_detailed()


def make_detailed(**changes):
    model = make_model()
    settings = {"output_size": SIZE, "width": 4, "guidance": 1.5} | changes
    model.detail = DetailFlow(model.config, DetailConfig(**settings))
    # A gain that is learned begins at 0, where nothing depends on anything.
    for variable in model.detail.network.trainable_variables:
        if len(variable.shape) == 0:
            variable.assign(1.0)
    return model


def inputs(rows=3, seed=0):
    random = np.random.default_rng(seed)
    values = {"coarse": random.uniform(-1, 1, (rows, 32, 32, 3)), "attributes": random.normal(size=(rows, 3)),
              "photo": random.uniform(-1, 1, (rows, SIZE, SIZE, 3)),
              "kept": random.integers(0, 2, (rows, SIZE, SIZE, 1))}
    return {name: tf.constant(value, tf.float32) for name, value in values.items()} | {
        "seeds": tf.stack([tf.fill([rows], 5), tf.range(rows)], -1)}


def test_what_is_kept_of_a_photo_is_the_photo(model):
    given = inputs()
    drawn = model.detail.draw(**given)
    kept = np.broadcast_to(given["kept"] == 1.0, drawn.shape)
    np.testing.assert_array_equal(drawn.numpy()[kept], given["photo"].numpy()[kept])
    assert np.abs(drawn - given["photo"])[~kept].mean() > 0.1
    everything = model.detail.draw(**given | {"kept": tf.ones_like(given["kept"])})
    np.testing.assert_array_equal(everything, given["photo"])


def test_a_row_is_drawn_alike_in_any_batch_and_follows_its_seed(model):
    given = inputs()
    together = model.detail.draw(**given)
    alone = model.detail.draw(**{name: value[1:2] for name, value in given.items()})
    np.testing.assert_allclose(alone[0], together[1], atol=2e-5)
    other = model.detail.draw(**given | {"seeds": given["seeds"] + 1})
    assert np.abs(other - together).max() > 0.01


def test_the_temperature_is_a_factor_on_the_noise():
    given = inputs()
    cold, warm = (make_detailed(temperature=temperature, steps=1).detail for temperature in (0.0, 0.5))
    np.testing.assert_array_equal(cold.draw(**given), cold.draw(**given | {"seeds": given["seeds"] + 1}))
    assert np.abs(warm.draw(**given) - warm.draw(**given | {"seeds": given["seeds"] + 1})).max() > 0.01
    # With nothing learned the noise is all there is.
    for detail in (cold, warm):
        detail._evaluate = lambda noisy, *_: tf.zeros_like(noisy)
        detail.set_covariance(0.01 * np.eye(12))
    coarse = tf.zeros_like(given["coarse"])
    drawn = warm.draw(coarse, given["attributes"], given["seeds"])
    np.testing.assert_array_equal(cold.draw(coarse, given["attributes"], given["seeds"]), tf.zeros_like(drawn))
    assert np.std(drawn) == pytest.approx(0.05, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 3])
def test_a_known_velocity_leads_where_it_does_in_any_number_of_steps(steps):
    detail, given = make_detailed(steps=steps).detail, inputs()
    detail.set_covariance(0.01 * np.eye(12))
    coarse = 0.2 * detail.enlarge(given["coarse"])

    def draw(velocity):
        detail._evaluate = velocity
        return detail.draw(coarse, given["attributes"], given["seeds"]).numpy()

    target = tf.random.stateless_uniform([3, SIZE, SIZE, 3], [1, 2], -1.0, 1.0)
    led = draw(lambda noisy, coarse, kept, time, _: (detail._components(0.1 * target) - noisy) / (1.0 - time[0]))
    np.testing.assert_allclose(led, coarse + 0.1 * target, atol=1e-5)
    # One that is the same everywhere moves the noise by itself, and not once a step.
    by = detail._components(tf.fill([3, SIZE, SIZE, 3], 0.15))
    still, moved = (draw(lambda noisy, *_, share=share: share * by) for share in (0.0, 1.0))
    np.testing.assert_allclose(moved - still, np.full_like(still, 0.15), atol=1e-5)


def test_a_sample_needs_no_photo_and_is_as_if_nothing_were_kept(model):
    given = inputs()
    nothing = model.detail.draw(**given | {"kept": tf.zeros_like(given["kept"])})
    del given["photo"], given["kept"]
    np.testing.assert_allclose(model.detail.draw(**given), nothing, atol=1e-6)


@pytest.mark.slow
def test_guidance_of_1_is_the_network_and_of_0_forgets_the_attributes():
    given = inputs()
    plain, free = (make_detailed(guidance=weight) for weight in (1.0, 0.0))
    moved = given | {"attributes": given["attributes"] + 1.0}
    assert np.abs(plain.detail.draw(**moved) - plain.detail.draw(**given)).max() > 1e-3
    np.testing.assert_allclose(free.detail.draw(**moved), free.detail.draw(**given), atol=1e-5)


def test_the_loss_is_of_what_is_not_kept(model):
    given = inputs()
    images, coarse = given["photo"], model.detail.enlarge(given["coarse"])
    noise = tf.random.stateless_normal([3, *model.detail.noise_shape], [1, 2])
    rest = (tf.fill([3], 0.3), noise, given["attributes"], tf.ones([3]))
    loss = model.detail.loss(images, coarse, given["kept"], *rest)
    # No patch was measured: its components are its pixels.
    noise = tf.nn.depth_to_space(noise, 2)
    noisy = given["kept"] * (images - coarse) + (1 - given["kept"]) * (0.7 * noise + 0.3 * (images - coarse))
    added = model.detail.network(tf.nn.space_to_depth(noisy, 2), coarse, given["kept"],
                                 *(rest[place] for place in (0, 2, 3)))
    # The best linear guess from what is on the way, of variance 0.7^2 + 0.3^2, and what the network adds.
    velocity = -0.4 / 0.58 * noisy + tf.nn.depth_to_space(added, 2) / 0.58**0.5
    error = np.square(velocity - (images - coarse - noise))
    hidden = np.broadcast_to(given["kept"] == 0.0, error.shape)
    np.testing.assert_allclose(loss, [row[hide].mean() for row, hide in zip(error, hidden, strict=True)], rtol=1e-4)
    np.testing.assert_array_equal(model.detail.loss(images, coarse, tf.ones_like(given["kept"]), *rest), np.zeros(3))


@pytest.mark.slow
def test_detail_is_drawn_by_the_largest_components_of_the_patches_that_were_measured():
    random = np.random.default_rng(2)
    # Soft and of few colours, as residuals are.
    pictures = random.normal(size=(64, 16, 16, 1)).repeat(4, 1).repeat(4, 2) * [0.3, 0.2, 0.1]
    pictures = tf.constant(pictures + 0.02 * random.normal(size=(64, SIZE, SIZE, 3)), tf.float32)
    for components in (12, 5):
        detail = make_detailed(components=components).detail
        values = detail.patches(pictures).numpy().reshape(-1, 12)
        covariance = values.T @ values / len(values)
        detail.set_covariance(covariance)
        whitened = detail._components(pictures)
        seen = whitened.numpy().reshape(-1, components)
        np.testing.assert_allclose(seen.T @ seen / len(seen), np.eye(components), atol=0.02)
        # What is left out are the smallest.
        left = pictures - detail._pictures(whitened, detail.spread)
        smallest = np.linalg.eigvalsh(covariance)[:12 - components].sum() / 12
        np.testing.assert_allclose(np.mean(np.square(left)), smallest, atol=1e-8, rtol=1e-3)
        # An error counts by the root of its deviation, 1 on average over pixels.
        spread, importance = (detail.patches(detail._pictures(np.eye(components, dtype=np.float32)[:, None, None],
                                                              matrix)).numpy()[:, 0, 0]
                              for matrix in (detail.spread, detail.importance))
        np.testing.assert_allclose(np.square(importance).sum(), 12, rtol=1e-5)
        ratio = np.linalg.norm(importance, axis=1) / np.sqrt(np.linalg.norm(spread, axis=1))
        np.testing.assert_allclose(ratio, np.full(components, ratio[0]), rtol=1e-4)


@pytest.mark.slow
def test_a_network_that_says_nothing_leaves_no_noise():
    model = make_detailed(steps=1)
    for variable in model.detail.network.trainable_variables:
        if len(variable.shape) == 0:
            variable.assign(0.0)
    given = inputs()
    drawn = model.detail.draw(given["coarse"], given["attributes"], given["seeds"])
    np.testing.assert_allclose(drawn, model.detail.enlarge(given["coarse"]), atol=1e-5)


def test_kernels_keep_the_magnitude():
    kernel = Kernel(48, 32, 3, seed=1)
    kernel.kernel.assign(7.0 * kernel.kernel)
    outputs = kernel(tf.random.stateless_normal([4, 16, 16, 48], [0, 1]))[:, 1:-1, 1:-1]
    assert float(tf.math.reduce_std(outputs)) == pytest.approx(1.0, abs=0.1)


def test_masks_keep_all_but_boxes_and_spots_or_nothing():
    drawn = masks.draw(400, 32, tf.constant([3, 4])).numpy()
    assert drawn.shape == (400, 32, 32, 1) and drawn.min() == 0.0 and drawn.max() == 1.0
    shares = drawn.mean((1, 2, 3))
    assert 0.3 < (shares == 0.0).mean() < 0.5
    assert shares.max() < 1.0 and np.all(drawn.min((1, 2, 3)) < 1.0)
    soft = ((drawn > 0.0) & (drawn < 1.0)).any((1, 2, 3)).mean()
    assert 0.2 < soft < 0.4


@pytest.mark.slow
def test_steps_of_training_lower_the_loss_and_leave_the_model():
    model = make_detailed()
    config = RunConfig(dataset="emblems", model=model.config, detail=model.detail.config, batch_size=4, l2=0.0,
                       learning_rate=0.05)
    learner = DetailLearner(model, config, 100)
    random = np.random.default_rng(1)
    batch = {"image": random.uniform(-1, 1, (4, SIZE, SIZE, 3)), "mask": np.ones((4, SIZE, SIZE, 1)),
             "attributes": random.normal(size=(4, 3)), "weight": np.ones(4)}
    batch = {name: tf.constant(value, tf.float32) for name, value in batch.items()}
    learner.before_epoch(types.SimpleNamespace(
        reader=types.SimpleNamespace(evaluation=lambda split: tf.data.Dataset.from_tensors(batch)),
        in_both=lambda change: change()), 0)
    deviations = np.linalg.norm(model.detail.spread.numpy(), axis=1)
    assert 0.3 < deviations.mean() < 1.0
    before = [variable.numpy() for variable in model.variables]
    step, seed = tf.function(learner.training_step), tf.constant([0, 1])
    first = learner.evaluation_step(batch, seed)["flow_loss"]
    sums = [step(batch) for _ in range(20)]
    assert sums[0]["count"] == 4.0 and int(learner.iterations) == 20
    assert learner.evaluation_step(batch, seed)["flow_loss"] < 0.95 * first
    for old, variable in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(variable, old)
