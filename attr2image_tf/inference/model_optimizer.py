"""The latent optimiser of a model of this package; the model has all that it needs except the attributes' ranges."""

import functools

from attr2image_tf.inference.amortised import amortised_start
from attr2image_tf.inference.attribute_prior import AttributePrior
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.latent_optimizer import LatentOptimizer, OptimizerConfig

# The likelihood takes pixels for independent and so is surer than it should be: left alone, a descent trades what was
# read for a hundredth of the error of pixels. A reader's errors are divided by this, so that its word keeps its weight.
# On LFW attributes then correlate with the true ones by 0.78 (undivided 0.69; by 4: 0.82, but energies 2 % higher).
_TRUST = 2.0


def model_optimizer(model, config: OptimizerConfig = OptimizerConfig(), *, schema=None,
                    amortised: bool = True, reader=None, error_covariance=None) -> LatentOptimizer:
    """Posterior inference under a model's own prior and observation noise, from its encoder's guess (eq. 9).

    The result is the maximum a posteriori estimate of e, of which z = f(e; y): with a fitted flow that is not quite the
    one of z (`LatentOptimizer`). Where something is hidden the observation noise counts for more than the model's own
    (`Energy`). Where attributes are read from the picture by a reader the picture counts twice, and the result is the
    maximum of a product of experts.

    Args:
        model: AttributeModel, its weights final.
        config: OptimizerConfig.
        schema: AttributeSchema of its data set, needed where attributes are unknown.
        amortised: bool. False starts from e = 0.
        reader, error_covariance: as AttributePrior takes them, where unknown attributes are to be read from pictures.
    """
    energy = Energy(float(model.observation_standard_deviation) ** 2)
    ranges = None
    if schema is not None:
        ranges = AttributePrior(schema.minimum, schema.mean, schema.maximum, schema.covariance, reader=reader,
                                error_covariance=None if reader is None else error_covariance / _TRUST**2)
    return LatentOptimizer(model.decode, energy, config, latent_size=model.latent_size,
                           attribute_size=model.config.attribute_count, prior=model, attribute_prior=ranges,
                           start=functools.partial(amortised_start, model) if amortised else None)
