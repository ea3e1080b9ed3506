"""A two-sample test by a classifier: how well a small network tells drawn pictures from photos of people it never saw.

An accuracy of 0.5 on people who took no part in its training means that it cannot. Reference: Lopez-Paz and Oquab,
Revisiting classifier two-sample tests, ICLR 2017.
"""

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf.evaluation.pictures import in_batches

# Steps at most, and passes over the pictures at most; pictures of each kind in a batch.
_STEPS, _PASSES, _BATCH, _RATE = 500, 60, 32, 2e-3
_CHANNELS = (24, 48, 96, 96)


def tell_apart(drawn: np.ndarray, real: np.ndarray, drawn_people: np.ndarray, real_people: np.ndarray, *,
               seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Whether each picture is told right by a network trained on the other half of the people.

    Args:
        drawn, real: uint8 [N, S, S, 3] and [M, S, S, 3].
        drawn_people, real_people: texts [N] and [M]; nobody is in both halves.
        seed: int. Of the halves, the network and its batches.

    Returns:
        float64 [N + M], 1 where right, and the people [N + M]. Of fewer than two people nothing can be told: NaN.
    """
    images, people = np.concatenate([drawn, real]), np.concatenate([drawn_people, real_people])
    labels = np.repeat(np.float32([1.0, 0.0]), [len(drawn), len(real)])
    known, members = np.unique(people, return_inverse=True)
    first_half = np.random.default_rng(seed).permutation(len(known))[members] < len(known) // 2
    right = np.full(len(images), np.nan)
    for half in (first_half, ~first_half):
        # There must be both kinds to learn from, and others to judge.
        if len(set(labels[half])) == 2 and not half.all():
            right[~half] = (_train(images[half], labels[half], seed)(images[~half]) > 0.0) == labels[~half]
    return right, people


def _train(images, labels, seed):
    """Function of pictures uint8 to the log-odds that they are drawn, float32 [N]."""
    network, random = _build(images.shape[1:], seed), np.random.default_rng(seed)
    steps = max(1, min(_STEPS, _PASSES * len(images) // (2 * _BATCH)))
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(_RATE, steps), weight_decay=1e-3)
    optimizer.build(network.trainable_variables)
    kinds = [np.flatnonzero(labels == kind) for kind in (0.0, 1.0)]

    @tf.function(reduce_retracing=True)
    def step(batch, told):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(told, network(_scaled(batch))[:, 0]))
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)

    told = tf.constant(np.repeat(np.float32([0.0, 1.0]), _BATCH))
    for _ in range(steps):
        # As many of each kind, mirrored half of the time.
        batch = images[np.concatenate([random.choice(kind, _BATCH) for kind in kinds])]
        mirrored = random.random(2 * _BATCH) < 0.5
        step(tf.constant(np.where(mirrored[:, np.newaxis, np.newaxis, np.newaxis], batch[:, :, ::-1], batch)), told)
    judge = tf.function(lambda batch: network(_scaled(batch))[:, 0], reduce_retracing=True)
    return lambda pictures: in_batches(lambda rows: judge(tf.constant(pictures[rows])), len(pictures), 256)


def _build(shape, seed):
    layers, initializer = [keras.Input(shape)], keras.initializers.HeNormal
    for index, channels in enumerate(_CHANNELS):
        layers += [keras.layers.Conv2D(channels, 3, strides=2, padding="same",
                                       kernel_initializer=initializer(seed=seed + index)),
                   keras.layers.GroupNormalization(8), keras.layers.ReLU()]
    return keras.Sequential([*layers, keras.layers.GlobalAveragePooling2D(),
                             keras.layers.Dense(1, kernel_initializer="zeros")])


def _scaled(images):
    return tf.cast(images, tf.float32) / 127.5 - 1.0
