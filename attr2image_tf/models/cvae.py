"""CVAE: the conditional variational autoencoder of sec. 3.1."""

import tensorflow as tf

from attr2image_tf.models import lower_bound as bounds
from attr2image_tf.models import randomness
from attr2image_tf.models.base import AttributeModel, mean_squared_error
from attr2image_tf.models.latent_prior import LatentBlock
from attr2image_tf.models.networks import ForegroundDecoder, ForegroundEncoder


class CVAE(AttributeModel):
    """Pictures from attributes and one latent vector.

        z ~ N(0, I)
        x ~ N(mu(y, z), sigma^2 I)

        log p(x | y) >= E_q[log p(x | y, z)] - KL(q(z | x, y) || p(z))

    The foreground networks of the layered model on the whole picture, without the gate.

    Args:
        config: ModelConfig.

    Example:
        >>> config = ModelConfig(model="cvae", attribute_mean=(0.0,), attribute_standard_deviation=(1.0,))
        >>> CVAE(config).generate(tf.zeros([2, 1]), tf.constant([[0, 1], [0, 2]]))["images"].shape
        TensorShape([2, 64, 64, 3])

    Reference: Yan et al., ECCV 2016, arXiv 1512.00570, eq. 1.
    """

    conditional = True

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.latent_size = config.latent_size
        self.encoder = ForegroundEncoder(config, config.latent_size, conditional=self.conditional)
        self.decoder = ForegroundDecoder(config, config.latent_size, conditional=self.conditional)
        self.build_networks()

    def prior_blocks(self):
        return [LatentBlock(self.latent_size, attributes=self.conditional)]

    def encode(self, images, masks, attributes, training=False, seed=None):
        del masks
        return bounds.diagonal_normal(
            *self.encoder(images, self.standardise(attributes), training=training, seed=seed))

    def decode(self, latents, attributes, training=False):
        foregrounds, _ = self.decoder(latents, self.standardise(attributes), training=training)
        return {"images": foregrounds}

    @property
    def decoders(self):
        return [self.decoder]

    def log_likelihoods(self, batch, layers):
        return {"log_likelihood_image": bounds.gaussian_log_likelihood(batch["image"], layers["images"],
                                                                       self.observation_standard_deviation)}

    def lower_bound(self, batch, seed, training=False, kl_weight=1.0):
        noise_seed, dropout_seed = randomness.split_seed(seed, 2)
        posterior = self.encode(batch["image"], batch["mask"], batch["attributes"], training, dropout_seed)
        noise = randomness.replica_normal(tf.shape(batch["image"])[0], self.latent_size, noise_seed)
        latents = posterior.mean() + posterior.stddev() * noise
        layers = self.decode(latents, batch["attributes"], training)
        prior = bounds.standard_normal(self.latent_size)
        kl = bounds.kl_divergence(posterior, prior)
        likelihoods = self.log_likelihoods(batch, layers)
        log_likelihood = likelihoods["log_likelihood_image"]
        return {
            "objective": self.reconstruction_objective(batch, layers, likelihoods) - kl_weight * kl,
            "lower_bound": log_likelihood - kl,
            "lower_bound_image": log_likelihood - kl,
            "log_weight": log_likelihood + prior.log_prob(latents) - posterior.log_prob(latents),
            "kl_divergence": kl,
            **likelihoods,
            "squared_error": mean_squared_error(batch["image"], layers["images"]),
            **self._prior_gain(latents, batch["attributes"], training),
        }
