"""Energy: how badly latents explain a picture (sec. 4 of the paper).

    E(z; x, y) = L(mu(z, y), x; observed) + lambda * R(z)

L compares pictures over the observed pixels, R is the negative log-density of the prior without its constant. With
squared error, a standard normal prior and lambda = sigma^2, the variance of p(x | z, y),

    E = 1/2 ||mu(z, y) - x||^2 + lambda/2 ||z||^2 = -sigma^2 log p(x, z | y) + constant,

so that its minimum is the maximum a posteriori estimate of z: half of eq. 9, with the same minimum.
"""

import dataclasses

import tensorflow as tf

from attr2image_tf.config import Config, choice

LOSSES = ("squared", "absolute", "huber")

# Rounds the corner of |r|, which has no curvature elsewhere; below what 8 bits can tell (2 / 255).
_ABSOLUTE_ROUNDING = 1e-3


@dataclasses.dataclass(frozen=True)
class EnergyConfig(Config):
    """What is minimised.

    Attributes:
        observation_variance: sigma^2 of p(x | z, y), above 0, in squared units of pixels in [-1, 1]. Models know
            theirs: `observation_standard_deviation**2`.
        prior_weight: lambda, at least 0. None stands for `observation_variance`, which makes the minimum the maximum a
            posteriori estimate.
        loss: per pixel and channel, of the residual r: "squared" r^2 / 2; "absolute" |r| (its corner rounded over
            0.001); "huber" r^2 / 2 up to `huber_width`, from there linear.
        huber_width: above 0.
        multi_scale_weight: weight of the same loss on the residual averaged over 2 x 2, 4 x 4, ... pixels, each level
            counted by its area; 0 leaves it out. It widens the basin for structures that are displaced.
        multi_scale_levels: number of such levels, at least 1. Height and width are multiples of 2**levels.
    """

    observation_variance: float = 0.01
    prior_weight: float | None = None
    loss: str = choice("squared", LOSSES)
    huber_width: float = 0.1
    multi_scale_weight: float = 0.0
    multi_scale_levels: int = 3

    def __post_init__(self):
        super().__post_init__()
        self.require(self.observation_variance > 0, "observation_variance", "above 0")
        self.require(self.prior_weight is None or self.prior_weight >= 0, "prior_weight", "None or at least 0")
        self.require(self.huber_width > 0, "huber_width", "above 0")
        self.require(self.multi_scale_weight >= 0, "multi_scale_weight", "at least 0")
        self.require(1 <= self.multi_scale_levels <= 10, "multi_scale_levels", "from 1 to 10")


class Energy:
    """E = L + lambda * R, by example.

    Args:
        config: EnergyConfig.
        prior: anything with `log_prob`, latents [B, Z] to [B], such as a tfp distribution. None is the standard normal,
            with R = ||z||^2 / 2.

    Attributes:
        prior_weight: float. lambda.
    """

    def __init__(self, config: EnergyConfig, prior=None):
        self.config, self.prior = config, prior
        self.prior_weight = config.observation_variance if config.prior_weight is None else config.prior_weight

    def reconstruction(self, images, targets, observed):
        """L, float32 [B].

        Args:
            images: float32 [B, H, W, 3] in [-1, 1], the generator's.
            targets: float32 [B, H, W, 3] in [-1, 1]. Where hidden, anything, NaN included.
            observed: float32 [B, H, W, 1], at least 0. 0 for a hidden pixel, 1 for an observed one; other numbers
                weight the pixel.
        """
        config = self.config
        residual = tf.where(observed > 0.0, images - targets, 0.0)
        total = tf.reduce_sum(observed * self._loss(residual), [1, 2, 3])
        if config.multi_scale_weight:
            residual *= observed
            for level in range(1, config.multi_scale_levels + 1):
                residual = _halve(residual)
                total += config.multi_scale_weight * 4**level * tf.reduce_sum(self._loss(residual), [1, 2, 3])
        return total

    def regulariser(self, latents):
        """R, float32 [B], of latents float32 [B, Z]."""
        if self.prior is not None:
            return -self.prior.log_prob(latents)
        return 0.5 * tf.reduce_sum(tf.square(latents), -1)

    def _loss(self, residual):
        if self.config.loss == "squared":
            return 0.5 * tf.square(residual)
        if self.config.loss == "absolute":
            return tf.sqrt(tf.square(residual) + _ABSOLUTE_ROUNDING**2) - _ABSOLUTE_ROUNDING
        width = self.config.huber_width
        size = tf.abs(residual)
        return tf.where(size <= width, 0.5 * tf.square(residual), width * (size - 0.5 * width))


def _halve(pictures):
    """Means over 2 x 2 pixels, [B, H, W, C] to [B, H / 2, W / 2, C]."""
    batch, (height, width, channels) = tf.shape(pictures)[0], pictures.shape[1:]
    return tf.reduce_mean(tf.reshape(pictures, [batch, height // 2, 2, width // 2, 2, channels]), [2, 4])
