"""Differentiable augmentation: real and drawn pictures varied alike before the discriminator sees them.

Few real pictures are soon known by heart; a discriminator that sees parts of them, in other light, is not, and what is
drawn is not pushed to look varied, since both are. Parts, rather than whole pictures that are shifted: what would be
put in at an edge, mirrored or grey, teaches a decoder to draw lines there.

Reference: Zhao et al., Differentiable augmentation for data-efficient GAN training, NeurIPS 2020.
"""

import tensorflow as tf

# Of height and width.
SHARE_SEEN = 3 / 4
LARGEST_BRIGHTNESS = 0.2
LARGEST_CONTRAST = 0.2


def vary(images, uniforms, place):
    """A part of pictures float32 [B, H, W, 3], float32 [B, H', W', 3], in other light.

    Args:
        images: in [-1, 1]; results may leave that.
        uniforms: float32 [B, 2] in [0, 1). Of brightness and contrast.
        place: uniform float32 [2] in [0, 1), one for all pictures: enough of them over many steps, and one slice.
    """
    size = images.shape[1]
    brightness, contrast = tf.split(tf.reshape(2.0 * uniforms - 1.0, [-1, 1, 1, 2]), 2, -1)
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    images = mean + LARGEST_BRIGHTNESS * brightness + (1.0 + LARGEST_CONTRAST * contrast) * (images - mean)
    seen = round(SHARE_SEEN * size)
    offset = tf.cast(place * (size - seen + 1), tf.int32)
    return tf.ensure_shape(tf.slice(images, [0, offset[0], offset[1], 0], [-1, seen, seen, -1]), [None, seen, seen, 3])
