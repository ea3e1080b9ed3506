"""What InceptionV3 is given, and what is said where it cannot be had; its weights are not downloaded here."""

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf.evaluation.inception import Inception


def test_pictures_come_at_its_size_and_in_its_range():
    seen = []

    def network(images, training):
        assert not training
        seen.append(images.shape[1:])
        return tf.reduce_mean(images, [1, 2])

    images = np.zeros((20, 64, 64, 3), np.uint8)
    images[:, :, :, 0], images[7] = 255, 51
    features = Inception(network)(images)
    np.testing.assert_allclose(features[0], [1.0, -1.0, -1.0], atol=1e-5)
    np.testing.assert_allclose(features[7], -0.6, atol=2e-3)  # the kernel is tabulated
    assert features.shape == (20, 3) and set(seen) == {(299, 299, 3)}


def test_a_download_that_fails_is_reported(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure: no such host")  # noqa: TRY002 - what Keras does

    monkeypatch.setattr(keras.applications, "InceptionV3", fail)
    Inception.load.__func__.cache_clear()
    try:
        assert Inception.load().network is None
        assert "URL fetch failure: no such host" in Inception.load().reason
    finally:
        Inception.load.__func__.cache_clear()
