"""DisCVAE: the layered, disentangling conditional variational autoencoder of sec. 3.2."""

import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.models import lower_bound as bounds
from attr2image_tf.models import randomness
from attr2image_tf.models.base import AttributeModel, mean_squared_error, observed_foreground, observed_gate
from attr2image_tf.models.latent_prior import LatentBlock
from attr2image_tf.models.networks import BackgroundDecoder, BackgroundEncoder, ForegroundDecoder, ForegroundEncoder
from attr2image_tf.models.observation_noise import FOREGROUND


class DisCVAE(AttributeModel):
    """Foreground and gate from attributes and z_F, background from z_B alone, composed.

        z_F, z_B ~ N(0, I)
        x_F ~ N(mu_F(y, z_F), sigma_F^2 I)
        g   ~ Bernoulli(gamma(y, z_F))
        x   ~ N(mu_F(y, z_F) + gamma(y, z_F) * mu_B(z_B), sigma^2 I)                          (eq. 4)

        log p(x, x_F, g | y) >= E_q[log p(x_F | g, y, z_F) + alpha log p(g | y, z_F) + log p(x | y, z_F, z_B)]
            - KL(q(z_F | x_F, g, y) || p(z_F)) - E_q[KL(q(z_B | z_F, x, y) || p(z_B))]

    with alpha = 1 for the bound, `config.gate_weight` in the objective. Outside the mask x_F is 0 whatever the picture,
    so the bound counts the pixels inside alone. The objective also asks mu_F to be 0 outside, as the paper's does.
    The latents of an example are z = [z_F, z_B].

    Args:
        config: ModelConfig.

    Example:
        >>> config = ModelConfig(attribute_mean=(0.0,), attribute_standard_deviation=(1.0,))
        >>> layers = DisCVAE(config).generate(tf.zeros([2, 1]), tf.constant([[0, 1], [0, 2]]))
        >>> layers["gates"].shape
        TensorShape([2, 64, 64, 1])

    Reference: Yan et al., ECCV 2016, arXiv 1512.00570, eq. 4 to 6.
    """

    layered = True

    def __init__(self, config, **kwargs):
        super().__init__(config, **kwargs)
        self.latent_size = config.foreground_latent_size + config.background_latent_size
        self.foreground_encoder = ForegroundEncoder(config, config.foreground_latent_size)
        self.background_encoder = BackgroundEncoder(config)
        self.foreground_decoder = ForegroundDecoder(config, config.foreground_latent_size, gate=True)
        self.background_decoder = BackgroundDecoder(config)
        self.build_networks()

    def prior_blocks(self):
        # x_B is a function of z_B alone, so its prior does not see the attributes either.
        return [LatentBlock(self.config.foreground_latent_size),
                LatentBlock(self.config.background_latent_size, attributes=False)]

    def split(self, latents):
        """z_F [B, Z_F] and z_B [B, Z_B] of latents [B, Z]."""
        return tf.split(latents, [self.config.foreground_latent_size, self.config.background_latent_size], -1)

    def encode_foreground(self, images, masks, attributes, training=False, seed=None):
        """q(z_F | x_F, g, y), Independent(Normal) with event shape [Z_F]."""
        return bounds.diagonal_normal(*self.foreground_encoder(
            observed_foreground(images, masks), self.standardise(attributes), training=training, seed=seed))

    def encode_background(self, images, attributes, foreground_latents, training=False, seed=None):
        """q(z_B | z_F, x, y), Independent(Normal) with event shape [Z_B]."""
        return bounds.diagonal_normal(*self.background_encoder(
            images, self.standardise(attributes), foreground_latents, training=training, seed=seed))

    def encode(self, images, masks, attributes):
        """q(z | x, y) with q(z_B | .) at the mean of z_F."""
        foreground = self.encode_foreground(images, masks, attributes)
        background = self.encode_background(images, attributes, foreground.mean())
        both = (foreground.distribution, background.distribution)
        return bounds.diagonal_normal(tf.concat([part.loc for part in both], -1),
                                      tf.concat([2.0 * tf.math.log(part.scale) for part in both], -1))

    def decode(self, latents, attributes, training=False):
        """Layers and their composition: images, foregrounds, gates, gate_logits, backgrounds."""
        foreground_latents, background_latents = self.split(latents)
        foregrounds, gate_logits = self.foreground_decoder(
            foreground_latents, self.standardise(attributes), training=training)
        gates = tf.sigmoid(gate_logits)
        backgrounds = self.background_decoder(background_latents, training=training)
        return {"images": pixels.compose(foregrounds, gates, backgrounds), "foregrounds": foregrounds,
                "gates": gates, "gate_logits": gate_logits, "backgrounds": backgrounds}

    def decode_background(self, latents):
        """The backgrounds of `decode` alone, float32 [B, H, W, 3]."""
        return self.background_decoder(self.split(latents)[1])

    @property
    def decoders(self):
        return [self.foreground_decoder, self.background_decoder]

    def log_likelihoods(self, batch, layers):
        image, mask = batch["image"], batch["mask"]
        return {
            "log_likelihood_foreground": bounds.gaussian_log_likelihood(
                observed_foreground(image, mask), layers["foregrounds"],
                self.observation_noise.standard_deviation(FOREGROUND), mask),
            "log_likelihood_gate": bounds.bernoulli_log_likelihood(observed_gate(mask), layers["gate_logits"]),
            "log_likelihood_image": bounds.gaussian_log_likelihood(image, layers["images"],
                                                                   self.observation_standard_deviation)}

    def reconstruction_objective(self, batch, layers, likelihoods):
        gate = observed_gate(batch["mask"])
        deviation = self.observation_noise.standard_deviation(FOREGROUND)
        spilled = tf.reduce_sum(gate * tf.square(layers["foregrounds"] - observed_foreground(batch["image"],
                                                                                            batch["mask"])), [1, 2, 3])
        return (likelihoods["log_likelihood_foreground"] + self.config.gate_weight * likelihoods["log_likelihood_gate"]
                + likelihoods["log_likelihood_image"] - 0.5 * spilled / tf.square(deviation))

    def lower_bound(self, batch, seed, training=False, kl_weight=1.0):
        image, mask, attributes = batch["image"], batch["mask"], batch["attributes"]
        seeds = randomness.split_seed(seed, 4)

        def draw(posterior, size, seed):
            noise = randomness.replica_normal(tf.shape(image)[0], size, seed)
            return posterior.mean() + posterior.stddev() * noise

        q_foreground = self.encode_foreground(image, mask, attributes, training, seeds[0])
        foreground_latents = draw(q_foreground, self.config.foreground_latent_size, seeds[1])
        q_background = self.encode_background(image, attributes, foreground_latents, training, seeds[2])
        background_latents = draw(q_background, self.config.background_latent_size, seeds[3])
        latents = tf.concat([foreground_latents, background_latents], -1)
        layers = self.decode(latents, attributes, training)

        p_foreground = bounds.standard_normal(self.config.foreground_latent_size)
        p_background = bounds.standard_normal(self.config.background_latent_size)
        kl_foreground = bounds.kl_divergence(q_foreground, p_foreground)
        kl_background = bounds.kl_divergence(q_background, p_background)
        likelihoods = self.log_likelihoods(batch, layers)
        log_likelihood = sum(likelihoods.values())
        kl = kl_foreground + kl_background
        log_ratio = (p_foreground.log_prob(foreground_latents) - q_foreground.log_prob(foreground_latents)
                     + p_background.log_prob(background_latents) - q_background.log_prob(background_latents))
        return {
            "objective": self.reconstruction_objective(batch, layers, likelihoods) - kl_weight * kl,
            "lower_bound": log_likelihood - kl,
            "lower_bound_image": likelihoods["log_likelihood_image"] - kl,
            "log_weight": log_likelihood + log_ratio,
            "kl_foreground": kl_foreground,
            "kl_background": kl_background,
            **likelihoods,
            **self._squared_errors(image, mask, layers),
            **self._prior_gain(latents, attributes, training),
        }

    def _squared_errors(self, image, mask, layers):
        foreground = observed_foreground(image, mask)
        error = mean_squared_error(image, layers["images"])
        if self.config.shared_observation_noise:
            return {"squared_error": 0.5 * (mean_squared_error(foreground, layers["foregrounds"]) + error)}
        return {"squared_error": error, "foreground_share": tf.reduce_mean(mask, [1, 2, 3]),
                "squared_error_foreground": mean_squared_error(foreground, layers["foregrounds"], mask)}
