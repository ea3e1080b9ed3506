"""Masks for pictures that have none: a small U-Net (Ronneberger et al. 2015), trained on the pictures that have one.

It knows no data set: it takes arrays and gives arrays. A trained network is a folder with `config.json`,
`network.weights.h5` and `metrics.json`, complete or absent.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Mapping

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.data.errors import DataError
from attr2image_tf.files import replacing_folder
from attr2image_tf.later import keras, tf

# Masks of larger pictures are predicted at this size and enlarged: their outlines are hardly finer, and would take four
# times as long to learn.
LARGEST_SIZE = 64
# Pictures predicted at a time: 256 took a quarter less time, but 4 GB of memory instead of 1.
_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a foreground network is built and trained.

    Attributes:
        epochs: passes over the training pictures; the learning rate falls to zero over them.
        batch_size: pictures per step.
        learning_rate: peak learning rate of Adam, which has weight decay.
        widths: channels by level; each level has half the resolution of the one before.
        seed: seed of the weights, the order and the augmentation.
    """

    epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 3e-3
    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    seed: int = 0


def build(image_size: int, widths: tuple[int, ...], seed: int = 0) -> keras.Model:
    """The network: images float32 [B, H, W, 3] in [-1, 1] to logits of the foreground, float32 [B, H, W, 1].

    Raises:
        ValueError: the image size cannot be halved once for each level but the first.
    """
    if image_size % 2 ** (len(widths) - 1):
        raise ValueError(f"a foreground network with {len(widths)} levels needs an image size divisible by "
                         f"{2 ** (len(widths) - 1)}, got {image_size}.")
    # Seeds and number type are given to each layer, so that a caller's global state neither matters nor changes.
    seeds = itertools.count(1000 * seed)

    def layer(kind, *arguments, **options):
        return kind(*arguments, dtype="float32", **options)

    def convolution(channels, size, **options):
        return layer(keras.layers.Conv2D, channels, size, padding="same",
                     kernel_initializer=keras.initializers.HeNormal(next(seeds)), **options)

    def block(features, channels, convolutions):
        for _ in range(convolutions):
            features = convolution(channels, 3, use_bias=False)(features)
            features = layer(keras.layers.BatchNormalization, momentum=0.9)(features)
            features = layer(keras.layers.ReLU)(features)
        return features

    inputs = keras.Input([image_size, image_size, 3], dtype="float32", name="images")
    # One convolution at full resolution, where it costs most; two below it.
    features = block(inputs, widths[0], 1)
    skips = []
    for width in widths[1:]:
        skips.append(features)
        features = block(layer(keras.layers.MaxPooling2D)(features), width, 2)
    features = layer(keras.layers.Dropout, 0.3, seed=next(seeds))(features)
    for width, skip in zip(widths[-2::-1], skips[::-1], strict=True):
        # Narrowed before it is enlarged: a quarter of the work of the other order.
        features = layer(keras.layers.UpSampling2D)(convolution(width, 1)(features))
        features = block(layer(keras.layers.Concatenate)([features, skip]), width, 1 if skip is skips[0] else 2)
    return keras.Model(inputs, convolution(1, 1, name="logits")(features), name="foreground")


def train(images: np.ndarray, masks: np.ndarray, settings: Settings) -> keras.Model:
    """A network trained on images uint8 [N, H, W, 3] and masks uint8 [N, H, W, 1].

    Raises:
        DataError: training diverged.
    """
    network = build(images.shape[1], settings.widths, settings.seed)
    steps = -(-len(images) // settings.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps * settings.epochs)
    network.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-3),
                    keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
    history = network.fit(_batches(images, masks, settings), epochs=settings.epochs, shuffle=False, verbose=2,
                          callbacks=[keras.callbacks.TerminateOnNaN()])
    if not np.isfinite(history.history["loss"]).all():
        raise DataError(f"training the foreground network diverged at learning rate {settings.learning_rate}; expected "
                        "a finite loss. Train with another seed or a lower rate.")
    # Without the state of the optimiser, which is twice the size of the network.
    trained = build(images.shape[1], settings.widths, settings.seed)
    trained.set_weights(network.get_weights())
    return trained


def predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Soft masks uint8 [N, H, W, 1] (255 = surely foreground) of images uint8 [N, H, W, 3].

    The mean over the picture and its mirror image; at the network's size, and enlarged where pictures are larger.
    """
    masks, size = [], network.input_shape[1]
    for start in range(0, len(images), _BATCH):
        batch = pixels.model_range_from_uint8(images[start:start + _BATCH])
        if batch.shape[1] != size:
            batch = tf.image.resize(batch, [size, size], antialias=True)
        logits = network(tf.concat([batch, batch[:, :, ::-1]], 0), training=False)
        straight, mirrored = tf.split(tf.sigmoid(logits), 2)
        mask = (straight + mirrored[:, :, ::-1]) / 2
        masks.append(pixels.uint8_from_unit(tf.image.resize(mask, images.shape[1:3])).numpy())
    return np.concatenate(masks) if masks else np.zeros(images.shape[:3] + (1,), np.uint8)


def agreement(predicted: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """How well masks agree, both uint8 [N, H, W, 1] and cut at one half.

    Returns:
        pixel_accuracy: share of pixels on the same side.
        foreground_iou: intersection over union of the foregrounds, counted over all pictures.
        foreground_iou_of_the_worst_twentieth: the mean over the 5 % of pictures with the lowest one of their own.
    """
    predicted, drawn = predicted > 127, drawn > 127
    axes = (1, 2, 3)
    intersections, unions = (predicted & drawn).sum(axes), (predicted | drawn).sum(axes)
    each = np.sort(np.where(unions > 0, intersections / np.maximum(unions, 1), 1.0))
    return {"pixel_accuracy": float((predicted == drawn).mean()),
            "foreground_iou": float(intersections.sum() / max(unions.sum(), 1)),
            "foreground_iou_of_the_worst_twentieth": float(each[:max(1, len(each) // 20)].mean())}


def save(network: keras.Model, folder: str | os.PathLike, settings: Settings, metrics: Mapping[str, float]) -> None:
    """Writes a network into a folder, in place of what is there; complete or not at all."""
    with replacing_folder(folder) as beside:
        network.save_weights(beside / "network.weights.h5")
        (beside / "config.json").write_text(json.dumps({"image_size": network.input_shape[1],
                                                        "settings": dataclasses.asdict(settings)}, indent=2))
        (beside / "metrics.json").write_text(json.dumps(dict(metrics), indent=2))


def network_dir(image_size: int, root: str | os.PathLike) -> pathlib.Path:
    """Where the network for pictures of a size lies in a folder of prepared sets; it learns from the drawn masks of
    LFW."""
    return pathlib.Path(root) / "foreground" / f"lfw_attributes-{min(image_size, LARGEST_SIZE)}"


def is_trained(folder: str | os.PathLike) -> bool:
    """Whether a folder holds a network."""
    return (pathlib.Path(folder) / "metrics.json").is_file()


def load(folder: str | os.PathLike) -> keras.Model:
    """The network in a folder.

    Raises:
        DataError: there is none, or its files do not belong together.
    """
    folder = pathlib.Path(folder)
    if not is_trained(folder):
        raise DataError(f"{folder} holds no foreground network. Run python -m trainers.train_foreground.")
    try:
        config = json.loads((folder / "config.json").read_text())
        network = build(config["image_size"], tuple(config["settings"]["widths"]))
        network.load_weights(folder / "network.weights.h5")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"the foreground network in {folder} cannot be read ({error}). Delete the folder and run "
                        "python -m trainers.train_foreground.") from error
    return network


def _batches(images, masks, settings):
    examples = tf.data.Dataset.from_tensor_slices((images, masks))
    examples = examples.shuffle(len(images), seed=settings.seed, reshuffle_each_iteration=True)
    seeds = tf.data.Dataset.random(seed=settings.seed, rerandomize_each_iteration=True).batch(2)
    return (tf.data.Dataset.zip(examples.batch(settings.batch_size), seeds)
            .map(lambda batch, seed: augment(*batch, seed), num_parallel_calls=2).prefetch(2))


def augment(images: tf.Tensor, masks: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors and moves picture and mask a little, and changes the colours of the picture, at random.

    Args:
        images: uint8 [B, H, W, 3].
        masks: uint8 [B, H, W, 1].
        seed: integers [2].

    Returns:
        images float32 in [-1, 1] and masks float32 in [0, 1].
    """
    images, masks = pixels.model_range_from_uint8(images), tf.cast(masks, tf.float32) / 255.0
    seeds = tf.unstack(tf.random.split(seed, 8))
    count, size = tf.shape(images)[0], tf.cast(tf.shape(images)[1], tf.float32)

    def draw(low, high, *shape):
        return tf.random.stateless_uniform([count, *shape], seeds.pop(), low, high)

    moves = _moves(mirrored=draw(0.0, 1.0) < 0.5, angles=draw(-0.12, 0.12), scales=draw(0.9, 1.1),
                   shifts=draw(-0.05, 0.05, 2) * size, centre=(size - 1.0) / 2.0)
    images, masks = (tf.raw_ops.ImageProjectiveTransformV3(
        images=values, transforms=moves, output_shape=tf.shape(values)[1:3], fill_value=0.0, interpolation="BILINEAR",
        fill_mode="REFLECT") for values in (images, masks))
    grey = tf.cast(draw(0.0, 1.0, 1, 1, 1) < 0.1, tf.float32)
    images += grey * (tf.reduce_mean(images, -1, keepdims=True) - images)
    images = images * draw(0.7, 1.3, 1, 1, 1) * draw(0.9, 1.1, 1, 1, 3) + draw(-0.2, 0.2, 1, 1, 1)
    return tf.clip_by_value(images, -1.0, 1.0), masks


def _moves(mirrored, angles, scales, shifts, centre):
    # Rows of ImageProjectiveTransform: the place in the input of each place (x, y) of the output.
    cosines, sines = tf.cos(angles) * scales, tf.sin(angles) * scales
    sign = tf.where(mirrored, -1.0, 1.0)
    zero = tf.zeros_like(angles)
    return tf.stack([
        sign * cosines, -sines, centre - centre * (sign * cosines - sines) + shifts[:, 0],
        sign * sines, cosines, centre - centre * (sign * sines + cosines) + shifts[:, 1], zero, zero], -1)
