"""What an edit draws anew of a photo, and what it keeps.

The model's pictures before and after a change are soft. Where they differ little their difference is added to the
photo, as edits without a second stage add it everywhere (`inference.editing.carry_over`). Where they differ much in
what is fine, a mouth that opens or glasses that appear, the photo's own mouth would stay beneath: there the detail is
drawn anew. Where nothing changed every pixel is the photo's.
"""

import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.inference.editing import carry_over

# In shares of the model's picture: what is wider than the first is not fine; colour is smoothed over the second, since
# the difference of two soft pictures has noise in green and pink.
_FINE, _SMOOTH_COLOUR = 0.045, 0.09
# Fine differences, in units of pixels in [-1, 1]: below the first everything is kept, above the second nothing. Lower
# ones redraw half of a face, and the person goes.
_KEPT, _REDRAWN = 0.2, 0.4
# How far what is drawn anew reaches beyond what changed, and over what its edge fades, in shares of the picture.
_REACH, _EDGE = 0.03, 0.02
# What the model missed of a photo, eyes in their place and glasses, is drawn with what it draws, smoothed over this
# share of the picture, so that nothing fine of the photo's own mouth stays beneath the new one.
_MISSED = 0.01
# Every change is less by this, two levels of 255, which nobody sees: most of a photo stays as it is.
_NOTHING = 2.0 / 127.5
# A photo whose colours are no further from grey than this, a level of 255, has none, and gets none.
_GREY = 1.0 / 127.5


def redrawn(before, after):
    """How far a photo has to be drawn anew.

    Args:
        before, after: float32 [B, H, W, 3] in [-1, 1], the model's pictures.

    Returns:
        float32 [B, H, W, 1] in [0, 1], 1 where nothing of the photo's own detail can stay.
    """
    size, change = before.shape[1], after - before
    fine = tf.reduce_max(tf.abs(change - _inner_blur(change, _FINE * size)), -1, keepdims=True)
    reach = 2 * max(1, round(_REACH * size)) + 1
    spread = _inner_blur(tf.nn.max_pool2d(fine, reach, 1, "SAME"), _EDGE * size)
    share = tf.clip_by_value((spread - _KEPT) / (_REDRAWN - _KEPT), 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def added(photo, before, after):
    """What is added to a photo where it is not drawn anew, float32 [B, S, S, 3].

    Args:
        photo: float32 [B, S, S, 3] in [-1, 1].
        before, after: what the model draws, as `carry_over` takes it, at the photo's size.
    """
    change = carry_over(photo, before, after) - photo
    light = tf.reduce_mean(change, -1, keepdims=True)
    change = light + _inner_blur(change - light, _SMOOTH_COLOUR * photo.shape[1])
    return tf.sign(change) * tf.nn.relu(tf.abs(change) - _NOTHING)


def edit(flow, photo, before, after, attributes, seeds):
    """A photo as it would be with other attributes.

    Args:
        flow: DetailFlow.
        photo: float32 [B, S, S, 3] in [-1, 1].
        before, after: dictionaries of layers [B, H, W, C] as `carry_over` takes them, what the model draws for the
            attributes found and for the new ones.
        attributes: float32 [B, A], the new ones, standardised.
        seeds: int32 [B, 2]. Of what is drawn anew.

    Returns:
        The pictures float32 [B, S, S, 3] in [-1, 1], and kept float32 [B, S, S, 1], how far the photo's own detail is.
    """
    kept = 1.0 - tf.clip_by_value(flow.enlarge(redrawn(before["images"], after["images"])), 0.0, 1.0)
    # Bicubic leaves traces where there is nothing.
    kept = tf.where(kept > 0.999, 1.0, kept)
    large = ({name: flow.enlarge(layers[name]) for name in layers} for layers in (before, after))
    changed = tf.clip_by_value(photo + added(photo, *large), -1.0, 1.0)
    missed = flow.reduce(photo, before["images"].shape[1]) - before["images"]
    coarse = tf.clip_by_value(after["images"] + _inner_blur(missed, _MISSED * missed.shape[1]), -1.0, 1.0)
    drawn = flow.draw(coarse, attributes, seeds, changed, kept)
    light = tf.reduce_mean(photo, -1, keepdims=True)
    grey = tf.reduce_max(tf.abs(photo - light), [1, 2, 3], keepdims=True) <= _GREY
    drawn = tf.where(grey, tf.reduce_mean(drawn, -1, keepdims=True), drawn)
    # To the last bit, where neither added to nor drawn anew.
    same = tf.reduce_all(changed == photo, -1, keepdims=True) & (kept == 1.0)
    return tf.where(same, photo, drawn), kept


def _inner_blur(pictures, width):
    """A Gaussian mean over what lies within the picture."""
    return pixels.blur(pictures, width) / pixels.blur(tf.ones_like(pictures[..., :1]), width)
