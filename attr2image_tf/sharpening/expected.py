"""ExpectedScores: what a regressor reads on average from real pictures with given attributes."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf
from absl import logging


class ExpectedScores(tf.Module):
    """E[found | y] = b + y W, with attributes standardised; y itself until it is fitted.

    An uncertain regressor tends towards the mean: from a picture with the attribute y it reads less than y. A sample
    from which it reads y shows the attribute more strongly than real pictures do.

    Args:
        attribute_count: int. A.
    """

    def __init__(self, attribute_count: int):
        super().__init__()
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.shift, self.slope = (tf.Variable(value, trainable=False, aggregation=first)
                                  for value in (tf.zeros([attribute_count]), tf.eye(attribute_count)))

    def __call__(self, attributes):
        """Float32 [B, A] of attributes float32 [B, A]."""
        return self.shift + tf.matmul(attributes, self.slope)

    def fit(self, regressor: keras.Model, batches: Iterable, standardise):
        """Regression of what is found on what is there, least squares.

        As many pictures as there are attributes are added in which the regressor finds y, so that few pictures, or
        attributes that hardly vary, change little.

        Args:
            regressor: network of an AttributeRegressor.
            batches: dictionaries of `AttributeModel`, of pictures that it was not trained on: in those it finds more.
                Rows of weight 0 are left out.
            standardise: function of a batch's attributes.
        """
        find = tf.function(lambda images: regressor(images, training=False)["scores"], reduce_retracing=True)
        known, found = [], []
        for batch in batches:
            rows = batch["weight"].numpy() > 0
            known.append(standardise(batch["attributes"]).numpy()[rows])
            found.append(find(batch["image"]).numpy()[rows])
        known, found = (np.concatenate(parts).astype(np.float64) for parts in (known, found))
        count = known.shape[1]
        factors = np.concatenate([np.ones([len(known), 1]), known], 1)
        gram = factors.T @ factors + count * np.eye(count + 1)
        change = np.linalg.solve(gram, factors.T @ (found - known))
        self.shift.assign(change[0].astype(np.float32))
        self.slope.assign((np.eye(count) + change[1:]).astype(np.float32))
        logging.info("The regressor reads %.2f of each attribute on average from %d real pictures; samples are "
                     "trained towards that.", np.diag(self.slope.numpy()).mean(), len(known))
