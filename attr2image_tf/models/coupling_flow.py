"""CouplingFlow: an invertible function of vectors under a condition, exact in density, one pass in both directions."""

import numpy as np
import tensorflow as tf

from attr2image_tf.models.randomness import stateless_normal
from attr2image_tf.models.stored import StoredKernel

# A coupling scales by at most exp(1.5); without a bound one far latent makes training diverge.
_LARGEST_LOG_SCALE = 1.5


class CouplingFlow(tf.Module):
    """u = f(e; c), a chain of affine couplings, each of another half of the values; the identity before training.

    Half of the values pass a coupling as they are; from them and the condition a network of two hidden layers computes
    how the other half is scaled and moved. (`tfp.bijectors.RealNVP` asks its network once for the values and once more
    for the Jacobian.)

    Args:
        size: int, at least 2. Values of a vector.
        condition_size: int, at least 0. Values of a condition.
        couplings: int.
        hidden: int. Units of each hidden layer.
        seed: int. Of the halves and the first weights.

    Reference: Dinh et al., Density estimation using Real NVP, ICLR 2017.
    """

    def __init__(self, size, condition_size, *, couplings, hidden, seed=0):
        super().__init__()
        random = np.random.default_rng(seed)
        self._fixed = size // 2
        self._orders = [random.permutation(size) for _ in range(couplings)]
        self._networks = [_Network([self._fixed + condition_size, hidden, hidden, 2 * (size - self._fixed)],
                                   [seed, index]) for index in range(couplings)]

    def forward(self, noise, condition):
        """u float32 [B, size] of e float32 [B, size] and c float32 [B, condition_size]."""
        values = noise
        for order, network in zip(self._orders, self._networks, strict=True):
            fixed, moved, shift, log_scale = self._coupling(values, condition, order, network)
            values = tf.gather(tf.concat([fixed, moved * tf.exp(log_scale) + shift], -1), np.argsort(order), axis=-1)
        return values

    def inverse(self, values, condition, dropout=0.0, seed=None):
        """e float32 [B, size] of u, and log |de / du| float32 [B].

        Args:
            values: float32 [B, size].
            condition: float32 [B, condition_size].
            dropout: rate in the hidden layers, in training.
            seed: int32 [2], of dropout.
        """
        log_determinant = tf.zeros(tf.shape(values)[:1])
        for order, network in zip(self._orders[::-1], self._networks[::-1], strict=True):
            fixed, moved, shift, log_scale = self._coupling(values, condition, order, network, dropout, seed)
            values = tf.gather(tf.concat([fixed, (moved - shift) * tf.exp(-log_scale)], -1), np.argsort(order), axis=-1)
            log_determinant -= tf.reduce_sum(log_scale, -1)
        return values, log_determinant

    def store(self, dtype) -> list[StoredKernel]:
        """Keeps the kernels in another type on disk, and returns them; for inference."""
        for network in self._networks:
            network.kernels = [StoredKernel(kernel, dtype, tf.float32) for kernel in network.kernels]
        return [kernel for network in self._networks for kernel in network.kernels]

    def _coupling(self, values, condition, order, network, dropout=0.0, seed=None):
        """The half that stays and the half that moves, and how far."""
        fixed, moved = (tf.gather(values, half, axis=-1) for half in np.split(order, [self._fixed]))
        shift, raw = tf.split(network(tf.concat([fixed, condition], -1), dropout, seed), 2, -1)
        return fixed, moved, shift, _LARGEST_LOG_SCALE * tf.tanh(raw / _LARGEST_LOG_SCALE)


class _Network(tf.Module):
    """Dense layers with ReLU between them, the last one zero."""

    def __init__(self, sizes, seed):
        super().__init__()
        self._index = seed[1]
        scales = [(2.0 / size) ** 0.5 for size in sizes[:-2]] + [0.0]
        self.kernels = [tf.Variable(scale * stateless_normal([size, units], [seed[0], 64 * seed[1] + layer]))
                        for layer, (scale, size, units) in enumerate(zip(scales, sizes[:-1], sizes[1:], strict=True))]
        self.biases = [tf.Variable(tf.zeros([units])) for units in sizes[1:]]

    def __call__(self, values, dropout, seed):
        for layer, (kernel, bias) in enumerate(zip(self.kernels[:-1], self.biases[:-1], strict=True)):
            values = tf.nn.relu(tf.matmul(values, kernel) + bias)
            if dropout:
                values = tf.nn.experimental.stateless_dropout(
                    values, dropout, seed=seed + tf.constant([64 * self._index + layer, 0]), rng_alg="philox")
        return tf.matmul(values, self.kernels[-1]) + self.biases[-1]
