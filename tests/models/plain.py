"""The plain forms that the package's rewrites stand for, on the same weights.

Each function takes a layer and what it is called with, and does what the paper or Keras does there. `undo` puts some of
them into a model, `PlainAdam` stands in for the optimiser.
"""

import functools

import keras
import tensorflow as tf

from attr2image_tf import models
from attr2image_tf.models.folding import conv_blocks
from attr2image_tf.models.narrow import NarrowConv2D
from attr2image_tf.models.networks import BackgroundEncoder, ForegroundDecoder, ForegroundEncoder
from attr2image_tf.models.upsampling import transposed_kernel


def upsample(layer, inputs):
    """Nearest upsampling, then the convolution of the large picture."""
    large = keras.layers.UpSampling2D(2, interpolation="nearest", dtype=layer.compute_dtype)(inputs)
    return keras.ops.conv(large, layer.kernel, padding="same") + layer.bias


def convolve_transposed(inputs, transposed, bias):
    """The upsampled convolution as a transposed one, in both directions."""
    batch, height, width = tf.shape(inputs)[0], inputs.shape[1], inputs.shape[2]
    crop = (transposed.shape[0] - 1) // 2 - 1
    padding = [[0, 0], [crop, crop], [crop, crop], [0, 0]] if crop else "VALID"
    shape = [batch, 2 * height + 1, 2 * width + 1, transposed.shape[2]]
    outputs = tf.nn.conv2d_transpose(inputs, transposed, shape, 2, padding)
    return tf.nn.bias_add(tf.nn.avg_pool2d(outputs, 2, 1, "VALID"), bias)


def upsample_transposed(layer, inputs):
    """A transposed convolution and a sum over 2 x 2."""
    kernel, bias = (tf.cast(weight, layer.compute_dtype) for weight in (layer.kernel, layer.bias))
    return convolve_transposed(inputs, transposed_kernel(kernel), bias)


def normalize(layer, inputs, training=False):
    """Batch normalisation by the operations of Keras' own layer."""
    wide = tf.cast(inputs, tf.float32)
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    if training:
        mean, variance = keras.ops.moments(wide, [0, 1, 2])
        for moving, now in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            moving.assign(moving.value * layer.momentum + now * (1.0 - layer.momentum))
    outputs = keras.ops.batch_normalization(wide, mean, variance, -1, layer.beta.value, layer.gamma.value,
                                            layer.epsilon)
    return tf.cast(outputs, inputs.dtype)


def pool_last(block, inputs, training=False):
    """Convolution, normalisation, ReLU, then pooling."""
    x = block.convolution(inputs)
    if block.normalization is not None:
        x = block.normalization(x, training=training)
    return tf.nn.max_pool2d(tf.nn.relu(x), 2, 2, "VALID")


def valid_convolution(side, layer, inputs, training=False):
    """The "valid" convolution that covers all of a picture of `side` x `side`."""
    channels = inputs.shape[1] // side**2
    kernel = tf.reshape(layer.kernel, [side, side, channels, layer.units])
    x = keras.ops.conv(tf.reshape(inputs, [-1, side, side, channels]), kernel, padding="valid") + layer.bias
    return tf.nn.relu(x[:, 0, 0])


def two_heads(layer, inputs):
    """Foreground and gate by a convolution each."""
    parts = zip(tf.split(layer.kernel, [3, 1], -1), tf.split(layer.bias, [3, 1], -1), strict=True)
    return tf.concat([layer.convolution_op(inputs, kernel) + bias for kernel, bias in parts], -1)


def undo(model: models.AttributeModel, *rewrites: str):
    """Puts plain forms into a model, by name: those of FORMS.

    Raises:
        ValueError: "upsampling" and "polyphase" are both named, which stand for the same layers.
    """
    if {"upsampling", "polyphase"} <= set(rewrites):
        raise ValueError(f"undo: rewrites={rewrites} names two plain forms of upsampling; choose \"upsampling\" or "
                         "\"polyphase\".")

    def put(name, layer, form):
        if name in rewrites:
            layer.call = functools.partial(form, layer)

    for network in model.layers:
        for block in conv_blocks(network):
            if block.upsample:
                put("upsampling", block.convolution, upsample)
                put("polyphase", block.convolution, upsample_transposed)
            if block.normalization is not None:
                put("normalisation", block.normalization, normalize)
            if block.pool:
                put("pooling", block, pool_last)
        if isinstance(network, (ForegroundEncoder, BackgroundEncoder)):
            put("flatten", network.stream.flatten, functools.partial(valid_convolution, model.config.image_size // 16))
        for layer in network.layers:
            if isinstance(layer, NarrowConv2D) and "narrow" in rewrites:
                layer.convolution_op = functools.partial(keras.layers.Conv2D.convolution_op, layer)
        if isinstance(network, ForegroundDecoder) and network.gate:
            put("heads", network.heads, two_heads)


class PlainAdam:
    """Keras' Adam with interface and penalty of `attr2image_tf.models.optimizer.Adam`; no guard, one replica."""

    loss_scale = 1.0

    def __init__(self, model, learning_rate, *, l2=0.0, clip_norm=0.0):
        self.l2, self._variables = l2, model.trainable_variables
        self._adam = keras.optimizers.Adam(learning_rate, epsilon=1e-8, global_clipnorm=clip_norm or None)
        self._adam.build(self._variables)

    @property
    def iterations(self):
        return self._adam.iterations.value

    def apply(self, gradients, weights):
        self._adam.apply([gradient + self.l2 * weight if weight.shape.rank > 1 else gradient
                          for gradient, weight in zip(gradients, weights, strict=True)], self._variables)


FORMS = {
    "upsampling": "four small convolutions by phase, for upsampling and convolution",
    "polyphase": "the same, for a transposed convolution and a 2 x 2 sum",
    "normalisation": "fused batch normalisation",
    "pooling": "pooling before ReLU",
    "flatten": "last convolution of the encoders as a matrix product",
    "heads": "foreground and gate heads as one convolution",
    "narrow": "last convolution of the decoders as a transposed one",
    "optimiser": "fused Adam",
}
# The paper's network has none of them; "polyphase" puts in a form that the paper does not have.
ALL = tuple(name for name in FORMS if name != "polyphase")


def create(config, *rewrites: str) -> models.AttributeModel:
    """A model with these rewrites undone."""
    model = models.create(config)
    undo(model, *rewrites)
    return model
