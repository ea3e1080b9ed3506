"""Attribute-conditioned image generation: Attribute2Image (Yan et al., ECCV 2016, arXiv 1512.00570) in TensorFlow."""

__version__ = "0.1.0"
