"""Energy: how badly latents explain a picture (sec. 4 of the paper).

    E(z; x, y) = L(mu(z, y), x; observed) + lambda * R(z)

L is half the squared error over the observed pixels, R = ||z||^2 / 2 the negative log-density of the standard normal
prior without its constant. With lambda = sigma^2, the variance of p(x | z, y),

    E = 1/2 ||mu(z, y) - x||^2 + sigma^2 / 2 ||z||^2 = -sigma^2 log p(x, z | y) + constant,

so that its minimum is the maximum a posteriori estimate of z: half of eq. 9, with the same minimum.
"""

import tensorflow as tf


class Energy:
    """E = L + lambda * R, by example.

    Args:
        observation_variance: float above 0. sigma^2 of p(x | z, y), and so lambda, in squared units of pixels in
            [-1, 1]. Models know theirs: `observation_standard_deviation**2`.

    Raises:
        ValueError: a variance that is not above 0.
    """

    def __init__(self, observation_variance: float = 0.01):
        if not observation_variance > 0:
            raise ValueError(f"observation_variance={observation_variance}: expected a number above 0.")
        self.observation_variance = observation_variance

    def reconstruction(self, images, targets, observed):
        """L, float32 [B].

        Args:
            images: float32 [B, H, W, 3] in [-1, 1], the generator's.
            targets: float32 [B, H, W, 3] in [-1, 1]. Where hidden, anything, NaN included.
            observed: float32 [B, H, W, 1], at least 0. 0 for a hidden pixel, 1 for an observed one; other numbers
                weight the pixel.
        """
        residual = tf.where(observed > 0.0, images - targets, 0.0)
        return 0.5 * tf.reduce_sum(observed * tf.square(residual), [1, 2, 3])

    def regulariser(self, points):
        """lambda * R, float32 [B], of points float32 [B, D]."""
        return 0.5 * self.observation_variance * tf.reduce_sum(tf.square(points), -1)
