"""What experiments measure: pure functions of arrays, computed in float64.

Functions that end in a mean over examples come with the values by example, so that an interval can be given with it
(`bootstrap_interval`).
"""

import numpy as np


def cosine_similarity(first, second) -> np.ndarray:
    """Cosine of the angle between rows, float64 [N], in [-1, 1]; 0 where a row is all 0.

    Args:
        first, second: [N, D].
    """
    first, second = _float(first), _float(second)
    lengths = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    return np.sum(first * second, -1) / np.where(lengths > 0, lengths, 1.0)


def squared_error(first, second) -> np.ndarray:
    """Mean of (first - second)^2 over the last axis, float64 [N], of [N, D]."""
    return np.square(_float(first) - _float(second)).mean(-1)


def correlation(first, second) -> np.ndarray:
    """Pearson correlation of columns, float64 [D] in [-1, 1], of [N, D]; 0 where a column is constant."""
    first, second = (values - values.mean(0) for values in (_float(first), _float(second)))
    lengths = np.linalg.norm(first, axis=0) * np.linalg.norm(second, axis=0)
    return np.sum(first * second, 0) / np.where(lengths > 0, lengths, 1.0)


def sign_accuracy(predicted, true, thresholds) -> np.ndarray:
    """Share of rows in which predicted and true attributes are on the same side of the threshold, float64 [D].

    Args:
        predicted, true: [N, D].
        thresholds: [D]. At the threshold counts as above.
    """
    thresholds = _float(thresholds)
    return ((_float(predicted) >= thresholds) == (_float(true) >= thresholds)).mean(0)


def sign_thresholds(minimum, maximum) -> np.ndarray:
    """Where an attribute changes from absent to present, [D]: 0 for scores of both signs, else the range's middle."""
    minimum, maximum = _float(minimum), _float(maximum)
    return np.where(minimum < 0, 0.0, (minimum + maximum) / 2)


def _float(values):
    return np.asarray(values, np.float64)
