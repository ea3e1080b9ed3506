"""Noise by example: row i is a function of its own seed alone, whatever the batch."""

import tensorflow as tf


def normal_by_example(seeds, shape):
    """Standard normal float32 [B, *shape] of seeds int32 [B, 2].

    The generator is named because the automatic choice differs between devices and under XLA.
    """
    return tf.map_fn(lambda seed: tf.random.stateless_normal(shape, seed, alg="philox"), seeds,
                     fn_output_signature=tf.TensorSpec(shape, tf.float32))


def fold_in(seeds, number):
    """Other seeds int32 [B, 2], independent of those of other numbers."""
    return tf.map_fn(lambda seed: tf.random.experimental.stateless_fold_in(seed, number, alg="philox"), seeds,
                     fn_output_signature=tf.TensorSpec([2], tf.int32))
