"""Laws of filling in."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.inference.completion import fill_in


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    images, decoded = (tf.constant(rng.uniform(-0.5, 0.5, (2, 16, 16, 3)), tf.float32) for _ in range(2))
    observed = np.ones((2, 16, 16, 1), np.float32)
    observed[:, 4:, 5:] = 0
    return images, decoded, observed


@pytest.mark.parametrize("seam_width", [0.0, 1.5])
def test_observed_pixels_are_kept_exactly_and_hidden_ones_are_never_read(scene, seam_width):
    images, decoded, observed = scene
    filled = fill_in(images, decoded, observed, seam_width=seam_width).numpy()
    seen = np.broadcast_to(observed > 0, filled.shape)
    np.testing.assert_array_equal(filled[seen], images.numpy()[seen])
    unknown = tf.where(observed > 0, images, float("nan"))
    np.testing.assert_array_equal(fill_in(unknown, decoded, observed, seam_width=seam_width), filled)
    assert np.abs(filled).max() <= 1


def test_without_blending_hidden_pixels_are_the_decoded(scene):
    images, decoded, observed = scene
    hidden = np.broadcast_to(observed == 0, decoded.shape)
    np.testing.assert_array_equal(fill_in(images, decoded, observed, seam_width=0.0).numpy()[hidden],
                                  decoded.numpy()[hidden])


def test_a_step_at_the_seam_is_spread_into_the_hidden_part_and_fades(scene):
    _, decoded, observed = scene
    filled = fill_in(decoded + 0.2, decoded, observed).numpy()
    lift = (filled - decoded.numpy())[0, :, 12, 0]  # down a column; rows from 4 are hidden
    np.testing.assert_allclose(lift[:4], 0.2, atol=1e-6)
    assert lift[4] > 0.12 and (np.diff(lift[4:]) <= 1e-6).all()
    np.testing.assert_allclose(lift[10:], 0.0, atol=1e-6)


def test_shares_mix(scene):
    images, decoded, observed = scene
    filled = fill_in(images, decoded, tf.fill(observed.shape, 0.25), seam_width=0.0)
    np.testing.assert_allclose(filled, 0.25 * images + 0.75 * decoded, atol=1e-6)
