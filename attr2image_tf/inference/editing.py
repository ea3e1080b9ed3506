"""Editing: redraws only what an attribute changes, and keeps the rest of the picture."""

import tensorflow as tf


def carry_over(images, before, after):
    """A picture after a change of attributes, with what the generator cannot draw taken from the picture.

    The residual r = x - mu(z, y) holds all that reconstruction missed. A plain generator's result is mu(z, y') + r.
    With layers, x = x_F + g * x_B, the residual is split into a foreground's and a background's, r = r_F + g * r_B, by
    least squares with the layers' shares 1 - g and g as variances:

        r_F = (1 - g) / d * r,   r_B = g^2 / d * r,   d = 1 - g + g^3
        result = x_F' + s * r_F + g' * (x_B + r_B),   s = min(1, (1 - g') / (1 - g))

    So the background is the picture's own wherever it was seen, and shows through the new gate; s takes the residual
    of a foreground away where the foreground went. Without a change both forms give back x.

    Args:
        images: float32 [B, H, W, 3] in [-1, 1].
        before: what the generator draws for the attributes found or given: a tensor of pictures float32 [B, H, W, 3],
            or a dictionary with `images` and, if layered, `foregrounds`, `gates` [B, H, W, 1] and `backgrounds`.
        after: the same for the new attributes and the same latents.

    Returns:
        float32 [B, H, W, 3] in [-1, 1].
    """
    if not isinstance(before, dict):
        before, after = {"images": before}, {"images": after}
    residual = images - before["images"]
    if "gates" not in before:
        return tf.clip_by_value(after["images"] + residual, -1.0, 1.0)
    gate, new_gate = before["gates"], after["gates"]
    solid, new_solid = 1.0 - gate, 1.0 - new_gate
    total = solid + gate**3  # at least 0.6
    left = tf.where(new_solid >= solid, 1.0, new_solid / tf.maximum(solid, 1e-6))
    foreground = after["foregrounds"] + left * (solid / total) * residual
    background = before["backgrounds"] + gate**2 / total * residual
    return tf.clip_by_value(foreground + new_gate * background, -1.0, 1.0)
