"""AttributeModel: what VAE, CVAE and DisCVAE have in common."""

import keras
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.models import lower_bound as bounds
from attr2image_tf.models import randomness
from attr2image_tf.models.latent_prior import STANDARD, LatentBlock, LatentPrior
from attr2image_tf.models.observation_noise import ObservationNoise


class AttributeModel(keras.Model):
    """A generator of pictures x ~ p(x | y, z), z ~ p(z | y), with a recognition model and a lower bound on log p.

    Training assumes p(z) = N(0, I); `prior` may be fitted to the trained model and is what pictures are drawn from.

    Subclasses state the story: `encode`, `decode` and `lower_bound`. Batches are dictionaries with
    image float32 [B, H, W, 3] in [-1, 1], mask float32 [B, H, W, 1] in [0, 1], attributes float32 [B, A] in the data
    set's units, and weight float32 [B], 0 for rows that only fill up a batch.

    Args:
        config: ModelConfig.

    Attributes:
        latent_size: int. Z, all latents of one example together.
        prior: LatentPrior, as `config.prior` says; N(0, I) until it is fitted or loaded.
        detail: DetailFlow, the second stage of a run that has one; None without.
    """

    latent_size: int
    layered = False
    detail = None

    def __init__(self, config, **kwargs):
        super().__init__(dtype=config.precision, **kwargs)
        self.config = config
        self.observation_noise = ObservationNoise(self, self.layered)
        # XLA on a CPU is slower, and has not all the gradients.
        self.supports_jit = False

    @property
    def observation_standard_deviation(self):
        """Float32 scalar: the standard deviation of p(x | .), in units of pixels in [-1, 1]."""
        return self.observation_noise.standard_deviation()

    def standardise(self, attributes):
        """Attributes [B, A] from the data set's units to mean 0 and standard deviation 1, as the networks see them."""
        mean, deviation = self.config.attribute_mean, self.config.attribute_standard_deviation
        return (attributes - tf.constant(mean, tf.float32)) / tf.constant(deviation, tf.float32)

    def encode(self, images, masks, attributes):
        """q(z | x, y) over all latents as a tfp Independent(Normal), event shape [Z]."""
        raise NotImplementedError(f"{type(self).__name__} does not define encode.")

    def decode(self, latents, attributes, training=False):
        """Mean pictures by layer: a dictionary with at least images float32 [B, H, W, 3] in [-1, 1].

        Args:
            latents: float32 [B, Z].
            attributes: float32 [B, A], in the data set's units.
            training: bool. Whether batch normalisation uses the batch's statistics.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define decode.")

    def draw_posterior(self, images, masks, attributes, seed):
        """Latents float32 [B, Z] drawn from q(z | x, y), rows of the global batch's draw; call in replica context.

        Args:
            images, masks, attributes: as `encode` takes them.
            seed: int32 [2].
        """
        posterior = self.encode(images, masks, attributes)
        return posterior.mean() + posterior.stddev() * randomness.replica_normal(
            tf.shape(images)[0], self.latent_size, seed)

    @property
    def decoders(self) -> list[keras.layers.Layer]:
        """The networks of `decode`, all of its weights, that of the foreground first."""
        raise NotImplementedError(f"{type(self).__name__} does not define decoders.")

    def log_likelihoods(self, batch, layers):
        """log p of all that a batch shows given `decode`'s layers, by what is observed: float32 [B] in nats each."""
        raise NotImplementedError(f"{type(self).__name__} does not define log_likelihoods.")

    def reconstruction_objective(self, batch, layers, likelihoods):
        """What training maximises beside the KL terms: the sum of `log_likelihoods` as it weighs them, float32 [B]."""
        return sum(likelihoods.values())

    def lower_bound(self, batch, seed, training=False, kl_weight=1.0):
        """The terms of the bound, each float32 [B] in nats, by name.

        Every dictionary has `lower_bound`, a bound on the log-likelihood of what the model observes, with all weights
        1 and p(z) = N(0, I); `lower_bound_image`, one on that of the picture alone, by which models are compared;
        `objective`, what training maximises; `log_weight`, log p(everything) - log q(latents) of
        the draw, for the importance-weighted bound; `squared_error`, the mean squared pixel error, with its own unit;
        and, out of training and with a prior to be fitted, `prior_gain`: add it to the bound or to `log_weight` for
        those by the fitted prior.

        Args:
            batch: dictionary, see the class.
            seed: int32 [2]. Of the draw of the latents and of dropout.
            training: bool.
            kl_weight: float, of the KL terms in `objective`.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define lower_bound.")

    def generate(self, attributes, seeds, temperature=1.0):
        """Pictures drawn from p(x | y): `decode`'s dictionary and latents float32 [B, Z]; where there is `detail`, all
        of it at the size of that, images with detail and coarse_images without.

        Args:
            attributes: float32 [B, A], in the data set's units.
            seeds: int32 [B, 2]. Row i of the result is a function of row i of the arguments alone.
            temperature: float, or float32 [B]. Factor on the noise that the prior maps to latents: below 1 pictures
                are more typical and more alike.
        """
        noise = randomness.normal_by_example(seeds, self.latent_size)
        noise *= tf.reshape(tf.cast(temperature, tf.float32), [-1, 1])
        latents = self.latents_from_noise(noise, attributes)
        layers = self.decode(latents, attributes)
        if self.detail is not None:
            layers = {name: self.detail.enlarge(layer) for name, layer in layers.items()}
            layers |= {"coarse_images": layers["images"], "images": self.detail.draw(
                layers["images"], self.standardise(attributes), seeds)}
        return {**layers, "latents": latents}

    @property
    def picture_size(self) -> int:
        """Height and width of the pictures that `generate` draws."""
        return self.config.image_size if self.detail is None else self.detail.size

    def latents_from_noise(self, noise, attributes):
        """z float32 [B, Z] of e ~ N(0, I), float32 [B, Z], by the prior; attributes in the data set's units."""
        return self.prior.latents(noise, self.standardise(attributes))

    def noise_from_latents(self, latents, attributes):
        """What `latents_from_noise` inverts."""
        return self.prior.noise(latents, self.standardise(attributes))

    def prior_blocks(self) -> list[LatentBlock]:
        """Which latents are drawn together, and what their prior may depend on."""
        raise NotImplementedError(f"{type(self).__name__} does not define prior_blocks.")

    def importance_weighted_bound(self, batch, seed, samples):
        """log 1/k sum p/q over k = `samples` draws, float32 [B] in nats, with the fitted prior where there is one; at
        least the ELBO in expectation."""
        draws = [self.lower_bound(batch, each) for each in randomness.split_seed(seed, samples)]
        return bounds.importance_weighted_bound(
            tf.stack([terms["log_weight"] + terms.get("prior_gain", 0.0) for terms in draws]))

    def build_networks(self):
        """Makes all weights by a call on a batch of zeros."""
        size = self.config.image_size
        attributes = tf.zeros([1, self.config.attribute_count])
        self.decode(self.encode(tf.zeros([1, size, size, 3]), tf.zeros([1, size, size, 1]), attributes).mean(),
                    attributes)
        self.prior = LatentPrior(self.config.prior, self.prior_blocks(), self.config.attribute_count)
        self.built = True

    def training_step(self, batch, optimizer):
        """One step under any tf.distribute strategy, for the loop of `trainers`; call in replica context.

        Args:
            batch: this replica's rows; see the class.
            optimizer: attr2image_tf.models.optimizer.Adam. Noise, dropout and warm-up go by its `iterations`.

        Returns:
            Each term's sum over the replica's rows, and their number as `count`.
        """
        seed = tf.stack([self.config.seed, tf.cast(optimizer.iterations, tf.int32)])
        rows = tf.shape(batch["image"])[0] * tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape() as tape:
            terms = self.lower_bound(batch, seed, training=True, kl_weight=self.kl_weight(optimizer.iterations))
            # Gradients are summed over replicas, so each divides by the global batch.
            loss = -tf.reduce_sum(terms["objective"]) / tf.cast(rows, tf.float32)
            loss *= optimizer.loss_scale
        weights = [variable.value for variable in self.trainable_variables]
        optimizer.apply(tape.gradient(loss, weights), weights)
        self._follow_errors(terms)
        return self._sums(terms, batch["weight"])

    def evaluation_step(self, batch, seed):
        """The terms' weighted sums over this replica's rows, and their number as `count`; no training.

        Args:
            batch: see the class.
            seed: int32 [2]. Of the latents.
        """
        return self._sums(self.lower_bound(batch, seed), batch["weight"])

    def kl_weight(self, step):
        """The weight of the KL terms in the objective at a step, from 0: see `ModelConfig.kl_warmup_steps`."""
        if not self.config.kl_warmup_steps:
            return 1.0
        return tf.minimum(1.0, (tf.cast(step, tf.float32) + 1.0) / self.config.kl_warmup_steps)

    def train_step(self, data):
        """A step of Keras' `fit`, on one device and with an optimiser of Keras'; see `training_step` for more.

        Args:
            data: a batch as the class has it; without `weight` all rows count.
        """
        step = self.optimizer.iterations
        seed = tf.stack([self.config.seed, tf.cast(step, tf.int32)])
        with tf.GradientTape() as tape:
            terms = self.lower_bound(data, seed, training=True, kl_weight=self.kl_weight(step))
            loss = -tf.reduce_mean(terms["objective"])
        self.optimizer.apply(tape.gradient(loss, [each.value for each in self.trainable_variables]),
                             self.trainable_variables)
        self._follow_errors(terms)
        return {"loss": loss} | self._means(terms)

    def test_step(self, data):
        """A step of Keras' `evaluate`, with one seed for all batches."""
        terms = self.lower_bound(data, tf.zeros([2], tf.int32))
        return {"loss": -tf.reduce_mean(terms["objective"])} | self._means(terms)

    def _follow_errors(self, terms):
        if self.config.observation_noise == "running":
            self.observation_noise.follow({name: tf.reduce_mean(term) for name, term in terms.items()})

    @staticmethod
    def _means(terms):
        return {name: tf.reduce_mean(term) for name, term in terms.items() if name not in ("objective", "log_weight")}

    @staticmethod
    def _sums(terms, weight):
        return {name: tf.reduce_sum(term * weight) for name, term in terms.items()} | {"count": tf.reduce_sum(weight)}

    def _prior_gain(self, latents, attributes, training):
        """What the fitted prior adds to the bound, by the draw: log p(z | y) - log N(z; 0, I), in nats [B]."""
        if training or self.prior.kind == STANDARD:
            return {}
        standard = bounds.standard_normal(self.latent_size)
        return {"prior_gain": self.prior.log_prob(latents, self.standardise(attributes)) - standard.log_prob(latents)}


def reduced(model: AttributeModel, pictures, least: float = -1.0):
    """Pictures or masks float32 [B, S, S, C] at the size that a model sees, in the range from `least` to 1."""
    if model.detail is None:
        return pictures
    return tf.clip_by_value(model.detail.reduce(pictures, model.config.image_size), least, 1.0)


def mean_squared_error(images, mean, mask=1.0):
    """Mean over pixels and channels of mask (x - mean)^2, float32 [B], pixels in [-1, 1]."""
    return tf.reduce_mean(mask * tf.square(images - mean), [1, 2, 3])


def observed_gate(masks):
    """g = 1 - m: 1 where the background is visible."""
    return 1.0 - masks


def observed_foreground(images, masks):
    """x_F: the picture with its background at 0, in [-1, 1]."""
    return pixels.mask_foreground(images, masks)
