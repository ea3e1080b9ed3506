"""Checks of requests inside the exported graphs: a request that cannot be answered fails as INVALID_ARGUMENT with one
sentence that names the input, and the server lives on."""

import tensorflow as tf


def check_rows(limit: int, **tensors):
    """Assertions that all inputs have the same number of rows, from 1 to `limit`, and their rows' static shape.

    Shapes are compared at run time: the loaders do not hold callers to those of a signature, and one number would
    broadcast.
    """
    first, rows = next((name, tf.shape(tensor)[0]) for name, tensor in tensors.items())
    checks = [((rows >= 1) & (rows <= limit), f"{first}: expected from 1 to {limit} rows, got", rows)]
    for name, tensor in tensors.items():
        expected = list(tensor.shape[1:])
        checks += [(tf.reduce_all(tf.equal(tf.shape(tensor)[1:], tf.constant(expected, tf.int32))),
                    f"{name}: expected rows of shape {expected}, got", tf.shape(tensor)),
                   (tf.equal(tf.shape(tensor)[0], rows), f"{name}: expected as many rows as {first}, got",
                    tf.shape(tensor)[0])]
    return [tf.debugging.Assert(condition, [message, value]) for condition, message, value in checks]


def check_finite(**tensors):
    """Assertions that no number is NaN or infinite."""
    return [check_each(tf.math.is_finite(tensor), f"{name}: expected finite numbers, got NaN or infinity")
            for name, tensor in tensors.items()]


def check_unit_range(**tensors):
    """Assertions that all numbers are from 0 to 1."""
    return [check_each((tensor >= 0.0) & (tensor <= 1.0), f"{name}: expected numbers from 0 to 1")
            for name, tensor in tensors.items()]


def check_each(right, message):
    """An assertion that all of bool [B, ...] is true; the message tells the first rows in which it is not."""
    wrong = tf.where(~tf.reduce_all(right, tf.range(1, tf.rank(right))))
    return tf.debugging.Assert(tf.reduce_all(right), [f"{message}; rows", wrong[:3, 0]])
