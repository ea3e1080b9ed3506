"""What an edit draws anew of a photo, and what it keeps.

The model's pictures before and after a change differ in two ways. What is fine, a mouth that opens or glasses that
appear, cannot be added to a photo, whose own mouth would stay beneath: there the detail is drawn anew. What is smooth,
light or a tan, is added, and the photo's own detail stays. Where nothing changed every pixel is the photo's.
"""

import tensorflow as tf

from attr2image_tf import pixels

# In shares of the model's picture: what is wider than this is smooth; colour is smoothed wider, since the difference of
# two soft pictures has noise in green and pink.
_SMOOTH, _SMOOTH_COLOUR = 0.045, 0.09
# Fine differences, in units of pixels in [-1, 1]: below the first everything is kept, above the second nothing.
_KEPT, _REDRAWN = 0.10, 0.26
# How far what is drawn anew reaches beyond what changed, and over what its edge fades, in shares of the picture.
_REACH, _EDGE = 0.05, 0.025
# Changes below this, half a level of 255, are none.
_NOTHING = 0.5 / 127.5


def split_change(before, after):
    """A change parted into what is smooth and how far it is fine.

    Args:
        before, after: float32 [B, H, W, 3] in [-1, 1], the model's pictures.

    Returns:
        smooth float32 [B, H, W, 3], to be added to a photo, and redrawn float32 [B, H, W, 1] in [0, 1], 1 where the
        photo has to be drawn anew.
    """
    size = before.shape[1]
    change = after - before
    light = tf.reduce_mean(change, -1, keepdims=True)
    wide, wider = (_inner_blur(change, share * size) for share in (_SMOOTH, _SMOOTH_COLOUR))
    smooth = _inner_blur(light, _SMOOTH * size) + wider - tf.reduce_mean(wider, -1, keepdims=True)
    fine = tf.reduce_max(tf.abs(change - wide), -1, keepdims=True)
    reach = 2 * max(1, round(_REACH * size)) + 1
    spread = _inner_blur(tf.nn.max_pool2d(fine, reach, 1, "SAME"), _EDGE * size)
    share = tf.clip_by_value((spread - _KEPT) / (_REDRAWN - _KEPT), 0.0, 1.0)
    return tf.where(tf.abs(smooth) < _NOTHING, 0.0, smooth), share * share * (3.0 - 2.0 * share)


def edit(flow, photo, before, after, attributes, seeds):
    """A photo as it would be with other attributes.

    Args:
        flow: DetailFlow.
        photo: float32 [B, S, S, 3] in [-1, 1].
        before, after: float32 [B, H, W, 3] in [-1, 1], what the model draws for the attributes found and for the new.
        attributes: float32 [B, A], the new ones, standardised.
        seeds: int32 [B, 2]. Of what is drawn anew.

    Returns:
        The pictures float32 [B, S, S, 3] in [-1, 1], and kept float32 [B, S, S, 1], how far each pixel is the photo's.
    """
    smooth, redrawn = split_change(before, after)
    kept = 1.0 - tf.clip_by_value(flow.enlarge(redrawn), 0.0, 1.0)
    # Bicubic leaves traces where there is nothing.
    kept = tf.where(kept > 0.999, 1.0, kept)
    lit = tf.clip_by_value(photo + flow.enlarge(smooth), -1.0, 1.0)
    return flow.draw(after, attributes, seeds, lit, kept), kept


def _inner_blur(pictures, width):
    """A Gaussian mean over what lies within the picture."""
    return pixels.blur(pictures, width) / pixels.blur(tf.ones_like(pictures[..., :1]), width)
