"""Fits p(z | y) to the aggregate posterior of a trained model: one pass of the encoder, then for a flow some training.

What is fitted depends on the model's weights, the pictures in their order and the seed alone.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf.config import FittingConfig
from attr2image_tf.models import lower_bound as bounds
from attr2image_tf.models.latent_prior import FLOW, STANDARD, LatentPrior
from attr2image_tf.models.optimizer import WARM_UP, Adam, cosine_schedule
from attr2image_tf.models.randomness import stateless_normal

# Draws of each posterior that calibrate, and shares of what they show among which is chosen. Not all of it: few
# pictures have a covariance that is too uneven.
_CALIBRATION_DRAWS = 4
_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclasses.dataclass(frozen=True)
class Posteriors:
    """q(z | x, y) of some pictures.

    Attributes:
        means: float32 [N, Z].
        deviations: float32 [N, Z].
        attributes: float32 [N, A], standardised.
    """

    means: np.ndarray
    deviations: np.ndarray
    attributes: np.ndarray

    def __len__(self):
        return len(self.means)

    @classmethod
    def of(cls, encode, batches: Iterable, mirrored: bool = False) -> "Posteriors":
        """One pass of a model's encoder over batches; with `mirrored` also over their mirror images.

        Args:
            encode: `encoder` of the model.
            batches: dictionaries of `AttributeModel`; rows of weight 0 are left out.
            mirrored: bool.
        """
        rows = []
        for batch in batches:
            counted = batch["weight"].numpy() > 0
            for flip in (False, True)[:1 + mirrored]:
                images, masks = (tf.reverse(batch[name], [2]) if flip else batch[name] for name in ("image", "mask"))
                rows.append([part.numpy()[counted] for part in encode(images, masks, batch["attributes"])])
        return cls(*(np.concatenate(parts) for parts in zip(*rows, strict=True)))

    def draw(self, seed) -> tf.Tensor:
        """One draw of each, float32 [N, Z], by a seed int32 [2]."""
        return self.means + self.deviations * stateless_normal(self.means.shape, seed)


def encoder(model):
    """The pass of a model's encoder as one graph; made once for all passes, since tracing it takes seconds."""
    @tf.function(reduce_retracing=True)
    def encode(images, masks, attributes):
        posterior = model.encode(images, masks, attributes)
        return posterior.mean(), posterior.stddev(), model.standardise(attributes)

    return encode


def fit_gaussian(prior: LatentPrior, posteriors: Posteriors, ridge: float = FittingConfig.ridge):
    """Sets the linear-Gaussian part of a prior, block by block, to the maximum of the bound (see `latent_prior`).

    Args:
        prior: LatentPrior that is not standard. A flow on top is left as it is.
        posteriors: Posteriors of the training split.
        ridge: see FittingConfig.
    """
    count = len(posteriors)
    start, earlier = 0, []
    for part, block in zip(prior.parts, prior.blocks, strict=True):
        own = slice(start, start + block.size)
        known = ([posteriors.attributes] if block.attributes else []) + (earlier if block.earlier else [])
        known = np.concatenate([np.ones([count, 1]), *known], -1, dtype=np.float64)
        means = posteriors.means[:, own].astype(np.float64)
        gram = known.T @ known
        if block.earlier:
            # Latents of the blocks before are random too, independently of each other.
            variances = np.square(posteriors.deviations[:, :start], dtype=np.float64).sum(0)
            places = np.arange(len(gram) - start, len(gram))
            gram[places, places] += variances
        penalty = np.full(len(gram), ridge * count)
        penalty[0] = 0.0
        solution = np.linalg.solve(gram + np.diag(penalty), known.T @ means)
        residual = means - known @ solution
        covariance = residual.T @ residual / count
        covariance += np.diag(np.square(posteriors.deviations[:, own], dtype=np.float64).mean(0))
        if block.earlier:
            weight = solution[places]
            covariance += weight.T @ (weight * (variances / count)[:, np.newaxis])
        part.shift.assign(solution[0].astype(np.float32))
        part.weight.assign(solution[1:].astype(np.float32))
        part.factor.assign(np.linalg.cholesky(covariance).astype(np.float32))
        earlier.append(posteriors.means[:, own])
        start += block.size


def fit_flow(prior: LatentPrior, training: Posteriors, validation: Posteriors, config: FittingConfig,
             progress: Callable[[str], None] = logging.info):
    """Trains the flow of a prior whose Gaussian part is fitted; it ends with the best weights on `validation`.

    Args:
        prior: LatentPrior of kind "flow".
        training, validation: Posteriors.
        config: FittingConfig.
        progress: function of a line of text.
    """
    weights = list(prior.trainable_variables)
    if not weights:
        return
    step = -(-len(training) // config.largest)
    training = Posteriors(training.means[::step], training.deviations[::step], training.attributes[::step])
    batch_size = min(config.batch_size, len(training))
    optimizer = Adam(weights, cosine_schedule(config.learning_rate, config.steps))
    means, deviations, attributes = map(tf.constant, (training.means, training.deviations, training.attributes))

    @tf.function
    def train(rows, seed):
        seeds = tf.random.experimental.stateless_split(seed, 2, alg="philox")
        centers = tf.gather(means, rows)
        draws = centers + tf.gather(deviations, rows) * stateless_normal(tf.shape(centers), seeds[0])
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(prior.log_prob(draws, tf.gather(attributes, rows), config.dropout, seeds[1]))
        optimizer.apply(tape.gradient(loss, weights), weights)
        return loss

    held_out = validation.draw([config.seed, -1])
    measure = tf.function(lambda: -tf.reduce_mean(prior.log_prob(held_out, validation.attributes)))
    best, best_weights, waited = float(measure()), [weight.numpy() for weight in weights], 0
    progress(f"Flow of the prior: {len(training):,} posteriors, -log p(z | y) of the validation split {best:.1f} nats "
             "before.")
    started, losses = time.monotonic(), []
    rows = _shuffled(len(training), batch_size, config.seed)
    for step in range(config.steps):
        losses.append(train(tf.constant(next(rows)), tf.constant([config.seed, step])))
        if (step + 1) % config.checked and step + 1 < config.steps:
            continue
        value = float(measure())
        left = (time.monotonic() - started) / (step + 1) * (config.steps - step - 1)
        progress(f"Flow of the prior, step {step + 1:,} of at most {config.steps:,}: {np.mean(losses):.1f} nats in "
                 f"training, {value:.1f} in validation, at most {left:.0f} s left.")
        losses.clear()
        if value < best:
            best, best_weights, waited = value, [weight.numpy() for weight in weights], 0
        elif step > WARM_UP * config.steps:
            waited += 1
            if waited >= config.patience:
                break
    for weight, value in zip(weights, best_weights, strict=True):
        weight.assign(value)


def calibrate(prior: LatentPrior, held_out: Posteriors, seed: int = 0,
              progress: Callable[[str], None] = logging.info):
    """Sets m and C of a flow, by mean and covariance of e of pictures that it was not trained on, shrunk.

    How far is chosen by the density of one half of these pictures under what the other half gives, and back.

    Args:
        prior: LatentPrior of kind "flow", fitted and not calibrated.
        held_out: Posteriors of other people than the flow was trained on, people in one row.
        seed: int. Seed of the draws.
    """
    draws = tf.concat([held_out.draw([seed, index]) for index in range(_CALIBRATION_DRAWS)], 0)
    noise = prior.noise(draws, np.tile(held_out.attributes, (_CALIBRATION_DRAWS, 1))).numpy().astype(np.float64)
    noise = noise.reshape(_CALIBRATION_DRAWS, len(held_out), -1)
    middle, start = len(held_out) // 2, 0
    for part, block in zip(prior.parts, prior.blocks, strict=True):
        own = noise[..., start:start + block.size]
        start += block.size
        if part.flow is None:
            continue
        halves = [own[:, rows].reshape(-1, block.size) for rows in (slice(middle), slice(middle, None))]
        gains = [sum(_gain(_shrunk(one, share), other) for one, other in (halves, halves[::-1])) / 2
                 for share in _SHARES]
        share = _SHARES[int(np.argmax(gains))]
        centre, spread = _shrunk(own.reshape(-1, block.size), share)
        progress(f"Prior of {block.size} latents: calibrated by {share:.0%} of what {len(held_out):,} pictures not "
                 f"trained on show, worth {max(gains):.1f} nats to others of them.")
        part.centre.assign(centre.astype(np.float32))
        part.spread.assign(spread.astype(np.float32))


def _shrunk(values, share):
    """Mean and Cholesky factor of the covariance of rows, at a share of the way from 0 and a multiple of I of the same
    trace (Ledoit and Wolf, 2004)."""
    covariance = np.cov(values, rowvar=False, ddof=0)
    even = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return share * values.mean(0), np.linalg.cholesky((1.0 - share) * even + share * covariance)


def _gain(calibration, values):
    """How much more likely rows are than under N(0, I), in nats a row."""
    centre, spread = calibration
    solved = np.linalg.solve(spread, (values - centre).T)
    return float(0.5 * (np.square(values).sum() - np.square(solved).sum()) / len(values)
                 - np.log(np.diag(spread)).sum())


def _shuffled(count, batch_size, seed):
    """Places of the rows of one batch after another, each row once before any a second time."""
    for epoch in itertools.count():
        order = np.random.default_rng([seed, epoch]).permutation(count)
        yield from (order[start:start + batch_size] for start in range(0, count - batch_size + 1, batch_size))


def mean_kl_divergence(prior: LatentPrior, posteriors: Posteriors, seed: int = 0) -> float:
    """The mean of KL(q(z | x, y) || p(z | y)) over pictures, in nats, estimated with one draw for each."""
    total = 0.0
    for start in range(0, len(posteriors), 4096):
        rows = slice(start, start + 4096)
        part = Posteriors(posteriors.means[rows], posteriors.deviations[rows], posteriors.attributes[rows])
        draws = part.draw([seed, start])
        q = bounds.diagonal_normal(part.means, 2.0 * np.log(part.deviations))
        total += float(tf.reduce_sum(q.log_prob(draws) - prior.log_prob(draws, part.attributes)))
    return total / len(posteriors)


def fit(prior: LatentPrior, training: Posteriors, validation: Posteriors, config: FittingConfig, *,
        progress: Callable[[str], None] = logging.info):
    """Fits all of a prior; the posteriors of the validation split say when the training of a flow ends."""
    if prior.kind == STANDARD:
        return
    fit_gaussian(prior, training, config.ridge)
    if prior.kind == FLOW:
        fit_flow(prior, training, validation, config, progress)
        if config.calibrated:
            calibrate(prior, validation, config.seed, progress)
