"""Completion: puts decoded pixels where nothing was observed, without a visible seam."""

import tensorflow as tf

from attr2image_tf import pixels


def fill_in(images, decoded, observed, *, seam_width=1.5):
    """Observed pixels as they are, decoded ones elsewhere, drawn to the observed ones near the seam.

    At the seam the decoder is off by some residual, which would show as an edge. The residual of the observed side is
    continued into the hidden side by a normalised Gaussian average, and fades out over some `seam_width`; observed
    pixels are never touched.

    Args:
        images: float32 [B, H, W, 3] in [-1, 1]; where hidden, anything, NaN included.
        decoded: float32 [B, H, W, 3] in [-1, 1].
        observed: float32 [B, H, W, 1], at least 0: 0 takes the decoded pixel, 1 and above the observed one, numbers
            between mix.
        seam_width: float, pixels. Standard deviation of the Gaussian; 0 switches blending off.

    Returns:
        float32 [B, H, W, 3] in [-1, 1].
    """
    share = tf.minimum(observed, 1.0)
    residual = tf.where(share > 0.0, images - decoded, 0.0)
    if seam_width:
        near = pixels.blur(share, seam_width)
        continued = pixels.blur(share * residual, seam_width) / tf.maximum(near, 1e-6)
        # Right at a straight seam half of the neighbourhood is observed.
        fade = tf.clip_by_value(2.0 * near, 0.0, 1.0)
        decoded = tf.clip_by_value(decoded + fade * continued, -1.0, 1.0)
    mixed = decoded + share * (tf.where(share > 0.0, images, decoded) - decoded)
    return tf.where(share == 1.0, images, mixed)
