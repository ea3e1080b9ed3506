"""The second stage: the detail of a picture, given the coarse one, what is observed of it, and its attributes."""

from attr2image_tf.detail.flow import DetailFlow
from attr2image_tf.detail.learner import DetailLearner

__all__ = ["DetailFlow", "DetailLearner"]
