"""A guess from the encoder: a start nearer to the minimum than the prior's mean, and the scale of the way there."""

import tensorflow as tf


def amortised_start(model, images, attributes, observed, typical=None):
    """Mean of q(z | x, y) and a scale for each latent, with what is not known taken from the model's own drawing.

    Hidden pixels and the foreground's mask come from the picture at e = 0 of the prior. A second round, from the
    picture at the first guess, was measured and gains nothing. The scale is the square root of q's standard deviation,
    half way between z and z in its units: a descent ends lower there than in either (docs/notebook/inference.md).

    Args:
        model: AttributeModel.
        images: float32 [B, H, W, 3] in [-1, 1]; where hidden, anything.
        attributes: float32 [B, A].
        observed: float32 [B, H, W, 1], 0 where hidden.
        typical: what the model draws at e = 0, where it is at hand.

    Returns:
        float32 [B, Z] and float32 [B, Z].
    """
    if typical is None:
        noise = tf.zeros([tf.shape(images)[0], model.latent_size])
        typical = model.decode(model.latents_from_noise(noise, attributes), attributes)
    shown = tf.where(observed > 0.0, images, typical["images"])
    masks = 1.0 - typical["gates"] if "gates" in typical else tf.ones_like(shown[..., :1])
    posterior = model.encode(shown, masks, attributes)
    return posterior.mean(), tf.sqrt(posterior.stddev())
