"""Energy: lower where latents explain a picture better (sec. 4 of the paper).

    E(z; x, y) = L(mu(z, y), x; observed) + lambda * R(z)

L is half the squared error over the observed pixels, R = ||z||^2 / 2 the negative log-density of the standard normal
prior without its constant. With lambda = sigma^2, the variance of p(x | z, y),

    E = 1/2 ||mu(z, y) - x||^2 + sigma^2 / 2 ||z||^2 = -sigma^2 log p(x, z | y) + constant,

so that its minimum is the maximum a posteriori estimate of z: half of eq. 9, with the same minimum. Under a prior
that is fitted, z = f(e; y) with e ~ N(0, I), R = ||e||^2 / 2 is -log p(e). It leaves out log |de / dz|, so that the
minimum is the mode in e, and that of p(z | x, y) only where f is linear in e.

Where something is hidden lambda is larger than sigma^2. The likelihood takes pixels for independent, which they are
not: 12,288 residuals of a face are worth some 166 independent ones. Where the whole picture is seen that costs
nothing, since pixels say of the latents what is to be said. What is hidden follows from what is seen by the prior
alone, and a descent that is too sure of the pixels makes up for the residuals of those it sees by latents far from
the prior, which draw badly what it does not see.
"""

import tensorflow as tf

# lambda is 12 sigma^2 where a quarter is hidden. On 32 test pictures of LFW (faces-64, a square in the middle hidden,
# attributes read) the squared error of what is filled in, in [0, 1], by lambda / sigma^2:
#
#     side, share hidden         1      4      8     12     16
#     16 px, 0.06           0.0095 0.0090 0.0087 0.0087 0.0083
#     24 px, 0.14           0.0142 0.0136 0.0134 0.0130 0.0128
#     32 px, 0.25           0.0203 0.0167 0.01540.0143 0.0138
#     48 px, 0.56           0.0325 0.0270 0.0229        0.0214
#
# while that of observed pixels rises from 0.0088 to 0.0098 (4), 0.0103 (8) and 0.0108 (16) at 32 px.
TEMPERING = 44.0


class Energy:
    """E = L + lambda * R, by example.

    Args:
        observation_variance: float above 0. sigma^2 of p(x | z, y), and so lambda, in squared units of pixels in
            [-1, 1]. Models know theirs: `observation_standard_deviation**2`.
        tempering: float, at least 0. Where a share h of a picture is hidden, lambda = sigma^2 (1 + tempering h).

    Raises:
        ValueError: a variance that is not above 0, or a tempering below 0.
    """

    def __init__(self, observation_variance: float = 0.01, tempering: float = TEMPERING):
        if not observation_variance > 0:
            raise ValueError(f"observation_variance={observation_variance}: expected a number above 0.")
        if not tempering >= 0:
            raise ValueError(f"tempering={tempering}: expected a number of at least 0.")
        self.observation_variance, self.tempering = observation_variance, tempering

    def weights(self, observed):
        """lambda of each row, float32 [B], of `observed` as `reconstruction` takes it."""
        hidden = 1.0 - tf.reduce_mean(tf.minimum(observed, 1.0), [1, 2, 3])
        return self.observation_variance * (1.0 + self.tempering * hidden)

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

    def regulariser(self, points, observed):
        """lambda * R, float32 [B], of points float32 [B, D]."""
        return 0.5 * self.weights(observed) * tf.reduce_sum(tf.square(points), -1)
