"""Laws of the prior of unknown attributes."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.inference import minimizers
from attr2image_tf.inference.attribute_prior import AttributePrior


def training_attributes(count=2000):
    """Correlated scores, a one-hot group, and a constant."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 3))
    scores = rng.normal(size=(count, 3)) @ mixing + [1.0, -2.0, 0.0]
    hot = np.eye(3)[rng.integers(0, 3, count)]
    return np.concatenate([scores, hot, np.full((count, 1), 0.7)], 1)


@pytest.fixture(scope="module")
def data():
    return training_attributes()


@pytest.fixture(scope="module")
def prior(data):
    return AttributePrior(data.min(0), data.mean(0), data.max(0), np.cov(data, rowvar=False))


def test_the_mode_is_the_mean_and_a_constant_attribute_stays(prior, data):
    np.testing.assert_allclose(prior.to_attributes(tf.zeros([1, 7]))[0], data.mean(0), atol=1e-6)
    found = prior.to_attributes(tf.random.stateless_normal([50, 7], [0, 0]))
    np.testing.assert_allclose(found[:, 6], 0.7, atol=1e-6)


def test_draws_have_the_training_covariance(prior, data):
    draws = prior.to_attributes(0.3 * tf.random.stateless_normal([50_000, 7], [0, 0])).numpy()
    # At 0.3 standard deviations the bending towards the ends is small.
    np.testing.assert_allclose(np.cov(draws, rowvar=False) / 0.09, np.cov(data, rowvar=False), atol=0.12)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1e6])
def test_the_range_is_never_left_and_gradients_are_finite(prior, data, scale):
    whitened = scale * tf.random.stateless_normal([100, 7], [1, 0])
    with tf.GradientTape() as tape:
        tape.watch(whitened)
        attributes = prior.to_attributes(whitened)
    assert (attributes >= data.min(0).astype(np.float32) - 1e-6).numpy().all()
    assert (attributes <= data.max(0).astype(np.float32) + 1e-6).numpy().all()
    assert np.isfinite(tape.gradient(attributes, whitened)).all()


def test_attributes_of_the_training_data_can_be_reached(prior, data):
    some = tf.constant(data[:100], tf.float32)

    def distance(whitened, rows):
        with tf.GradientTape() as tape:
            tape.watch(whitened)
            squared = tf.reduce_sum(tf.square(prior.to_attributes(whitened) - tf.gather(some, rows)), -1)
        return squared, tape.gradient(squared, whitened)

    again = prior.to_attributes(minimizers.lbfgs(distance, tf.zeros([100, 7]), evaluations=100).points).numpy()
    np.testing.assert_allclose(again[:, :3], some[:, :3], atol=0.1)
    # 0 and 1 are the ends of a range, which are approached only.
    assert (again[:, 3:6].argmax(1) == some[:, 3:6].numpy().argmax(1)).all()


@pytest.mark.parametrize("change, message", [
    ({"covariance": np.eye(3)}, "covariance"), ({"mean": np.full(7, 99.0)}, "outside the range"),
    ({"maximum": np.full(7, np.nan)}, "not finite"), ({"minimum": np.zeros(3)}, "differ in length")])
def test_bad_statistics_get_one_sentence(data, change, message):
    good = {"minimum": data.min(0), "mean": data.mean(0), "maximum": data.max(0), "covariance": np.cov(data.T)}
    with pytest.raises(ValueError, match=message):
        AttributePrior(**(good | change))


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
def test_the_unit_of_attributes_does_not_matter(prior, data, unit):
    scaled = data * unit
    other = AttributePrior(scaled.min(0), scaled.mean(0), scaled.max(0), np.cov(scaled, rowvar=False))
    whitened = tf.random.stateless_normal([50, 7], [2, 0])
    np.testing.assert_allclose(other.to_attributes(whitened) / unit, prior.to_attributes(whitened), rtol=1e-4,
                               atol=1e-5)


def test_draws_are_as_much_narrower_as_the_docstring_says():
    for reach, narrower in ((2.3, 0.86), (3.5, 0.93)):
        prior = AttributePrior([-reach], [0.0], [reach], [[1.0]])
        assert np.std(prior.to_attributes(tf.random.stateless_normal([200_000, 1], [3, 0]))) == pytest.approx(
            narrower, abs=0.01)


def reading_prior(data, read):
    """A prior with a reader that says `read` of every picture, its errors a tenth of the attributes' deviations."""
    covariance = np.cov(data, rowvar=False)
    return AttributePrior(data.min(0), data.mean(0), data.max(0), covariance, error_covariance=covariance / 100,
                          reader=lambda images: tf.tile(read[tf.newaxis], [tf.shape(images)[0], 1]))


def test_a_reader_is_believed_as_far_as_its_errors_and_what_is_observed_allow(prior, data):
    read = np.float32(0.5 * data.mean(0) + 0.5 * data[7])
    reader = reading_prior(data, read)
    images, whitened = tf.zeros([50, 8, 8, 3]), tf.random.stateless_normal([50, 7], [4, 0])
    seen = reader.read(images, tf.ones([50, 8, 8, 1]))
    np.testing.assert_allclose(reader.to_attributes(tf.zeros([50, 7]), seen), np.tile(read, (50, 1)), atol=1e-5)
    # Errors of a tenth leave a tenth of the room.
    moved = reader.to_attributes(whitened, seen) - read
    assert 0.05 < np.std(moved[:, :3]) / np.std(prior.to_attributes(whitened)[:, :3]) < 0.15
    nothing = reader.read(images, tf.zeros([50, 8, 8, 1]))
    np.testing.assert_allclose(reader.to_attributes(whitened, nothing), prior.to_attributes(whitened), atol=1e-6)
    halves = tf.concat([tf.zeros([50, 4, 8, 1]), tf.ones([50, 4, 8, 1])], 1)
    assert reader.read(images, halves).seen.numpy().tolist() == [[0.5]] * 50


def test_what_is_read_out_of_range_ends_within_it(data):
    for far in (-1e3, 1e3):
        reader = reading_prior(data, np.full(7, far, np.float32))
        found = reader.to_attributes(tf.zeros([1, 7]), reader.read(tf.zeros([1, 8, 8, 3]), tf.ones([1, 8, 8, 1])))
        assert np.isfinite(found).all()
        assert (found >= np.float32(data.min(0)) - 1e-6).numpy().all()
        assert (found <= np.float32(data.max(0)) + 1e-6).numpy().all()


def test_a_reader_needs_its_errors(data):
    with pytest.raises(ValueError, match="errors have a covariance"):
        AttributePrior(data.min(0), data.mean(0), data.max(0), np.cov(data.T), reader=lambda images: images,
                       error_covariance=np.eye(3))
