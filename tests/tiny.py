"""The smallest model of each kind that still obeys every law; what tests that need a model start from."""

import numpy as np

from attr2image_tf import models
from attr2image_tf.config import ModelConfig

SIZE = 32


def make_model(name: str = "discvae", *, gain: float = 1.3, **changes) -> models.AttributeModel:
    """A new model of 32 x 32 pixels, three attributes and few latents, with weights and a prior that draw something.

    Args:
        name: "vae", "cvae" or "discvae".
        gain: factor on its first weights, which draw everything grey; larger ones make the pictures depend on latents
            and attributes.
        changes: other values of ModelConfig.
    """
    values = {"image_size": SIZE, "width": 0.0625, "latent_size": 8, "foreground_latent_size": 8,
              "background_latent_size": 4, "attribute_mean": (0.0, 1.0, 2.0),
              "attribute_standard_deviation": (1.0, 1.0, 2.0)}
    model = models.create(ModelConfig(model=name, **values | changes))
    for variable in model.trainable_variables:
        variable.assign(gain * variable)
    vary_prior(model.prior)
    return model


def vary_prior(prior, seed: int = 0):
    """Gives a prior values that make its latents others than the noise, for all kinds but the standard one."""
    random = np.random.default_rng(seed)
    for part in prior.parts:
        size = part.shift.shape[0]
        part.shift.assign(0.3 * random.normal(size=size))
        part.weight.assign(0.3 * random.normal(size=part.weight.shape))
        below = np.tril(0.2 * random.normal(size=(size, size)), -1)
        part.factor.assign(below + np.diag(random.uniform(0.7, 1.4, size)))
        for variable in part.trainable_variables:
            variable.assign(variable + 0.1 * random.normal(size=variable.shape))
