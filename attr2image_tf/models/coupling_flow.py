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
        seed: int. Seed of the halves and the initial weights.

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

    def fold(self, storage: tf.DType | None = None) -> "FoldedFlow":
        """The same function for inference; see FoldedFlow."""
        return FoldedFlow(self._orders, [network.numpy() for network in self._networks], storage)

    def _coupling(self, values, condition, order, network, dropout=0.0, seed=None):
        """The half that stays and the half that moves, and how far."""
        fixed, moved = (tf.gather(values, half, axis=-1) for half in np.split(order, [self._fixed]))
        shift, raw = tf.split(network(tf.concat([fixed, condition], -1), dropout, seed), 2, -1)
        return fixed, moved, shift, _LARGEST_LOG_SCALE * tf.tanh(raw / _LARGEST_LOG_SCALE)


class FoldedFlow(tf.Module):
    """A CouplingFlow of inference: the same function with a few operations a coupling.

    One permutation leads from a coupling to the next, in place of two into a coupling and one out of it; the last is
    left to the matrix behind, as `order`. What the condition adds to the first layers of all couplings is one matrix
    product. (Kernels spread with zeros over all values would need no permutation. They are 1.4 times as large, and at
    batch 1, where a draw costs what it reads, the flow took 1.3 times as long.)

    Args:
        orders: int [size] for each coupling: the places of the values that stay, then those of the values that move.
        networks: kernels and biases of the three layers, for each coupling.
        storage: dtype of kernels on disk (`StoredKernel`), or None.

    Attributes:
        order: int [size]. Value i of what `forward` gives and `inverse` takes is value order[i] of CouplingFlow's.
    """

    def __init__(self, orders, networks, storage=None):
        super().__init__()
        size = len(orders[0])
        self._sizes = [size // 2, size - size // 2]
        kernels, biases = (list(zip(*parts, strict=True)) for parts in zip(*networks, strict=True))
        # So that a log-scale is 1.5 tanh of what comes out.
        units = np.repeat(np.float32([1.0, 1.0 / _LARGEST_LOG_SCALE]), self._sizes[1])
        kernels = [np.stack([kernel[:self._sizes[0]] for kernel in kernels[0]]), np.stack(kernels[1]),
                   np.stack(kernels[2]) * units,
                   np.concatenate([kernel[self._sizes[0]:] for kernel in kernels[0]], -1)]
        self.stored = [StoredKernel(kernel, storage, tf.float32) for kernel in kernels] if storage else []
        # A layer of all couplings lies in one variable: tf.unstack copies nothing of it, and there are few to load.
        *self._kernels, self._condition = self.stored or [tf.Variable(kernel, trainable=False) for kernel in kernels]
        self._first_bias = tf.Variable(np.concatenate(biases[0]), trainable=False)
        self._biases = [tf.Variable(np.stack(each), trainable=False) for each in (biases[1], biases[2] * units)]
        self.order = orders[-1]
        self._between = [np.argsort(before)[after] for before, after in
                         zip([np.arange(size), *orders], orders, strict=False)]

    def forward(self, noise, condition):
        """As CouplingFlow has it, u in another order."""
        values = tf.gather(noise, self._between[0], axis=-1)
        for permutation, layers in zip([*self._between[1:], None], self._layers(condition), strict=True):
            fixed, moved, shift, log = self._halves(values, *layers)
            values = _scale_then_shift(permutation)(fixed, moved, shift, log)
        return values

    def inverse(self, values, condition):
        """As CouplingFlow has it, u in another order."""
        logs = []
        for permutation, layers in zip(self._between[::-1], self._layers(condition)[::-1], strict=True):
            fixed, moved, shift, log = self._halves(values, *layers)
            values = _shift_then_scale(np.argsort(permutation))(fixed, moved, shift, log)
            logs.append(log)
        return values, -_LARGEST_LOG_SCALE * tf.reduce_sum(tf.add_n(logs), -1)

    def _layers(self, condition):
        """What each coupling computes with: what the condition adds, three kernels and two biases."""
        if condition.shape[-1]:
            added = tf.nn.bias_add(tf.matmul(condition, self._condition), self._first_bias)
        else:
            added = tf.repeat(self._first_bias[tf.newaxis], tf.shape(condition)[0], axis=0)
        stacked = [tf.unstack(tf.convert_to_tensor(part)) for part in (*self._kernels, *self._biases)]
        return list(zip(tf.split(added, len(self._between), -1), *stacked, strict=True))

    def _halves(self, values, added, first, second, last, second_bias, last_bias):
        """The half that stays and the half that moves, and how far, log-scales in units of the largest."""
        # Sums and biases by operations whose gradients need no shapes.
        fixed, moved = tf.split(values, self._sizes, -1)
        hidden = tf.nn.relu(tf.add_n([tf.matmul(fixed, first), added]))
        hidden = tf.nn.relu(tf.nn.bias_add(tf.matmul(hidden, second), second_bias))
        shift, raw = tf.split(tf.nn.bias_add(tf.matmul(hidden, last), last_bias), 2, -1)
        return fixed, moved, shift, tf.tanh(raw)


# What follows has gradients of its own, since TensorFlow's ask for shapes at run time, some ten operations each. All
# factors and summands are of one shape here.

def _scale_then_shift(permutation):
    """Function of both halves, shift and log-scale [B, half] to the values moved, in the order of `permutation`."""
    @tf.custom_gradient
    def move(fixed, moved, shift, log):
        scale = tf.exp(_LARGEST_LOG_SCALE * log)

        def gradient(upstream):
            above, below = _divide(upstream, fixed, permutation)
            scaled = below * scale
            return above, scaled, below, _LARGEST_LOG_SCALE * scaled * moved

        return _join(fixed, moved * scale + shift, permutation), gradient

    return move


def _shift_then_scale(permutation):
    """The inverse of `_scale_then_shift`, then in the order of `permutation`."""
    @tf.custom_gradient
    def move(fixed, moved, shift, log):
        scale = tf.exp(-_LARGEST_LOG_SCALE * log)
        scaled = (moved - shift) * scale

        def gradient(upstream):
            above, below = _divide(upstream, fixed, permutation)
            down = below * scale
            return above, down, -down, -_LARGEST_LOG_SCALE * below * scaled

        return _join(fixed, scaled, permutation), gradient

    return move


def _join(fixed, moved, permutation):
    values = tf.concat([fixed, moved], -1)
    return values if permutation is None else tf.gather(values, permutation, axis=-1)


def _divide(values, fixed, permutation):
    if permutation is not None:
        values = tf.gather(values, np.argsort(permutation), axis=-1)
    return tf.split(values, [fixed.shape[-1], values.shape[-1] - fixed.shape[-1]], -1)


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

    def numpy(self):
        """Kernels and biases."""
        return tuple([variable.numpy() for variable in variables] for variables in (self.kernels, self.biases))
