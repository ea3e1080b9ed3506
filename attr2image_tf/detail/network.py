"""DetailNetwork: a small U-Net over the patches of pictures, at most 32 x 32 of them.

Convolutions keep the magnitude of what they get (Karras et al., Analyzing and improving the training dynamics of
diffusion models, CVPR 2024): a kernel is divided by its norm for each output, a sum by the root of its weights'
squares. No normalisation of activations is needed then, which on a processor takes as long as the convolutions. There
are no biases; the input has a channel of ones in their place.
"""

import itertools
import math

import keras
import numpy as np
import tensorflow as tf

LARGEST_GRID = 32
# Half of a normal distribution is cut off by a ReLU; this gives its variance back.
_RELU_GAIN = math.sqrt(2.0)
# The share of a block's new part in its sum with what it got, and what both are multiplied by so that the sum keeps
# their magnitude.
_NEW = 0.3
_NEW_SCALE, _OLD_SCALE = (share / math.hypot(_NEW, 1.0 - _NEW) for share in (_NEW, 1.0 - _NEW))
_FREQUENCIES = 32


class Kernel(keras.layers.Layer):
    """A convolution or, of kernel_size 0, a matrix product, whose outputs are of the magnitude of its inputs.

    Args:
        inputs, outputs: ints. Channels.
        kernel_size: int, odd, or 0.
        gain: bool. Whether the outputs are multiplied by a number that is learned, first 0.
        scale: float. Multiplies the outputs; by the kernel, which is much smaller than what it meets.
    """

    def __init__(self, inputs, outputs, kernel_size=0, *, gain=False, scale=1.0, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        shape = (*([kernel_size] * 2 if kernel_size else []), inputs, outputs)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=keras.initializers.RandomNormal(
            stddev=1.0 / math.sqrt(math.prod(shape[:-1])), seed=seed))
        self.gain = self.add_weight(name="gain", shape=(), initializer="zeros") if gain else None
        self.built = True

    def call(self, inputs):
        kernel = tf.cast(self.kernel, tf.float32)
        kernel *= self.scale * tf.math.rsqrt(tf.reduce_sum(tf.square(kernel), range(len(kernel.shape) - 1)) + 1e-8)
        if self.gain is not None:
            kernel *= tf.cast(self.gain, tf.float32)
        kernel = tf.cast(kernel, self.compute_dtype)
        return tf.nn.conv2d(inputs, kernel, 1, "SAME") if len(kernel.shape) == 4 else inputs @ kernel


class Block(keras.layers.Layer):
    """Two convolutions beside the identity; time and attributes scale the channels between them."""

    def __init__(self, inputs, outputs, condition, *, seed=0, **kwargs):
        super().__init__(**kwargs)
        common = {"dtype": self.dtype_policy}
        self.first = Kernel(inputs, outputs, 3, scale=_RELU_GAIN, seed=seed, **common)
        self.scale = Kernel(condition, outputs, gain=True, seed=seed + 1, **common)
        self.second = Kernel(outputs, outputs, 3, scale=_RELU_GAIN * _NEW_SCALE, seed=seed + 2, **common)
        self.shortcut = None
        if inputs != outputs:
            self.shortcut = Kernel(inputs, outputs, 1, scale=_OLD_SCALE, seed=seed + 3, **common)
        self.built = True

    def call(self, inputs, condition):
        x = self.first(tf.nn.relu(inputs)) * (1.0 + self.scale(condition)[:, tf.newaxis, tf.newaxis])
        return _old(inputs, self.shortcut) + self.second(tf.nn.relu(x))


class Attention(keras.layers.Layer):
    """Every place of a small grid looks at all others by the angles of queries and keys, in heads of 32 channels."""

    def __init__(self, channels, *, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.heads = max(1, channels // 32)
        self.project = Kernel(channels, 3 * channels, 1, seed=seed, dtype=self.dtype_policy)
        self.out = Kernel(channels, channels, 1, scale=_NEW_SCALE, seed=seed + 1, dtype=self.dtype_policy)
        self.built = True

    def call(self, inputs):
        height, width, channels = inputs.shape[1:]
        parts = tf.reshape(self.project(inputs), [-1, height * width, self.heads, 3, channels // self.heads])
        query, key, value = tf.unstack(tf.cast(parts, tf.float32), axis=3)
        query, key = tf.math.l2_normalize(query, -1), tf.math.l2_normalize(key, -1)
        weights = tf.nn.softmax(math.sqrt(query.shape[-1]) * tf.einsum("bqhc,bkhc->bhqk", query, key))
        seen = tf.reshape(tf.einsum("bhqk,bkhc->bqhc", weights, value), [-1, height, width, channels])
        return _old(inputs) + self.out(tf.cast(seen, inputs.dtype))


class DetailNetwork(keras.Model):
    """What is added to a linear guess of the velocity of a residual on its way from noise to detail (`DetailFlow`).

    Args:
        model: ModelConfig of the model whose pictures get detail.
        config: DetailConfig.

    Attributes:
        fold: int. Height and width of a patch, of which a picture of S x S pixels has s x s.
        components: int K. Components of a patch.

    Call inputs: noisy float32 [B, s, s, K], the residual's components on their way; coarse float32 [B, S, S, 3] in
    [-1, 1]; kept float32 [B, S, S, 1] in [0, 1], 1 where `noisy` is of the residual itself; time float32 [B] in [0, 1];
    attributes float32 [B, A], standardised; told float32 [B], 0 where the attributes are left out. Output: float32
    [B, s, s, K].
    """

    def __init__(self, model, config, **kwargs):
        # Time must not be rounded to 16 bits on its way in.
        super().__init__(dtype=model.precision, autocast=False, name="detail_network", **kwargs)
        common, size, width = {"dtype": self.dtype_policy}, config.output_size, config.width
        self.fold = max(2, size // LARGEST_GRID)
        self.components = min(config.components, 3 * self.fold**2)
        condition, seeds = 4 * width, itertools.count(1000 * model.seed, 10)
        half = {"scale": math.sqrt(0.5)} | common
        self.time = Kernel(2 * _FREQUENCIES, condition, seed=next(seeds), **half)
        self.attributes = Kernel(model.attribute_count + 1, condition, seed=next(seeds), **half)
        self.joint = Kernel(condition, condition, scale=_RELU_GAIN, seed=next(seeds), **common)
        self.enter = Kernel(self.components + 17, width, 3, seed=next(seeds), **common)
        widths = (width, 2 * width, 2 * width)

        def block(inputs, outputs):
            return Block(inputs, outputs, condition, seed=next(seeds), **common)

        self.down = [[block(before, here), block(here, here)]
                     for before, here in zip((width, *widths), widths, strict=False)]
        self.attention = Attention(widths[-1], seed=next(seeds), **common)
        self.middle = block(widths[-1], widths[-1])
        self.up = [[block(below + here, here), block(2 * here, here)]
                   for below, here in zip((widths[-1], *widths[::-1]), widths[::-1], strict=False)]
        self.leave = Kernel(width, self.components, 3, gain=True, scale=_RELU_GAIN, seed=next(seeds), **common)
        self.built = True

    def call(self, noisy, coarse, kept, time, attributes, told):
        # Four pixels of a patch tell what there is to know of a picture without detail, and of a soft mask.
        known = tf.nn.avg_pool2d(tf.concat([2.0 * coarse, 2.0 * kept - 1.0], -1), *[self.fold // 2] * 2, "VALID")
        x = tf.concat([noisy, tf.nn.space_to_depth(known, 2), tf.ones_like(noisy[..., :1])], -1)
        x = self.enter(tf.cast(x, self.compute_dtype))
        condition = self._condition(time, attributes, told)
        skipped = []
        for level, blocks in enumerate(self.down):
            x = tf.nn.avg_pool2d(x, 2, 2, "VALID") if level else x
            for each in blocks:
                x = each(x, condition)
                skipped.append(x)
        x = self.middle(self.attention(x), condition)
        for level, blocks in enumerate(self.up):
            x = _enlarged(x) if level else x
            for each in blocks:
                x = each(_joined(x, skipped.pop()), condition)
        return tf.cast(self.leave(tf.nn.relu(x)), tf.float32)

    def _condition(self, time, attributes, told):
        """What scales the channels: float [B, C]."""
        angles = time[:, tf.newaxis] * tf.constant(np.pi * np.geomspace(0.5, 64.0, _FREQUENCIES), tf.float32)
        waves = math.sqrt(2.0) * tf.concat([tf.cos(angles), tf.sin(angles)], -1)
        # The share left out is told apart from the mean, at which all attributes are 0.
        known = tf.concat([told[:, tf.newaxis] * attributes, 3.0 * (1.0 - told[:, tf.newaxis])], -1)
        both = self.time(tf.cast(waves, self.compute_dtype)) + self.attributes(tf.cast(known, self.compute_dtype))
        return _RELU_GAIN * tf.nn.relu(self.joint(tf.nn.relu(both)))


def _old(inputs, shortcut=None):
    """The part of what a block got in its sum with what is new."""
    return inputs * tf.cast(_OLD_SCALE, inputs.dtype) if shortcut is None else shortcut(inputs)


def _joined(one, other):
    """Side by side, each with the same part in what follows."""
    total = one.shape[-1] + other.shape[-1]
    return tf.concat([part * tf.cast(math.sqrt(total / (2.0 * part.shape[-1])), part.dtype) for part in (one, other)],
                     -1)


def _enlarged(x):
    """Every pixel twice in both directions."""
    height, width, channels = x.shape[1:]
    x = tf.broadcast_to(x[:, :, tf.newaxis, :, tf.newaxis], [tf.shape(x)[0], height, 2, width, 2, channels])
    return tf.reshape(x, [-1, 2 * height, 2 * width, channels])
