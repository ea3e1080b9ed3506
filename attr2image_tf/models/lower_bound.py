"""Terms of the variational lower bounds (sec. 3): pure functions, one number in nats for each example.

    log p(x | y) >= E_q[log p(x | y, z)] - KL(q(z | x, y) || p(z))        =: ELBO, eq. 1
    log p(x | y) >= E[log 1/k sum_k p(x, z_k | y) / q(z_k | x, y)]        =: importance-weighted bound, k draws

Both are at most log p(x | y); the second is at least the first and grows with k.
"""

import math

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def diagonal_normal(mean, log_variance):
    """Independent(Normal) over the last axis, from float32 [B, Z] each."""
    return tfd.Independent(tfd.Normal(mean, tf.exp(0.5 * log_variance)), 1)


def standard_normal(size: int):
    """The prior p(z) = N(0, I) as Independent(Normal), event shape [size]."""
    return tfd.Independent(tfd.Normal(tf.zeros([size]), tf.ones([size])), 1)


def kl_divergence(posterior, prior):
    """KL(posterior || prior) in nats, [B]; 0 where they are equal."""
    return tfd.kl_divergence(posterior, prior)


def gaussian_log_likelihood(images, mean, standard_deviation, mask=1.0):
    """log N(x; mean, standard_deviation^2 I) of the pixels inside a mask, in nats, [B].

    Args:
        images: float32 [B, H, W, C] in [-1, 1].
        mean: float32 [B, H, W, C], the decoder's output.
        standard_deviation: float32 scalar, shared by all pixels.
        mask: float32 [B, H, W, 1] in [0, 1], how far each pixel counts; by default all do.
    """
    return tf.reduce_sum(mask * tfd.Normal(mean, standard_deviation).log_prob(images), [1, 2, 3])


def bernoulli_log_likelihood(gates, logits):
    """log p(g) of independent Bernoulli pixels in nats, [B]; for gates between 0 and 1 the negative cross entropy.

    Args:
        gates: float32 [B, H, W, 1] in [0, 1], 1 where the background is visible.
        logits: float32 [B, H, W, 1], before the sigmoid.
    """
    # An array that is no tensor would become whole numbers, the type of the distribution.
    return tfd.Independent(tfd.Bernoulli(logits=logits), 3).log_prob(tf.cast(gates, tf.float32))


def importance_weighted_bound(log_weights):
    """log of the mean importance weight over the first axis: [K, B] to [B], in nats (Burda et al. 2016)."""
    return tf.reduce_logsumexp(log_weights, axis=0) - math.log(log_weights.shape[0])
