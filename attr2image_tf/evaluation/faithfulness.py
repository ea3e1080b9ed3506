"""Faithfulness: how far pictures have the attributes that were asked for, as a regressor estimates them (sec. 5)."""

import dataclasses

import numpy as np

from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation import metrics

# The measures that are of one attribute each.
BY_ATTRIBUTE = ("correlation", "sign_accuracy", "balanced_accuracy")


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """Requested attributes beside regressed ones.

    Standardised means less the training mean, divided by the training standard deviation: without it the attributes
    that nearly everybody has make any two vectors alike.

    Attributes:
        cosine_similarity: float64 [N], of standardised attributes.
        raw_cosine_similarity: float64 [N], in the data set's units, as the paper gives it.
        squared_error: float64 [N], of standardised attributes; 1 for a regressor that always gives the mean, on the
            training split.
        correlation: float64 [A], over the examples.
        sign_accuracy: float64 [A], share of examples on the right side of `metrics.sign_thresholds`.
        balanced_accuracy: float64 [A], the same as a mean over both sides, so that rare attributes count.
    """

    cosine_similarity: np.ndarray
    raw_cosine_similarity: np.ndarray
    squared_error: np.ndarray
    correlation: np.ndarray
    sign_accuracy: np.ndarray
    balanced_accuracy: np.ndarray

    def summary(self) -> dict[str, float]:
        """The mean of each."""
        return {field.name: float(getattr(self, field.name).mean()) for field in dataclasses.fields(self)}

    def by_attribute(self, schema: AttributeSchema) -> dict[str, dict[str, float]]:
        """What is said of each attribute by its name."""
        return {name: {part: float(getattr(self, part)[i]) for part in BY_ATTRIBUTE}
                for i, name in enumerate(schema.names)}


def compare(requested: np.ndarray, regressed: np.ndarray, schema: AttributeSchema) -> Faithfulness:
    """Attributes float32 [N, A] that were asked for, and a regressor's estimates, in the data set's units."""
    first, second = (standardise(values, schema) for values in (requested, regressed))
    thresholds = metrics.sign_thresholds(schema.minimum, schema.maximum)
    return Faithfulness(
        metrics.cosine_similarity(first, second), metrics.cosine_similarity(requested, regressed),
        metrics.squared_error(first, second), metrics.correlation(requested, regressed),
        metrics.sign_accuracy(regressed, requested, thresholds),
        metrics.balanced_accuracy(regressed, requested, thresholds))


def standardise(attributes: np.ndarray, schema: AttributeSchema) -> np.ndarray:
    """Attributes [N, A] in units of training standard deviations from the training mean, float64; constants are 0."""
    centred = np.asarray(attributes, np.float64) - schema.mean
    return np.where(schema.constant, 0.0, centred / schema.scale)
