"""Features of Keras' InceptionV3, in which the published Frechet and kernel distances are measured."""

import functools

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf.evaluation.pictures import in_batches

_SIZE = 299
_BATCH = 16


class Inception:
    """InceptionV3's last 2048 features, or the reason why there are none.

    Args:
        network: keras.Model, or None.
        reason: text where there is no network.

    Call input: pictures uint8 [N, H, W, 3]. Output: float32 [N, 2048].
    """

    def __init__(self, network, reason=""):
        self.network, self.reason = network, reason
        if network is not None:
            self._infer = tf.function(lambda images: network(images, training=False), reduce_retracing=True)

    @classmethod
    @functools.lru_cache(maxsize=1)
    def load(cls) -> "Inception":
        """Keras' weights, from its cache or downloaded; tried once."""
        try:
            return cls(keras.applications.InceptionV3(include_top=False, pooling="avg",
                                                      input_shape=(_SIZE, _SIZE, 3)))
        except Exception as error:  # noqa: BLE001 - Keras raises a bare Exception where a download fails
            return cls(None, f"the weights of InceptionV3 could not be had: {error}")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        def features(rows):
            large = tf.image.resize(tf.cast(images[rows], tf.float32), [_SIZE, _SIZE], "bicubic")
            return self._infer(keras.applications.inception_v3.preprocess_input(large))

        return in_batches(features, len(images), _BATCH)
