"""AttributePrior: what is known about attributes that are not given."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

# How close to the ends of the range attributes that are read may lie, as tanh has no room beyond.
_LARGEST_SHARE = 0.95


class Reading(NamedTuple):
    """What a reader says of pictures.

    Attributes:
        center: float32 [B, A]. The attributes read, as r of AttributePrior.
        seen: float32 [B, 1]. The share of each picture that is observed.
    """

    center: tf.Tensor
    seen: tf.Tensor


class AttributePrior:
    """Attributes as a function of whitened coordinates w, w ~ N(0, I), that stay inside the range seen in training.

        r = mean + L w,  L L^T = covariance
        y = mean + (maximum - mean) tanh((r - mean) / (maximum - mean))   above the mean; likewise below it

    Near the mean y = r; towards the ends of the range y bends and never passes them. So y has the training attributes'
    Gaussian prior near the mean alone, and its standard deviation is smaller than theirs: 0.86 to 0.93 of it where the
    range reaches 2.3 to 3.5 standard deviations from the mean. The negative log-density of w is ||w||^2 / 2, the same
    as that of latents.

    With a reader, which is a regression of y on the picture x, the prior is that of y given x: r ~ N(read(x), S) with S
    the covariance of its errors. Where a share 1 - s of the picture is hidden,

        r = mean + s (read(x) - mean) + (s S^1/2 + (1 - s) covariance^1/2) w

    goes from the one to the other.

    Args:
        minimum: float [A], likewise mean and maximum; minimum <= mean <= maximum.
        covariance: float [A, A], possibly singular (one-hot groups, constant attributes).
        reader: function of pictures float32 [B, H, W, 3] in [-1, 1] to attributes float32 [B, A], or None.
        error_covariance: float [A, A], S; needed with a reader.

    Raises:
        ValueError: shapes that do not fit, numbers that are not finite, or a mean outside the range.
    """

    def __init__(self, minimum, mean, maximum, covariance, *, reader: Callable | None = None, error_covariance=None):
        minimum, mean, maximum, covariance = (np.asarray(part, np.float64)
                                              for part in (minimum, mean, maximum, covariance))
        self.size = len(mean)
        if not minimum.shape == mean.shape == maximum.shape == (self.size,):
            raise ValueError(f"AttributePrior: minimum {minimum.shape}, mean {mean.shape} and maximum {maximum.shape} "
                             "differ in length.")
        if covariance.shape != (self.size, self.size):
            raise ValueError(f"AttributePrior: covariance {covariance.shape} for {self.size} attributes.")
        if not all(np.isfinite(part).all() for part in (minimum, mean, maximum, covariance)):
            raise ValueError("AttributePrior: numbers are not finite.")
        slack = 1e-5 * np.maximum(np.abs(minimum), np.abs(maximum))  # a constant attribute's mean is rounded
        if not ((minimum - slack <= mean) & (mean <= maximum + slack)).all():
            raise ValueError("AttributePrior: the mean is outside the range from minimum to maximum.")
        mean = np.clip(mean, minimum, maximum)
        self._factor = _root(covariance)
        self._mean = mean.astype(np.float32)
        self._above = (maximum - mean).astype(np.float32)
        self._below = (mean - minimum).astype(np.float32)
        self.reader = reader
        if reader is not None:
            error_covariance = np.asarray(error_covariance, np.float64)
            if error_covariance.shape != covariance.shape or not np.isfinite(error_covariance).all():
                raise ValueError(f"AttributePrior: the reader's errors have a covariance {error_covariance.shape}; "
                                 f"expected finite numbers {covariance.shape}.")
            self._error_factor = _root(error_covariance)

    @property
    def mean(self) -> np.ndarray:
        """float32 [A]."""
        return self._mean

    def read(self, images, observed) -> Reading:
        """What the reader says of pictures float32 [B, H, W, 3], complete where `observed` [B, H, W, 1] is 0."""
        bent = tf.clip_by_value(self.reader(images) - self._mean, -_LARGEST_SHARE * self._below,
                                _LARGEST_SHARE * self._above)
        room = tf.where(bent > 0.0, self._above, self._below)
        center = room * tf.atanh(bent / _divisor(room))
        return Reading(center, tf.reduce_mean(tf.clip_by_value(observed, 0.0, 1.0), [1, 2]))

    def to_attributes(self, whitened, reading: Reading | None = None):
        """Attributes float32 [B, A], within the range, of w float32 [B, A]."""
        moved = tf.linalg.matvec(tf.constant(self._factor), whitened)
        if self.reader is not None and reading is not None:
            read = reading.center + tf.linalg.matvec(tf.constant(self._error_factor), whitened)
            moved += reading.seen * (read - moved)
        room = tf.where(moved > 0.0, self._above, self._below)
        bent = room * tf.tanh(moved / _divisor(room))
        return self._mean + tf.clip_by_value(bent, -self._below, self._above)


def _root(covariance):
    """The symmetric square root of a covariance, float32."""
    # Eigenvectors rather than Cholesky: the covariance may be singular.
    values, vectors = np.linalg.eigh(0.5 * (covariance + covariance.T))
    return (vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T).astype(np.float32)


def _divisor(room):
    """An attribute without room stays at its mean; the division must not see the 0."""
    return tf.where(room > 0.0, room, 1.0)
