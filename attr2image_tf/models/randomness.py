"""Noise that is the same however a global batch is spread over replicas.

Every replica draws the numbers of the whole global batch from the same seed and keeps its own rows: a few thousand
numbers more, and training on n devices equals training on one.
"""

import tensorflow as tf

from attr2image_tf.randomness import normal_by_example, stateless_normal

__all__ = ["normal_by_example", "replica_dropout", "replica_normal", "replica_uniform", "split_seed",
           "stateless_normal"]


def replica_normal(batch, size, seed):
    """Standard normal float32 [batch, size]: this replica's rows of the global batch's draw.

    Args:
        batch: rows on this replica, the same number on every replica.
        size: columns.
        seed: int32 [2].
    """
    return _own_rows(stateless_normal, batch, size, seed)


def replica_uniform(batch, size, seed):
    """Uniform float32 [batch, size] in [0, 1), in the way of `replica_normal`."""
    def uniform(shape, seed):
        return tf.random.stateless_uniform(shape, seed, alg="philox")

    return _own_rows(uniform, batch, size, seed)


def replica_dropout(inputs, rate, seed):
    """Dropout on [B, D] with this replica's rows of the global batch's mask: kept values are divided by 1 - rate."""
    uniforms = replica_uniform(tf.shape(inputs)[0], inputs.shape[1], seed)
    return inputs * tf.cast(uniforms >= rate, inputs.dtype) / (1.0 - rate)


def split_seed(seed, count):
    """`count` independent seeds int32 [2] from one."""
    return tf.unstack(tf.random.experimental.stateless_split(seed, count, alg="philox"))


def _own_rows(draw, batch, size, seed):
    context = tf.distribute.get_replica_context()
    everything = draw([batch * context.num_replicas_in_sync, size], seed)
    first = tf.cast(context.replica_id_in_sync_group, tf.int32) * batch
    return everything[first:first + batch]
