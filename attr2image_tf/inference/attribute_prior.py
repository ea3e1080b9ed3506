"""AttributePrior: the prior of attributes that are not given."""

import numpy as np
import tensorflow as tf


class AttributePrior:
    """Attributes as a function of whitened coordinates w, w ~ N(0, I), that stay inside the range seen in training.

        r = mean + L w,  L L^T = covariance
        y = mean + (maximum - mean) tanh((r - mean) / (maximum - mean))   above the mean; likewise below it

    Near the mean y = r; towards the ends of the range y bends and never passes them. So y has the training attributes'
    Gaussian prior near the mean alone, and its standard deviation is smaller than theirs: 0.86 to 0.93 of it where the
    range reaches 2.3 to 3.5 standard deviations from the mean. The negative log-density of w is ||w||^2 / 2, the same
    as that of latents.

    Args:
        minimum: float [A], likewise mean and maximum; minimum <= mean <= maximum.
        covariance: float [A, A], possibly singular (one-hot groups, constant attributes).

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, or a mean outside the range.
    """

    def __init__(self, minimum, mean, maximum, covariance):
        minimum, mean, maximum, covariance = (np.asarray(part, np.float64)
                                              for part in (minimum, mean, maximum, covariance))
        self.size = len(mean)
        if not minimum.shape == mean.shape == maximum.shape == (self.size,):
            raise ValueError(f"AttributePrior: minimum {minimum.shape}, mean {mean.shape} and maximum {maximum.shape} "
                             "are not of one length.")
        if covariance.shape != (self.size, self.size):
            raise ValueError(f"AttributePrior: covariance {covariance.shape} for {self.size} attributes.")
        if not all(np.isfinite(part).all() for part in (minimum, mean, maximum, covariance)):
            raise ValueError("AttributePrior: numbers that are not finite.")
        slack = 1e-5 * np.maximum(np.abs(minimum), np.abs(maximum))  # a constant attribute's mean is rounded
        if not ((minimum - slack <= mean) & (mean <= maximum + slack)).all():
            raise ValueError("AttributePrior: the mean is outside the range from minimum to maximum.")
        mean = np.clip(mean, minimum, maximum)
        # Eigenvectors rather than Cholesky: the covariance may be singular.
        values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
        self._factor = (vectors * np.sqrt(np.maximum(values, 0.0))).astype(np.float32)
        self._mean = mean.astype(np.float32)
        self._above = (maximum - mean).astype(np.float32)
        self._below = (mean - minimum).astype(np.float32)

    def to_attributes(self, whitened):
        """Attributes float32 [B, A], within the range, of w float32 [B, A]."""
        moved = tf.linalg.matvec(tf.constant(self._factor), whitened)
        room = tf.where(moved > 0.0, self._above, self._below)
        bent = room * tf.tanh(moved / _divisor(room))
        return self._mean + tf.clip_by_value(bent, -self._below, self._above)


def _divisor(room):
    """An attribute without room stays at its mean; the division must not see the 0."""
    return tf.where(room > 0.0, room, 1.0)
