"""Checks inputs before any work; errors are one sentence that names the input, the row and what is expected.

Shapes are always checked. Values are checked outside of graphs, where they exist; inside, an example whose numbers are
not finite is reported as diverged.
"""

import numpy as np
import tensorflow as tf


def check_images(images, height, width):
    """float32 [B, H, W, 3], hidden pixels not looked at by this check."""
    return _shaped("images", images, (height, width, 3), "pictures of the generator's size, with 3 channels")


def check_observed(observed, images):
    """float32 [B, H, W, 1], all 1 if None; every picture shows something, and what it shows is in [-1, 1]."""
    if observed is None:
        observed = tf.ones_like(images[..., :1])
    observed = _shaped("observed", observed, (*images.shape[1:3], 1), "one number for each pixel of images")
    _same_rows("observed", observed, "images", images)
    if _has_value(observed):
        values = observed.numpy()
        _refuse("observed", ~(np.isfinite(values) & (values >= 0)), "expected finite numbers of at least 0")
        _refuse("observed", ~(values > 0).any((1, 2, 3)), "nothing is observed; expected at least one pixel above 0")
        if _has_value(images):
            shown = np.where(values > 0, images.numpy(), 0.0)
            # Room for rounding on the way from [0, 255].
            _refuse("images", ~(np.abs(shown) <= 1 + 1e-4), "expected pixels in [-1, 1]")
    return observed


def check_attributes(name, attributes, images, size):
    """float32 [B, A]; one vector [A] is taken for every picture."""
    attributes = _tensor(name, attributes, tf.float32)
    if attributes.shape.rank == 1:
        attributes = tf.repeat(attributes[None], tf.shape(images)[0], axis=0)
    attributes = _shaped(name, attributes, (size,), f"{size} attributes for each picture")
    _same_rows(name, attributes, "images", images)
    if _has_value(attributes):
        _refuse(name, ~np.isfinite(attributes.numpy()), "expected finite numbers")
    return attributes


def check_latents(name, latents, images, size):
    """float32 [B, Z]."""
    latents = _shaped(name, latents, (size,), f"{size} latents for each picture")
    _same_rows(name, latents, "images", images)
    if _has_value(latents):
        _refuse(name, ~np.isfinite(latents.numpy()), "expected finite numbers")
    return latents


def check_seeds(seeds, images):
    """int32 [B, 2], all 0 if None."""
    if seeds is None:
        return tf.zeros([tf.shape(images)[0], 2], tf.int32)
    seeds = _shaped("seeds", seeds, (2,), "two whole numbers for each picture", tf.int32)
    _same_rows("seeds", seeds, "images", images)
    return seeds


def _shaped(name, value, inner, meaning, dtype=tf.float32):
    tensor = _tensor(name, value, dtype)
    if not tensor.shape.is_compatible_with((None, *inner)):
        raise ValueError(f"{name}: expected shape {_text((None, *inner))}, {meaning}; got {_text(tensor.shape)}.")
    if tensor.shape.rank and tensor.shape[0] == 0:
        raise ValueError(f"{name}: expected at least one row, got none.")
    return tf.ensure_shape(tensor, (None, *inner))


def _tensor(name, value, dtype):
    try:
        tensor = tf.convert_to_tensor(value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: expected numbers of one shape, got {type(value).__name__} that is not a tensor "
                         f"({error}).") from None
    if tensor.dtype == dtype:
        return tensor
    # uint8 pixels or whole seeds given as floats are mistakes of range, not of precision.
    if not (tensor.dtype.is_floating and dtype.is_floating or tensor.dtype.is_integer and (
            dtype.is_integer or name != "images")):
        raise ValueError(f"{name}: expected {dtype.name}, got {tensor.dtype.name}.")
    return tf.cast(tensor, dtype)


def _same_rows(name, tensor, other_name, other):
    rows, others = tensor.shape[0], other.shape[0]
    if rows is not None and others is not None and rows != others:
        raise ValueError(f"{name}: {rows} rows, but {other_name} has {others}.")


def _has_value(tensor):
    return hasattr(tensor, "numpy")


def _refuse(name, wrong, expected):
    rows = np.flatnonzero(wrong.reshape(len(wrong), -1).any(1))
    if len(rows):
        raise ValueError(f"{name}: row {rows[0]} {'and others are' if len(rows) > 1 else 'is'} not usable; {expected}.")


def _text(shape):
    return "[" + ", ".join("B" if place == 0 and size is None else str(size)
                           for place, size in enumerate(tuple(shape))) + "]"
