"""Differentiable augmentation: real and drawn pictures varied alike before the discriminator sees them.

Few real pictures are soon known by heart; a discriminator that sees them shifted and in other light is not, and what
is drawn is not pushed to look varied, since both are.

Reference: Zhao et al., Differentiable augmentation for data-efficient GAN training, NeurIPS 2020.
"""

import tensorflow as tf

LARGEST_SHIFT = 1 / 8
LARGEST_BRIGHTNESS = 0.2
LARGEST_CONTRAST = 0.2


def vary(images, uniforms, shift):
    """Pictures float32 [B, H, W, 3] in other light, float32 [B, 2] of uniform numbers, and shifted.

    Args:
        images: in [-1, 1]; results may leave that.
        uniforms: in [0, 1). Of brightness and contrast.
        shift: uniform float32 [2] in [0, 1), one shift for all: enough of them over many steps, and one slice.
    """
    size = images.shape[1]
    brightness, contrast = tf.split(tf.reshape(2.0 * uniforms - 1.0, [-1, 1, 1, 2]), 2, -1)
    mean = tf.reduce_mean(images, [1, 2, 3], keepdims=True)
    images = mean + LARGEST_BRIGHTNESS * brightness + (1.0 + LARGEST_CONTRAST * contrast) * (images - mean)
    border = round(LARGEST_SHIFT * size)
    offset = tf.cast(shift * (2 * border + 1), tf.int32)
    images = tf.pad(images, [[0, 0], [border, border], [border, border], [0, 0]], "REFLECT")
    return tf.ensure_shape(tf.slice(images, [0, offset[0], offset[1], 0], [-1, size, size, -1]), [None, size, size, 3])
