"""What is kept of a photo: masks at random, for training."""

import tensorflow as tf

from attr2image_tf.models import randomness

# Shares of training pictures of which nothing is kept (samples) and all but a box (completions); of the others all but
# soft spots (edits).
_NOTHING, _BOX = 0.4, 0.3
_SPOTS = 4
# Where mouth, eyes and hair of a face are most often, in shares of the picture: spots are dealt around these.
_PLACES = ((0.51, 0.72), (0.37, 0.43), (0.64, 0.43), (0.5, 0.12))


def draw(rows, size: int, seed):
    """Masks float32 [rows, size, size, 1], 1 where the photo is kept: of some pictures nothing, of some all but a box
    with a hard edge, of the others all but a few soft spots. These are rows of the global batch, see `randomness`.

    Args:
        rows: on this replica.
        size: int, pixels.
        seed: int32 [2].
    """
    uniforms = randomness.replica_uniform(rows, 5 + 4 * _SPOTS, seed)
    kind, left, top, width, height = tf.unstack(uniforms[:, :5], axis=1)
    x = (tf.range(size, dtype=tf.float32) + 0.5) / size
    width, height = 0.1 + 0.6 * width, 0.1 + 0.6 * height

    def within(start, extent):
        start = start[:, tf.newaxis] * (1.0 - extent[:, tf.newaxis])
        return tf.cast((x > start) & (x < start + extent[:, tf.newaxis]), tf.float32)

    box = within(top, height)[:, :, tf.newaxis] * within(left, width)[:, tf.newaxis]
    spots = tf.reshape(uniforms[:, 5:], [-1, _SPOTS, 4])
    places = tf.constant(_PLACES)
    across, down = (places[:, axis] + 0.3 * (spots[..., axis] - 0.5) for axis in (0, 1))
    radius = 0.05 + 0.2 * spots[..., 2]
    # A spot is there half of the time; the first always is.
    there = tf.cast((spots[..., 3] < 0.5) | (tf.range(_SPOTS) == 0), tf.float32)
    distance = tf.sqrt(tf.square((x - across[..., tf.newaxis]) / radius[..., tf.newaxis])[:, :, tf.newaxis]
                       + tf.square((x - down[..., tf.newaxis]) / radius[..., tf.newaxis])[..., tf.newaxis])
    spot = tf.reduce_max(there[..., tf.newaxis, tf.newaxis] * tf.clip_by_value(3.0 * (1.0 - distance), 0.0, 1.0), 1)
    kind = kind[:, tf.newaxis, tf.newaxis]
    drawn_anew = tf.where(kind < _NOTHING, 1.0, tf.where(kind < _NOTHING + _BOX, box, spot))
    return (1.0 - drawn_anew)[..., tf.newaxis]
