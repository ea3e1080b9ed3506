"""Masks for pictures that have none: a small U-Net (Ronneberger et al. 2015), trained on the pictures that have one.

It knows no data set: it takes arrays and gives arrays. A trained network is a folder with `config.json`,
`network.weights.h5` and `metrics.json`, complete or absent.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf import images as pixels
from attr2image_tf.data.errors import DataError


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a foreground network is built and trained.

    Attributes:
        epochs: int. Passes over the training pictures; the learning rate falls to zero over them.
        batch_size: int.
        learning_rate: float. The largest; Adam with weight decay.
        widths: channels by level; each level has half the resolution of the one before.
        seed: int. Of the weights, the order and the augmentation.
    """

    epochs: int = 16
    batch_size: int = 32
    learning_rate: float = 3e-3
    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    seed: int = 0


def build(image_size: int, widths: tuple[int, ...]) -> keras.Model:
    """The network: images float32 [B, H, W, 3] in [-1, 1] to logits of the foreground, float32 [B, H, W, 1].

    Raises:
        ValueError: the image size cannot be halved once for each level but the first.
    """
    if image_size % 2 ** (len(widths) - 1):
        raise ValueError(f"a foreground network with {len(widths)} levels needs an image size divisible by "
                         f"{2 ** (len(widths) - 1)}, got {image_size}.")

    def block(features, channels, convolutions):
        for _ in range(convolutions):
            features = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False)(features)
            features = keras.layers.BatchNormalization(momentum=0.9)(features)
            features = keras.layers.ReLU()(features)
        return features

    inputs = keras.Input([image_size, image_size, 3], name="images")
    # One convolution at full resolution, where they cost most; two below it.
    features = block(inputs, widths[0], 1)
    skips = []
    for width in widths[1:]:
        skips.append(features)
        features = block(keras.layers.MaxPooling2D()(features), width, 2)
    features = keras.layers.Dropout(0.3)(features)
    for level, (width, skip) in enumerate(zip(widths[-2::-1], skips[::-1], strict=True)):
        # Narrowed before it is enlarged: a quarter of the work of the other order.
        features = keras.layers.UpSampling2D()(keras.layers.Conv2D(width, 1)(features))
        features = block(keras.layers.Concatenate()([features, skip]), width, 2 if level < len(skips) - 1 else 1)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1, name="logits")(features), name="foreground")


def train(training: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray],
          folder: str | os.PathLike, settings: Settings) -> dict[str, float]:
    """Trains a network and writes it to a folder, in place of the one that is there.

    Args:
        training: images uint8 [N, H, W, 3] and masks uint8 [N, H, W, 1].
        held_out: the same, of other people; measured once, at the end.
        folder: where the network goes.

    Returns:
        what `measure` says of the held-out masks, and `examples`, `held_out_examples`, `seconds`.
    """
    started = time.monotonic()
    folder = pathlib.Path(folder)
    logging.info("Training a foreground network on %d masks (%d held out) for %d epochs", len(training[0]),
                 len(held_out[0]), settings.epochs)
    keras.utils.set_random_seed(settings.seed)
    network = build(training[0].shape[1], settings.widths)
    steps = -(-len(training[0]) // settings.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(0.0, steps * settings.epochs, warmup_target=settings.learning_rate,
                                                      warmup_steps=min(steps, steps * settings.epochs // 10))
    network.compile(keras.optimizers.AdamW(schedule, weight_decay=1e-3),
                    keras.losses.BinaryCrossentropy(from_logits=True),
                    metrics=[keras.metrics.BinaryAccuracy(threshold=0.0, name="pixel_accuracy")])
    network.fit(_batches(*training, settings), epochs=settings.epochs, verbose=2,
                callbacks=[keras.callbacks.TerminateOnNaN()])
    metrics = measure(network, *held_out) | {"examples": len(training[0]), "held_out_examples": len(held_out[0]),
                                             "seconds": round(time.monotonic() - started, 1)}
    _write(network, training[0].shape[1], settings, metrics, folder)
    logging.info("Trained the foreground network in %.0f s: on held-out people pixel accuracy %.4f, foreground IoU "
                 "%.4f; written to %s", metrics["seconds"], metrics["pixel_accuracy"], metrics["foreground_iou"], folder)
    return metrics


def predict(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Soft masks uint8 [N, H, W, 1] (255 = surely foreground) of images uint8 [N, H, W, 3].

    The mean over the picture and its mirror image.
    """
    masks = []
    for start in range(0, len(images), 256):
        batch = pixels.model_range_from_uint8(images[start:start + 256])
        logits = _call(network, tf.concat([batch, batch[:, :, ::-1]], 0))
        straight, mirrored = tf.split(tf.sigmoid(logits), 2)
        masks.append(pixels.uint8_from_unit((straight + mirrored[:, :, ::-1]) / 2).numpy())
    return np.concatenate(masks) if masks else np.zeros(images.shape[:3] + (1,), np.uint8)


def measure(network: keras.Model, images: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """`agreement` of predicted with drawn masks."""
    return agreement(predict(network, images), masks)


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
    def augment(image, mask, seed):
        seeds = tf.random.split(seed, 5)
        image, mask = pixels.model_range_from_uint8(image), tf.cast(mask, tf.float32) / 255.0
        flip = tf.random.stateless_uniform([], seeds[0]) < 0.5
        image, mask = tf.cond(flip, lambda: (image[:, ::-1], mask[:, ::-1]), lambda: (image, mask))
        # Colours of light and skin, brightness, contrast: the drawn masks show fewer of them than the other pictures.
        gains = tf.random.stateless_uniform([3], seeds[1], 0.85, 1.15) * tf.random.stateless_uniform([], seeds[2], 0.7, 1.3)
        shift = tf.random.stateless_uniform([], seeds[3], -0.2, 0.2)
        grey = tf.random.stateless_uniform([], seeds[4]) < 0.1
        image = tf.cond(grey, lambda: tf.repeat(tf.reduce_mean(image, -1, keepdims=True), 3, -1), lambda: image)
        return tf.clip_by_value(image * gains + shift, -1.0, 1.0), mask

    dataset = tf.data.Dataset.from_tensor_slices((images, masks))
    dataset = dataset.shuffle(len(images), seed=settings.seed, reshuffle_each_iteration=True)
    dataset = tf.data.Dataset.zip(dataset, tf.data.Dataset.random(seed=settings.seed, rerandomize_each_iteration=True)
                                  .batch(2))
    return (dataset.map(lambda example, seed: augment(*example, seed), num_parallel_calls=tf.data.AUTOTUNE)
            .batch(settings.batch_size).prefetch(2))


@tf.function(reduce_retracing=True)
def _call(network, images):
    return network(images, training=False)


def _write(network, image_size, settings, metrics, folder):
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        network.save_weights(beside / "network.weights.h5")
        (beside / "config.json").write_text(json.dumps({"image_size": image_size,
                                                        "settings": dataclasses.asdict(settings)}, indent=2))
        (beside / "metrics.json").write_text(json.dumps(metrics, indent=2))
        beside.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
