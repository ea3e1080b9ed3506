"""Random numbers that are a function of their seed alone: on every device, under XLA, whatever the batch.

The generator is named (Philox) because the automatic choice differs between devices and under XLA.
"""

import numpy as np

from attr2image_tf.later import tf


def seed_rows(seed: int, count: int) -> np.ndarray:
    """Seeds int32 [count, 2] of so many pictures of one seed: row i is (seed, i)."""
    return np.stack([np.full(count, seed), np.arange(count)], -1).astype(np.int32)


def stateless_normal(shape, seed):
    """Standard normal float32 of one seed int32 [2]."""
    return tf.random.stateless_normal(shape, seed, alg="philox")


def normal_by_example(seeds, size):
    """Standard normal float32 [B, size], row i a pure function of seeds[i].

    Args:
        seeds: int32 [B, 2].
        size: columns.
    """
    return tf.map_fn(lambda seed: stateless_normal([size], seed), seeds, fn_output_signature=tf.float32)


def fold_in(seed, number):
    """Another seed int32 [2], independent of those of other numbers."""
    return tf.random.experimental.stateless_fold_in(seed, number, alg="philox")
