"""Sharpening: tunes the decoders of a trained model against a discriminator and leaves the encoders alone."""

from attr2image_tf.sharpening.sharpener import Sharpener

__all__ = ["Sharpener"]
