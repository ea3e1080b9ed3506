"""Sharpener: tunes the decoders of a trained model so that pictures are sharp and match their attributes.

A Gaussian likelihood draws the mean of all pictures that are possible, which is blurred. Here the encoders, and so the
prior, do not change, and these terms are added to the bound's reconstruction terms for the decoders:

- a discriminator, fed with pictures, their reconstructions and samples from the prior (hinge loss; R1 penalty);
- its features: a reconstruction should have those of its picture;
- a regressor: it should read from a sample what it reads on average from real pictures with the requested attributes;
- pairs of samples with the same noise, one attribute changed: the regressor should read the change that real pictures
  show on average, and no other attribute should change further from that than by the change of that one.

The bound that remains is lower than before: pictures are likely ones, no longer means.

References: Larsen et al., ICML 2016 (VAE/GAN); Rombach et al., CVPR 2022; Mescheder et al., ICML 2018 (R1); He et al.,
AttGAN, TIP 2019 (attributes by a classifier).
"""

import typing

import keras
import tensorflow as tf

from attr2image_tf.config import SMALLEST_CHANGE, RunConfig
from attr2image_tf.learner import Learner
from attr2image_tf.models import AttributeModel, randomness
from attr2image_tf.models.optimizer import Adam, learning_rate
from attr2image_tf.sharpening.discriminator import Discriminator
from attr2image_tf.sharpening.expected import ExpectedScores
from attr2image_tf.sharpening.varying import vary

# The means of the terms of a step, by their names in the log.
TERMS = ("reconstruction_loss", "patch_loss", "global_loss", "feature_loss", "attribute_loss", "change_loss",
         "hidden_background_loss", "discriminator_loss", "gradient_penalty", "real_logit", "drawn_logit")
# Less memory of past gradients than in plain training: what the discriminator asks for changes.
_BETAS = {"beta_1": 0.5, "beta_2": 0.99}


class Triple(typing.NamedTuple):
    """Tensors for real pictures, their reconstructions and samples, with equally many rows."""

    real: tf.Tensor
    reconstructed: tf.Tensor
    sampled: tf.Tensor

    @classmethod
    def of(cls, rows) -> "Triple":
        """The three of a tensor that has them one after the other."""
        return cls(*tf.split(rows, 3, 0))

    def joined(self) -> tf.Tensor:
        """What `of` takes apart."""
        return tf.concat(self, 0)


class Sharpener(Learner):
    """Steps of fine-tuning.

    Args:
        model: AttributeModel with the weights and the prior of the trained run. Its decoders are changed, with their
            batch normalisation as in inference.
        config: RunConfig with `sharpening`.
        steps: int. Number of steps in the whole run.
        regressor: network of an AttributeRegressor for the same attributes, not one that judges the result; None if its
            terms have weight 0.
    """

    terms, shown = TERMS, "reconstruction_loss"

    def __init__(self, model: AttributeModel, config: RunConfig, steps: int, regressor: keras.Model | None):
        super().__init__(model)
        self.config, self.tuning, self.regressor = config, config.sharpening, regressor
        tuned = model.decoders if self.tuning.background else model.decoders[:1]
        self._before = None
        if self.tuning.background and model.layered:
            self._before = type(model)(config.model)
            for new, old in zip(self._before.variables, model.variables, strict=True):
                new.assign(old)
        self.expected = ExpectedScores(config.model.attribute_count)
        self._weights = [weight.value for decoder in tuned for weight in decoder.trainable_variables]
        self.discriminator = Discriminator(config.model.attribute_count, width=self.tuning.discriminator_width,
                                           seed=1000 * config.model.seed)
        self.discriminator.build_networks(config.model.image_size)
        self._discriminator_weights = [weight.value for weight in self.discriminator.trainable_variables]
        rate, discriminator_rate = (learning_rate(config.schedule, largest, steps)
                                    for largest in (config.learning_rate, self.tuning.discriminator_rate))
        self._optimizer = Adam(self._weights, rate, l2=config.l2, clip_norm=config.clip_norm,
                               scale_loss=config.model.precision == "mixed_float16", **_BETAS)
        self._discriminator_optimizer = Adam(self._discriminator_weights, discriminator_rate, **_BETAS)
        self.iterations, self.skipped = self._optimizer.iterations, self._optimizer.skipped
        self.state = {"optimizer": self._optimizer, "discriminator": self._discriminator_weights,
                      "discriminator_optimizer": self._discriminator_optimizer}
        if self.tuning.expected_attributes:
            # Older runs have no such thing in their checkpoints.
            self.state["expected"] = self.expected

    def before_epoch(self, loop, epoch):
        if epoch == 0 and self.tuning.expected_attributes and self.regressor is not None:
            self.expected.fit(self.regressor, loop.reader.evaluation("validation"), self.model.standardise)

    def training_step(self, batch):
        """One step of decoders and discriminator, from the same pictures; call in replica context.

        Args:
            batch: this replica's rows, an even number; see AttributeModel.

        Returns:
            Each term's sum over the replica's rows, and their number as `count`.
        """
        rows = tf.shape(batch["image"])[0]
        everything = tf.cast(rows * tf.distribute.get_replica_context().num_replicas_in_sync, tf.float32)
        seed = tf.stack([self.config.model.seed, tf.cast(self.iterations, tf.int32)])
        latent_seed, noise_seed, request_seed, light_seed, place_seed = randomness.split_seed(seed, 5)
        attributes = self.model.standardise(batch["attributes"])
        inferred = self.model.draw_posterior(batch["image"], batch["mask"], batch["attributes"], latent_seed)
        requests, moved = self._requests(attributes, request_seed)
        sampled = self.model.prior.latents(self._paired_noise(rows, noise_seed), requests)
        latents = tf.concat([inferred, sampled], 0)
        # A picture and its reconstruction are seen in one light, in which they are to be alike.
        shared, own = tf.split(randomness.replica_uniform(rows, 4, light_seed), 2, -1)
        light = Triple(shared, shared, own)
        place = tf.random.stateless_uniform([2], place_seed, alg="philox")
        wanted = Triple(attributes, attributes, requests)

        with tf.GradientTape(persistent=True) as tape:
            layers = self.model.decode(latents, self._raw(tf.concat([attributes, requests], 0)))
            reconstructed = {name: layer[:rows] for name, layer in layers.items()}
            pictures = Triple(batch["image"], *tf.split(layers["images"], 2, 0))
            judged = self._judged(vary(pictures.joined(), light.joined(), place), wanted.joined())
            terms = self._decoder_terms(batch, reconstructed, judged)
            terms |= self._regressor_terms(pictures.sampled, requests, moved)
            terms["hidden_background_loss"] = 0.5 * tf.add_n(tf.split(self._hidden_change(latents, layers), 2, 0))
            loss = sum(tf.reduce_sum(terms[name]) * weight for name, weight in self._term_weights().items())
            loss *= self._optimizer.loss_scale / everything
            hinge, penalty = self._discriminator_terms(judged), self._penalty(batch["image"], attributes)
            discriminator_loss = tf.reduce_sum(hinge + penalty) / everything
        gradients = tape.gradient(loss, self._weights)
        discriminator_gradients = tape.gradient(discriminator_loss, self._discriminator_weights)
        self._discriminator_optimizer.apply(discriminator_gradients, self._discriminator_weights)
        self._optimizer.apply(gradients, self._weights)
        terms |= {"discriminator_loss": hinge, "gradient_penalty": penalty, "real_logit": judged["whole"].real,
                  "drawn_logit": judged["whole"].sampled}
        return ({name: tf.reduce_sum(term) for name, term in terms.items()}
                | {"count": tf.reduce_sum(batch["weight"])})

    def describe(self, row: dict) -> str:
        """How it stands, from an epoch's row of the log."""
        return ("losses of reconstruction {train_reconstruction_loss:.3f}, features {train_feature_loss:.3f}, "
                "attributes {train_attribute_loss:.3f} and change {train_change_loss:.3f}; the discriminator says "
                "{train_real_logit:+.2f} of real pictures, {train_drawn_logit:+.2f} of samples").format(**row)

    def _term_weights(self):
        tuning = self.tuning
        return {"reconstruction_loss": tuning.reconstruction_weight, "patch_loss": tuning.patch_weight,
                "global_loss": tuning.global_weight, "feature_loss": tuning.feature_weight,
                "attribute_loss": tuning.attribute_weight, "change_loss": tuning.change_weight,
                "hidden_background_loss": tuning.hidden_background_weight}

    def _raw(self, attributes):
        """Standardised attributes in the data set's units, as `decode` takes them."""
        mean, deviation = self.config.model.attribute_mean, self.config.model.attribute_standard_deviation
        return attributes * tf.constant(deviation, tf.float32) + tf.constant(mean, tf.float32)

    def _judged(self, pictures, attributes):
        """What the discriminator says, each a Triple, of features a list of them."""
        judged = self.discriminator(pictures, attributes)
        return {"features": [Triple.of(each) for each in judged["features"]],
                "patches": Triple.of(judged["patches"]), "whole": Triple.of(judged["whole"])}

    def _paired_noise(self, rows, seed):
        """Noise float32 [B, Z], equal for rows 2 i and 2 i + 1."""
        noise = randomness.replica_normal(rows, self.model.latent_size, seed)
        return tf.repeat(noise[::2], 2, 0)

    def _requests(self, attributes, seed):
        """Requests float32 [B, A]: of each pair the first a real one, the second that with one attribute changed.

        Also which attribute, one-hot float32 [B / 2, A].
        """
        count = attributes.shape[1]
        which, sign, size = tf.unstack(randomness.replica_uniform(tf.shape(attributes)[0], 3, seed)[::2], axis=1)
        moved = tf.one_hot(tf.cast(which * count, tf.int32), count)
        change = SMALLEST_CHANGE + (self.tuning.largest_change - SMALLEST_CHANGE) * size
        change *= tf.where(sign < 0.5, -1.0, 1.0)
        first = attributes[::2]
        both = tf.stack([first, first + moved * change[:, tf.newaxis]], 1)
        return tf.reshape(both, [-1, count]), moved

    def _decoder_terms(self, batch, reconstructed, judged):
        likelihood = self.model.reconstruction_objective(batch, reconstructed,
                                                         self.model.log_likelihoods(batch, reconstructed))
        values = batch["image"].shape[1] * batch["image"].shape[2] * batch["image"].shape[3]
        differences = []
        for features in judged["features"]:
            size = tf.reduce_mean(tf.abs(features.real), [1, 2, 3]) + 1e-6
            differences.append(tf.reduce_mean(tf.abs(features.reconstructed - features.real), [1, 2, 3]) / size)
        patches, whole = Triple(*(tf.reduce_mean(each, [1, 2, 3]) for each in judged["patches"])), judged["whole"]
        return {"reconstruction_loss": -likelihood / values,
                "patch_loss": -0.5 * (patches.reconstructed + patches.sampled),
                "global_loss": -0.5 * (whole.reconstructed + whole.sampled),
                "feature_loss": sum(differences) / len(differences)}

    def _hidden_change(self, latents, layers):
        """How far backgrounds have moved where they are hidden, in nats a value of the picture, float32 [B]."""
        if self._before is None:
            return tf.zeros([tf.shape(latents)[0]])
        before = self._before.decode_background(latents)
        # The gate must not open or close for the sake of this.
        hidden = tf.stop_gradient(1.0 - layers["gates"])
        change = tf.reduce_mean(hidden * tf.square(layers["backgrounds"] - before), [1, 2, 3])
        return 0.5 * change / tf.square(self.model.observation_standard_deviation)

    def _regressor_terms(self, drawn, requests, moved):
        if self.regressor is None:
            nothing = tf.zeros([tf.shape(drawn)[0]])
            return {"attribute_loss": nothing, "change_loss": nothing}
        found, expected = self.regressor(drawn, training=False)["scores"], self.expected(requests)
        change = found[1::2] - found[::2]
        excess = change - (expected[1::2] - expected[::2])
        own = tf.reduce_sum(change * moved, -1)
        others = tf.nn.relu(tf.abs(excess) - tf.abs(own)[:, tf.newaxis]) * (1.0 - moved)
        change_loss = tf.square(tf.reduce_sum(excess * moved, -1)) + tf.reduce_mean(tf.square(others), -1)
        return {"attribute_loss": tf.reduce_mean(tf.square(found - expected), -1),
                "change_loss": tf.repeat(change_loss, 2, 0)}

    @staticmethod
    def _discriminator_terms(judged):
        def hinge(logits):
            losses = tf.nn.relu(1.0 - logits.real) + 0.5 * (tf.nn.relu(1.0 + logits.reconstructed)
                                                            + tf.nn.relu(1.0 + logits.sampled))
            return tf.reduce_mean(tf.reshape(losses, [tf.shape(losses)[0], -1]), -1)

        return hinge(judged["patches"]) + hinge(judged["whole"])

    def _penalty(self, images, attributes):
        """R1: half the squared gradient of the logits on real pictures, on every few steps, float32 [B]."""
        interval, weight = self.tuning.penalty_interval, self.tuning.penalty

        def penalty():
            with tf.GradientTape() as tape:
                tape.watch(images)
                judged = self.discriminator(images, attributes)
                logits = tf.reduce_sum(judged["whole"]) + tf.reduce_sum(tf.reduce_mean(judged["patches"], [1, 2, 3]))
            gradients = tape.gradient(logits, images)
            return 0.5 * weight * interval * tf.reduce_sum(tf.square(gradients), [1, 2, 3])

        if not weight:
            return tf.zeros([tf.shape(images)[0]])
        return tf.cond(self.iterations % interval == 0, penalty, lambda: tf.zeros([tf.shape(images)[0]]))
