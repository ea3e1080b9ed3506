"""Sharpening: decoders of a trained model tuned against a discriminator, with the encoders as they are."""

from attr2image_tf.sharpening.sharpener import Sharpener

__all__ = ["Sharpener"]
