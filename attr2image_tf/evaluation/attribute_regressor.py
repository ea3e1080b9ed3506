"""AttributeRegressor: attributes from pictures. It measures whether samples have what was asked for (sec. 5).

A residual network (He et al. 2016), trained on real training pictures only, never on samples. Its accuracy on real
pictures of people it was not trained on is what a perfect model could reach.
"""

import itertools
import json
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.config import ConfigError
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation.config import LEVELS, RegressorConfig
from attr2image_tf.evaluation.pictures import in_batches
from attr2image_tf.files import as_path, replacing

_BATCH = 64
_ERRORS = "errors.npz"


def build(config: RegressorConfig) -> keras.Model:
    """The network: images float32 [B, H, W, 3] in [-1, 1] to a dictionary of features float32 [B, 8 * width] and
    scores float32 [B, A], which are standardised attributes. Its first weights are a function of the seed."""
    seeds = itertools.count(1000 * config.seed)

    def convolution(features, channels, size, stride=1):
        layer = keras.layers.Conv2D(channels, size, stride, padding="same", use_bias=False, dtype="float32",
                                    kernel_initializer=keras.initializers.HeNormal(next(seeds)))
        return keras.layers.BatchNormalization(momentum=0.95, dtype="float32")(layer(features))

    def activation(features):
        return keras.layers.ReLU(dtype="float32")(features)

    images = keras.Input([config.image_size, config.image_size, 3], dtype="float32", name="images")
    features = activation(convolution(images, config.width, 5, 2))
    for level in range(LEVELS):
        for block in range(config.blocks):
            channels, stride = config.width * 2**level, 2 if level and not block else 1
            inner = convolution(activation(convolution(features, channels, 3, stride)), channels, 3)
            straight = features
            if stride == 2:
                # Averaged, not skipped: every pixel reaches the sum.
                straight = keras.layers.AveragePooling2D(2, padding="same", dtype="float32")(straight)
                straight = convolution(straight, channels, 1)
            features = activation(keras.layers.Add(dtype="float32")([inner, straight]))
    features = keras.layers.GlobalAveragePooling2D(dtype="float32")(features)
    features_left = keras.layers.Dropout(config.dropout, seed=next(seeds), dtype="float32")(features)
    scores = keras.layers.Dense(len(config.attribute_mean), dtype="float32",
                                kernel_initializer=keras.initializers.GlorotUniform(next(seeds)))(features_left)
    return keras.Model(images, {"features": features, "scores": scores}, name="attribute_regressor")


class AttributeRegressor:
    """A trained regressor.

    Args:
        network: what `build` gives, trained.
        config: RegressorConfig.
        schema: AttributeSchema of the data set.
        error_covariance: float [A, A], the mean products of its errors on validation pictures, in the data set's units;
            None where it was not measured.

    Example:
        >>> regressor = load("runs/regressor_a")
        >>> attributes, features = regressor(images)

    Call input: pictures [N, H, W, 3], uint8 or float32 in [0, 1]. Output: attributes float32 [N, A] in the data set's
    units, and features float32 [N, F]; the mean over the picture and its mirror image where mirroring changes nothing.

    Raises:
        ValueError: pictures of another size or type.
    """

    def __init__(self, network: keras.Model, config: RegressorConfig, schema: AttributeSchema,
                 error_covariance: np.ndarray | None = None):
        self.network, self.config, self.schema, self.error_covariance = network, config, schema, error_covariance
        size = config.image_size
        self._infer = tf.function(self._both, input_signature=[tf.TensorSpec([None, size, size, 3], tf.float32)])

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images = np.asarray(images)
        size = self.config.image_size
        if images.shape[1:] != (size, size, 3) or not len(images) or images.dtype not in (np.uint8, np.float32):
            raise ValueError(f"images {images.dtype} {list(images.shape)}: expected at least one uint8 or float32 "
                             f"picture, [N, {size}, {size}, 3].")
        ready = pixels.model_range_from_uint8 if images.dtype == np.uint8 else pixels.model_range_from_unit
        return in_batches(lambda rows: self._infer(ready(images[rows])), len(images), _BATCH)

    def check_fits(self, path: str, schema: AttributeSchema, image_size: int):
        """Raises ConfigError, which names the path, unless this is of these attributes and pictures of this size."""
        if self.schema.names != schema.names or self.config.image_size != image_size:
            raise ConfigError(f"regressor {path!r} is of {len(self.schema)} attributes and pictures of "
                              f"{self.config.image_size} pixels; the run has {len(schema)} attributes, "
                              f"maybe others, and {image_size} pixels. Train one on the data set of the run.")

    def read(self, images):
        """Attributes float32 [B, A] of pictures float32 [B, H, W, 3] in [-1, 1], within a graph too."""
        return self._both(images)[0]

    def _both(self, images):
        out = self.network(images, training=False)
        if self.config.flip:
            mirrored = self.network(images[:, :, ::-1], training=False)
            out = {name: 0.5 * (out[name] + mirrored[name]) for name in out}
        mean, deviation = self.config.attribute_mean, self.config.attribute_standard_deviation
        return out["scores"] * tf.constant(deviation) + tf.constant(mean), out["features"]


def save(network: keras.Model, folder: str | os.PathLike):
    """Adds the trained weights to the folder of a regressor, complete or not at all."""
    with replacing(as_path(folder) / "regressor.weights.h5") as beside:
        network.save_weights(beside, overwrite=True)


def measure_errors(regressor: AttributeRegressor, images, attributes) -> np.ndarray:
    """The mean products of a regressor's errors, float64 [A, A], on images uint8 [N, H, W, 3], not of its training,
    whose true attributes are float32 [N, A]."""
    errors = np.float64(regressor(images)[0]) - attributes
    return errors.T @ errors / len(errors)


def save_errors(covariance: np.ndarray, folder: str | os.PathLike):
    """Adds what `measure_errors` gives to the folder of a regressor."""
    with replacing(as_path(folder) / _ERRORS) as beside:
        np.savez(beside, covariance=covariance)


def load(folder: str | os.PathLike) -> AttributeRegressor:
    """The regressor that `trainers.train_regressor` left in a folder.

    Raises:
        ConfigError: there is none, or its training is not finished.
    """
    folder = as_path(folder)
    files_of(folder)
    config = RegressorConfig.from_json((folder / "config.json").read_text())
    network = build(config)
    network.load_weights(folder / "regressor.weights.h5")
    errors = None
    # A folder of an older version has none.
    if (folder / _ERRORS).exists():
        with np.load(folder / _ERRORS) as file:
            errors = file["covariance"]
    return AttributeRegressor(network, config, AttributeSchema.from_json((folder / "schema.json").read_text()), errors)


def files_of(folder: str | os.PathLike) -> list[pathlib.Path]:
    """The files that make a regressor.

    Raises:
        ConfigError: one is not there.
    """
    paths = [as_path(folder) / name for name in ("config.json", "schema.json", "regressor.weights.h5")]
    for path in paths:
        if not path.is_file():
            raise ConfigError(f"{str(folder)!r} has no {path.name}; expected the folder of a finished "
                              "`python -m trainers.train_regressor --output=...`.")
    return paths


def load_accuracy(folder: str | os.PathLike) -> dict:
    """What a regressor's training measured on real test pictures: metrics.json."""
    return json.loads((as_path(folder) / "metrics.json").read_text())
