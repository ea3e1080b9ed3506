"""The latent optimiser of a model of this package, which brings all that it needs but the attributes' ranges."""

import functools

from attr2image_tf.inference.amortised import amortised_start
from attr2image_tf.inference.attribute_prior import AttributePrior
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.latent_optimizer import LatentOptimizer, OptimizerConfig


def model_optimizer(model, config: OptimizerConfig = OptimizerConfig(), *, schema=None,
                    amortised: bool = True) -> LatentOptimizer:
    """Posterior inference under a model's own prior and observation noise, from its encoder's guess: the result is the
    maximum a posteriori estimate (eq. 9).

    Args:
        model: AttributeModel, its weights final.
        config: OptimizerConfig.
        schema: AttributeSchema of its data set, needed where attributes are unknown.
        amortised: bool. False starts from e = 0.
    """
    energy = Energy(float(model.observation_standard_deviation) ** 2)
    ranges = None
    if schema is not None:
        ranges = AttributePrior(schema.minimum, schema.mean, schema.maximum, schema.covariance)
    return LatentOptimizer(model.decode, energy, config, latent_size=model.latent_size,
                           attribute_size=model.config.attribute_count, prior=model, attribute_prior=ranges,
                           start=functools.partial(amortised_start, model) if amortised else None)
