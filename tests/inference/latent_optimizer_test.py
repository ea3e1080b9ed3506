"""Laws of the latent optimiser."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import ConfigError
from attr2image_tf.inference.attribute_prior import AttributePrior
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.latent_optimizer import LatentOptimizer, OptimizerConfig
from attr2image_tf.inference.minimizers import CONVERGED, DIVERGED

LATENTS, ATTRIBUTES, SIZE = 6, 4, 16
SIGMA = 0.1
PRECISE = OptimizerConfig(evaluations=200, tolerance=1e-7, patience=20)


class Linear:
    """mu(z, y) = z W + y V + b, so that posteriors are known."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        # Directions of rather different strength, as in trained generators.
        self.weights = (np.geomspace(0.3, 0.02, LATENTS)[:, None]
                        * rng.normal(size=(LATENTS, SIZE * SIZE * 3))).astype(np.float32)
        self.effects = 0.05 * rng.normal(size=(ATTRIBUTES, SIZE * SIZE * 3)).astype(np.float32)
        self.offset = 0.1 * rng.normal(size=SIZE * SIZE * 3).astype(np.float32)

    def __call__(self, latents, attributes):
        flat = latents @ self.weights + attributes @ self.effects + self.offset
        return tf.reshape(flat, [-1, SIZE, SIZE, 3])


class Layered:
    """A small layered decoder: foreground and gate of half of the latents and y, background of the other half."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)

        def normal(*shape):
            return tf.constant(rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1])), tf.float32)

        half = LATENTS // 2
        self.dense = [normal(half + ATTRIBUTES, 4 * 4 * 16), normal(LATENTS - half, 4 * 4 * 16)]
        self.kernels = [[normal(3, 3, 16, 16), normal(3, 3, 16, outputs)] for outputs in (4, 3)]

    def __call__(self, latents, attributes):
        front, behind = tf.split(latents, 2, -1)
        front = self._draw(0, tf.concat([front, attributes], -1))
        foregrounds, gates = tf.tanh(front[..., :3]), tf.sigmoid(3.0 * front[..., 3:])
        backgrounds = tf.tanh(self._draw(1, behind))
        return {"images": foregrounds * (1 - gates) + gates * backgrounds, "foregrounds": foregrounds * (1 - gates),
                "gates": gates, "backgrounds": backgrounds}

    def _draw(self, part, inputs):
        x = tf.reshape(tf.nn.softplus(inputs @ self.dense[part]), [-1, 4, 4, 16])
        x = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
        x = tf.nn.softplus(tf.nn.conv2d(x, self.kernels[part][0], 1, "SAME"))
        x = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
        return tf.nn.conv2d(x, self.kernels[part][1], 1, "SAME")


def pictures(generator, rows, seed=0, noise=0.0):
    """Pictures of random latents and attributes: images [B, H, W, 3], latents [B, Z], attributes [B, A]."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(rows, LATENTS)).astype(np.float32)
    attributes = rng.uniform(-1, 1, (rows, ATTRIBUTES)).astype(np.float32)
    drawn = generator(tf.constant(latents), tf.constant(attributes))
    images = (drawn["images"] if isinstance(drawn, dict) else drawn).numpy()
    images = images + noise * rng.normal(size=images.shape).astype(np.float32)
    return np.clip(images, -1, 1), latents, attributes


class Leaning:
    """The prior N(y C, L L^T) of latents, with a factor far from the identity."""

    def __init__(self, seed=1):
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=(ATTRIBUTES, LATENTS)).astype(np.float32)
        self.factor = np.tril(rng.normal(size=(LATENTS, LATENTS)) + 2 * np.eye(LATENTS)).astype(np.float32)

    def latents_from_noise(self, noise, attributes):
        return attributes @ self.weights + noise @ self.factor.T

    def noise_from_latents(self, latents, attributes):
        return (latents - attributes @ self.weights) @ np.linalg.inv(self.factor).T


def rough_guess(images, *_):
    """A start that is wrong, and scales a hundred times apart."""
    mean = tf.fill([tf.shape(images)[0], LATENTS], 0.5)
    return mean, tf.ones_like(mean) * tf.constant(np.geomspace(0.02, 2, LATENTS), tf.float32)


@functools.cache
def make(generator, config=PRECISE, *, unknown=False, variance=SIGMA**2, start=None, latent_prior=None,
         tempering=0.0):
    """An optimiser, made once, since tracing takes longer than running it; by default its likelihood is exact."""
    # Attributes that are uniform in [-1, 1].
    prior = AttributePrior(-np.ones(ATTRIBUTES), np.zeros(ATTRIBUTES), np.ones(ATTRIBUTES), np.eye(ATTRIBUTES) / 3)
    return LatentOptimizer(generator, Energy(variance, tempering), config, latent_size=LATENTS,
                           attribute_size=ATTRIBUTES, attribute_prior=prior if unknown else None, start=start,
                           prior=latent_prior)


def numbers(result):
    return {name: value.numpy() for name, value in result.items()}


def posterior(generator, images, attributes, observed, prior=None):
    """Mean [B, Z] and covariance [Z, Z] of z for the linear generator; `observed` is equal in all rows."""
    center, factor = (attributes @ prior.weights, prior.factor) if prior else (np.zeros((1, LATENTS)), np.eye(LATENTS))
    seen = np.broadcast_to(observed[0], images.shape[1:]).reshape(-1) > 0
    weights = generator.weights[:, seen].astype(np.float64)
    rest = images.reshape(len(images), -1) - attributes @ generator.effects - generator.offset
    precision = np.linalg.inv(factor.astype(np.float64) @ factor.T)
    covariance = np.linalg.inv(weights @ weights.T / SIGMA**2 + precision)
    return (rest[:, seen] @ weights.T / SIGMA**2 + center @ precision) @ covariance, covariance


@pytest.fixture(scope="module")
def linear():
    return Linear()


@pytest.fixture(scope="module")
def layered():
    return Layered()


def half_observed(rows):
    observed = np.ones((rows, SIZE, SIZE, 1), np.float32)
    observed[:, :, SIZE // 2:] = 0
    return observed


# N(0, I) in its own coordinates, and a fitted prior in those of a guess.
COORDINATES = pytest.mark.parametrize("prior, start", [(None, None), (Leaning(), rough_guess)], ids=["e", "v"])


@COORDINATES
@pytest.mark.parametrize("half", [False, True])
def test_the_result_is_the_maximum_of_the_posterior_of_a_linear_gaussian_model(linear, half, prior, start):
    images, _, attributes = pictures(linear, 5, noise=SIGMA)
    observed = half_observed(5) if half else np.ones((5, SIZE, SIZE, 1), np.float32)
    found = numbers(make(linear, start=start, latent_prior=prior).infer(images, attributes, observed))
    np.testing.assert_allclose(found["latents"], posterior(linear, images, attributes, observed, prior)[0], atol=5e-3)
    assert (found["stopped"] == CONVERGED).all()


def test_adam_as_in_the_paper_finds_it_too(linear):
    images, _, attributes = pictures(linear, 3, noise=SIGMA)
    found = numbers(make(linear, OptimizerConfig.paper()).infer(images, attributes))
    mean, _ = posterior(linear, images, attributes, np.ones((3, SIZE, SIZE, 1)))
    np.testing.assert_allclose(found["latents"], mean, atol=2e-2)
    assert (found["iterations"] == 1000).all()


@pytest.mark.slow
def test_a_plain_function_is_inverted(layered):
    images, latents, attributes = pictures(layered, 8)
    optimizer = make(lambda z, y: layered(z, y)["images"], variance=1e-5)
    found = numbers(optimizer.infer(images, attributes))
    solved = np.abs(found["images"] - images).mean((1, 2, 3)) < 5e-3
    assert solved.mean() >= 0.75  # the function is not convex
    np.testing.assert_allclose(found["latents"][solved], latents[solved], atol=0.05)


def test_the_energy_is_that_of_the_latents_and_its_parts_add_up(layered):
    images, _, attributes = pictures(layered, 4, noise=SIGMA)
    optimizer = make(layered)
    found = numbers(optimizer.infer(images, attributes))
    np.testing.assert_allclose(found["images"], layered(found["latents"], attributes)["images"], atol=1e-5)
    error = 0.5 * np.square(found["images"] - images).sum((1, 2, 3))
    np.testing.assert_allclose(found["reconstruction_energy"], error, rtol=1e-4)
    np.testing.assert_allclose(found["prior_energy"], SIGMA**2 * 0.5 * np.square(found["latents"]).sum(1), rtol=1e-4)
    np.testing.assert_allclose(found["energy"], found["reconstruction_energy"] + found["prior_energy"], rtol=1e-5)


@pytest.mark.slow
def test_the_fast_method_reaches_the_energy_of_the_reference_in_a_twentieth_of_its_evaluations(layered):
    images, _, attributes = pictures(layered, 16, noise=SIGMA)
    reference = numbers(make(layered, OptimizerConfig.paper()).infer(images, attributes))
    fast = numbers(make(layered, OptimizerConfig()).infer(images, attributes))
    assert fast["evaluations"].max() <= 50
    assert np.mean(fast["energy"] <= 1.01 * reference["energy"]) >= 0.8


@pytest.mark.slow
def test_a_start_that_is_right_saves_work(layered):
    images, latents, attributes = pictures(layered, 4)
    config = OptimizerConfig(tolerance=1e-3, patience=3)
    cold = numbers(make(layered, config).infer(images, attributes))
    right = (tf.constant(latents), tf.ones_like(latents))
    warm = numbers(make(layered, config, start=lambda *_: right).infer(images, attributes))
    assert warm["evaluations"].sum() < cold["evaluations"].sum()


@pytest.mark.slow
@pytest.mark.parametrize("unknown", [False, True])
def test_an_example_by_itself_equals_that_example_in_a_batch(layered, unknown):
    images, _, attributes = pictures(layered, 16, noise=SIGMA)
    optimizer = make(layered, OptimizerConfig(evaluations=25), unknown=True)

    def run(rows):
        if unknown:
            return numbers(optimizer.infer_attributes(images[rows]))
        return numbers(optimizer.infer(images[rows], attributes[rows]))

    together = run(slice(None))
    for row in (0, 11):
        alone = run(slice(row, row + 1))
        np.testing.assert_allclose(alone["energy"][0], together["energy"][row], rtol=1e-3)
        np.testing.assert_allclose(alone["latents"][0], together["latents"][row], atol=2e-2)


@pytest.mark.slow
def test_a_guess_changes_the_way_and_not_the_energy(linear):
    """Also where attributes are unknown, which both the prior of latents and its coordinates depend on."""
    images, _, _ = pictures(linear, 4, noise=SIGMA)
    prior = Leaning()
    plain, guided = (numbers(make(linear, unknown=True, latent_prior=prior, start=start).infer_attributes(images))
                     for start in (None, rough_guess))
    np.testing.assert_allclose(guided["energy"], plain["energy"], rtol=1e-3)
    noise = prior.noise_from_latents(guided["latents"], guided["attributes"])
    unknown = guided["prior_energy"] / SIGMA**2 - 0.5 * np.square(noise).sum(1)
    assert (unknown > 0).all() and (unknown < 3 * ATTRIBUTES).all()


def test_an_example_that_diverges_is_reported_and_poisons_no_other(linear):
    images, _, attributes = pictures(linear, 4, noise=SIGMA)

    def fragile(latents, attributes):
        broken = attributes[:, :1] > 5.0
        return tf.where(broken[:, :, None, None], float("nan"), linear(latents, attributes))

    optimizer = make(fragile)
    healthy = numbers(optimizer.infer(images, attributes))
    attributes[2, 0] = 9.0
    found = numbers(optimizer.infer(images, attributes))
    assert found["stopped"].tolist() == [CONVERGED, CONVERGED, DIVERGED, CONVERGED]
    assert np.isinf(found["energy"][2]) and np.isfinite(found["latents"]).all()
    np.testing.assert_allclose(found["latents"][[0, 1, 3]], healthy["latents"][[0, 1, 3]], atol=1e-4)


def test_unknown_attributes_are_found_within_their_range(linear):
    images, _, attributes = pictures(linear, 12, noise=SIGMA)
    found = numbers(make(linear, unknown=True).infer_attributes(images))
    assert np.abs(found["attributes"]).max() <= 1
    assert np.corrcoef(found["attributes"].ravel(), attributes.ravel())[0, 1] > 0.95


@pytest.mark.slow
def test_a_good_reader_finds_attributes_that_pixels_hardly_show(linear):
    def faint(latents, attributes):
        return linear(latents, 0.02 * attributes)

    images, _, attributes = pictures(faint, 12, noise=SIGMA)
    unit = np.ones(ATTRIBUTES)
    # Knows the pictures by their first pixel; hidden ones are strange to it.
    table = {row[0, 0].tobytes(): truth for row, truth in zip(images, attributes, strict=True)}

    def look_up(pictures):
        return np.stack([table.get(picture[0, 0].tobytes(), np.zeros(ATTRIBUTES, np.float32)) for picture in pictures])

    def read(pictures):
        return tf.ensure_shape(tf.numpy_function(look_up, [pictures], tf.float32), [None, ATTRIBUTES])

    def correlation(**reader):
        prior = AttributePrior(-unit, 0 * unit, unit, np.eye(ATTRIBUTES) / 3, **reader)
        optimizer = LatentOptimizer(faint, Energy(SIGMA**2), PRECISE, latent_size=LATENTS, attribute_size=ATTRIBUTES,
                                    attribute_prior=prior)
        found = numbers(optimizer.infer_attributes(images))
        completed = numbers(optimizer.complete(images, half_observed(12), samples=1))
        assert np.abs(found["attributes"]).max() <= 1 and np.isfinite(completed["images"]).all()
        return np.corrcoef(found["attributes"].ravel(), attributes.ravel())[0, 1]

    assert correlation() < 0.6
    assert correlation(reader=read, error_covariance=0.01 * np.eye(ATTRIBUTES)) > 0.95


@pytest.mark.slow
def test_completion_keeps_observed_pixels_and_puts_back_what_was_hidden(linear):
    images, _, attributes = pictures(linear, 3)
    observed = half_observed(3)
    hidden = np.broadcast_to(observed == 0, images.shape)
    damaged = np.where(hidden, np.nan, images)
    for known in (attributes, None):
        done = numbers(make(linear, unknown=True).complete(damaged, observed, known))
        np.testing.assert_array_equal(done["images"][:, 0][~hidden], images[~hidden])
        error = np.abs(done["images"][:, 0] - images)[hidden].mean()
        assert error < 0.25 * np.abs(images)[hidden].mean()
        assert done["attributes"].shape == (3, 1, ATTRIBUTES) and done["latents"].shape == (3, 1, LATENTS)


@COORDINATES
@pytest.mark.slow
def test_samples_of_completion_are_draws_from_the_posterior_of_a_linear_gaussian_model(linear, prior, start):
    images, _, attributes = pictures(linear, 1, noise=SIGMA)
    observed = half_observed(1)
    # One picture with many seeds is many draws.
    count = 400
    rows = [np.repeat(part, count, 0) for part in (images, observed, attributes)]
    seeds = np.stack([np.arange(count), np.zeros(count)], 1).astype(np.int32)
    done = numbers(make(linear, start=start, latent_prior=prior).complete(*rows, seeds=seeds, samples=1))
    mean, covariance = posterior(linear, images, attributes, observed, prior)
    draws, deviations = done["latents"][:, 1], np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((draws.mean(0) - mean[0]) / deviations, 0.0, atol=4 / np.sqrt(count))
    scaled = np.cov(draws / deviations, rowvar=False) - covariance / np.outer(deviations, deviations)
    np.testing.assert_allclose(scaled, 0.0, atol=5 * np.sqrt(2 / count))


@pytest.mark.slow
@COORDINATES
def test_from_latents_at_hand_the_best_and_the_samples_are_the_same(linear, prior, start):
    images, _, attributes = pictures(linear, 3, noise=SIGMA)
    observed, seeds = half_observed(3), np.arange(6, dtype=np.int32).reshape(3, 2)
    optimizer = make(linear, OptimizerConfig(evaluations=6), unknown=True, start=start, latent_prior=prior,
                     tempering=9.0)
    whole = numbers(optimizer.complete(images, observed, attributes, seeds=seeds, samples=2))
    latents = whole["latents"][:, 0]
    quick = numbers(optimizer.complete(images, observed, attributes, seeds=seeds, samples=2, latents=latents))
    assert (quick["evaluations"][:, 0] == 0).all() and (quick["evaluations"][:, 1:] > 0).all()
    for name in ("latents", "images", "energy", "attributes"):
        np.testing.assert_allclose(quick[name], whole[name], rtol=1e-4, atol=1e-5, err_msg=name)
    with pytest.raises(ValueError, match="expected also the attributes"):
        optimizer.complete(images, observed, latents=latents)


@COORDINATES
def test_a_tempered_result_is_the_posterior_of_a_larger_variance(linear, prior, start):
    """Half is hidden: lambda is 5.5 times as large as the variance."""
    images, _, attributes = pictures(linear, 3, noise=SIGMA)
    found = numbers(make(linear, start=start, latent_prior=prior, tempering=9.0).infer(
        images, attributes, half_observed(3)))
    factor = 5.5
    shrunk = Linear()
    shrunk.weights, shrunk.effects, shrunk.offset = (
        part / np.float32(factor**0.5) for part in (linear.weights, linear.effects, linear.offset))
    expected, _ = posterior(shrunk, images / factor**0.5, attributes, half_observed(3), prior)
    np.testing.assert_allclose(found["latents"], expected, atol=2e-2)


@pytest.mark.slow
def test_samples_differ_by_seed_and_number_and_repeat(layered):
    images, _, attributes = pictures(layered, 2)
    optimizer = make(layered, OptimizerConfig(evaluations=20))
    first, again = (numbers(optimizer.complete(images, half_observed(2), attributes, samples=2)) for _ in range(2))
    assert first["images"].shape == (2, 3, SIZE, SIZE, 3)
    np.testing.assert_allclose(first["images"], again["images"], atol=1e-5)
    assert np.abs(first["latents"][:, 1] - first["latents"][:, 2]).min() > 1e-3


@pytest.mark.slow
def test_editing_without_a_change_gives_back_the_picture(layered):
    images, _, attributes = pictures(layered, 3, noise=SIGMA)
    done = numbers(make(layered, OptimizerConfig(evaluations=10)).edit(images, attributes, attributes))
    np.testing.assert_allclose(done["images"], images, atol=1e-5)


def test_editing_a_picture_the_generator_can_draw_gives_its_drawing(layered):
    images, latents, attributes = pictures(layered, 3)
    changed = attributes + [0.5, 0, 0, 0]
    done = numbers(make(layered).edit(images, attributes, changed, latents=latents))
    np.testing.assert_allclose(done["images"], layered(latents, changed.astype(np.float32))["images"], atol=1e-4)
    np.testing.assert_allclose(done["reconstructions"], images, atol=1e-5)


@pytest.mark.slow
def test_it_works_inside_a_graph(linear):
    images, _, attributes = pictures(linear, 3, noise=SIGMA)
    eager = numbers(make(linear).infer(images, attributes))
    inside = tf.function(make(linear).infer)(images, attributes)
    np.testing.assert_allclose(inside["latents"], eager["latents"], atol=1e-3)


GOOD = {"images": np.zeros((2, SIZE, SIZE, 3), np.float32), "attributes": np.zeros((2, ATTRIBUTES), np.float32)}


@pytest.mark.parametrize("wrong, message", [
    ({"images": np.zeros((2, SIZE, SIZE, 4), np.float32)}, "images: expected shape"),
    ({"images": np.zeros((2, 32, 32, 3), np.float32)}, r"\[B, 16, 16, 3\].*\[2, 32, 32, 3\]"),
    ({"images": np.zeros((0, SIZE, SIZE, 3), np.float32)}, "at least one row"),
    ({"images": np.full((2, SIZE, SIZE, 3), 200, np.uint8)}, "images: expected float32, got uint8"),
    ({"images": np.full((2, SIZE, SIZE, 3), 1.5, np.float32)}, r"images: row 0 and others .* \[-1, 1\]"),
    ({"images": np.full((2, SIZE, SIZE, 3), np.nan, np.float32)}, "images: row 0"),
    ({"images": "picture.png"}, "images: expected float32, got string"),
    ({"attributes": np.zeros((2, 5), np.float32)}, "4 attributes for each picture"),
    ({"attributes": np.full((2, ATTRIBUTES), np.inf, np.float32)}, "attributes: row 0"),
    ({"attributes": np.zeros((3, ATTRIBUTES), np.float32)}, "attributes: 3 rows, but images has 2"),
    ({"observed": np.zeros((2, SIZE, SIZE, 1), np.float32)}, "observed: row 0 .* nothing is observed"),
    ({"observed": np.full((2, SIZE, SIZE, 1), -1, np.float32)}, "at least 0"),
    ({"seeds": np.zeros((2, 3), np.int32)}, "seeds: expected shape"),
    ({"latents": np.zeros((2, LATENTS + 1), np.float32)}, "latents: expected shape")])
def test_bad_input_gets_one_sentence_before_any_work(linear, wrong, message):
    call, more = make(linear).infer, {}
    if "seeds" in wrong:
        call, more = make(linear).complete, {"observed": half_observed(2)}
    elif "latents" in wrong:
        call, more = make(linear).edit, {"new_attributes": GOOD["attributes"]}
    with pytest.raises(ValueError, match=message):
        call(**(GOOD | more | wrong))


def test_unknown_attributes_need_a_prior(linear):
    with pytest.raises(ValueError, match="no attribute_prior"):
        make(linear).infer_attributes(GOOD["images"])
    with pytest.raises(ValueError, match="has 2 attributes, not 4"):
        LatentOptimizer(linear, Energy(), latent_size=LATENTS, attribute_size=ATTRIBUTES,
                        attribute_prior=AttributePrior(-np.ones(2), np.zeros(2), np.ones(2), np.eye(2)))


@pytest.mark.parametrize("generator, message", [
    (lambda z, y: z, r"not pictures \[B, H, W, 3\]"),
    (lambda z, y: {"pictures": z}, "not pictures"),
    (lambda z, y: {"images": Linear()(z, y), "gates": Linear()(z, y)}, "foregrounds are missing"),
    (lambda z, y: tf.cast(Linear()(z, y), tf.float64), "float64")])
def test_a_generator_that_does_not_fit_is_refused(generator, message):
    with pytest.raises(ValueError, match=message):
        make(generator)


def test_configuration_round_trips_and_is_checked():
    config = OptimizerConfig(memory=3)
    assert OptimizerConfig.from_json(config.to_json()) == config
    assert OptimizerConfig.from_json('{"iterations": 7}') == OptimizerConfig(evaluations=7)  # of older files
    with pytest.raises(ConfigError, match="method='newton'"):
        OptimizerConfig(method="newton")
    with pytest.raises(ConfigError, match="patience=0: expected at least 1"):
        OptimizerConfig(patience=0)
