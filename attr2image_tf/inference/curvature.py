"""How strongly a generator's pictures depend on its latents, on average; measured once for a generator."""

import numpy as np
import tensorflow as tf


def measure_curvature(decode, points, *, seed=0, batch_size=32) -> np.ndarray:
    """The average Gauss-Newton matrix M = E[J^T J], J the Jacobian of the picture with respect to a point.

    For squared error the Hessian of L is about J^T J. Its average over the prior tells an optimiser which latents move
    pictures much, which a little and which not at all. J^T J = E[(J^T u)(J^T u)^T] for noise u of unit variance, so
    that one backward pass for each point is enough, with the decoder called as it is.

    Args:
        decode: function of points float32 [b, D] to pictures float32 [b, H, W, 3].
        points: float32 [N, D], draws from the prior, several times as many as D.
        seed: int. Of the noise.
        batch_size: int.

    Returns:
        float32 [D, D], symmetric, not negative definite.
    """
    @tf.function(reduce_retracing=True)
    def pull(points, seed):
        with tf.GradientTape() as tape:
            tape.watch(points)
            pictures = decode(points)
            signs = tf.random.stateless_uniform(tf.shape(pictures), seed, 0, 2, tf.int32, alg="philox")
            loss = tf.reduce_sum(pictures * (2.0 * tf.cast(signs, tf.float32) - 1.0))
        return tape.gradient(loss, points)

    total, count = 0.0, 0
    for first in range(0, len(points), batch_size):
        pulled = pull(tf.constant(points[first:first + batch_size]), tf.constant([seed, first])).numpy()
        pulled = pulled[np.isfinite(pulled).all(-1)].astype(np.float64)
        total, count = total + pulled.T @ pulled, count + len(pulled)
    if not count:
        raise ValueError("measure_curvature: the generator has no finite gradient at any of the points.")
    return (total / count).astype(np.float32)
