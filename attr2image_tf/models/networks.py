"""The paper's encoders and decoders (Attribute2Image, supplementary; the release's arch_condVAE and arch_disCVAE).

Sizes follow `ModelConfig`; in the comments they are the paper's, for 64 x 64 pictures. Every network takes
standardised attributes and pictures in [-1, 1]. Convolutions keep their biases beside batch normalisation, as the
authors' release does.
"""

import keras
import tensorflow as tf

from attr2image_tf.models.narrow import NarrowConv2D
from attr2image_tf.models.normalization import BatchNormalization
from attr2image_tf.models.randomness import replica_dropout
from attr2image_tf.models.upsampling import UpsampleConv2D

# exp(log-variance) overflows when training goes astray; beyond this the posterior is a point or the prior many times
# over, in either case of no use.
LOG_VARIANCE_BOUND = 8.0


def bounded_log_variance(raw):
    """`raw` squeezed into (-8, 8), near the identity around 0, with a gradient everywhere."""
    return LOG_VARIANCE_BOUND * tf.tanh(tf.cast(raw, tf.float32) / LOG_VARIANCE_BOUND)


class ConvBlock(keras.layers.Layer):
    """Convolution, batch normalisation, ReLU and max pooling by 2, each but the first and the ReLU optional.

    Pooling comes before the ReLU: both are monotonic, so the result is the same and the ReLU costs a quarter.

    Args:
        filters: int. Output channels.
        kernel_size: int.
        strides: int. Strides of the convolution.
        normalize: bool. Whether batch normalisation follows the convolution.
        pool: bool. Whether max pooling by 2 follows.
        upsample: bool. Whether nearest upsampling by 2 comes before the convolution.

    Call input: [B, H, W, C].
    """

    def __init__(self, filters, kernel_size, *, strides=1, normalize=True, pool=False, upsample=False, **kwargs):
        super().__init__(**kwargs)
        dtype = self.dtype_policy
        if upsample:
            self.convolution = UpsampleConv2D(filters, kernel_size, dtype=dtype)
        else:
            self.convolution = keras.layers.Conv2D(filters, kernel_size, strides, "same", dtype=dtype)
        self.normalization = BatchNormalization(dtype=dtype) if normalize else None
        self.strides, self.pool, self.upsample = strides, pool, upsample

    def call(self, inputs, training=False):
        x = self.convolution(inputs)
        if self.normalization is not None:
            x = self.normalization(x, training=training)
        if self.pool:
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        return tf.nn.relu(x)


class ImageStream(keras.layers.Layer):
    """Picture to features, shared in form by both encoders: five convolutions and a dense layer with dropout."""

    def __init__(self, config, channels, **kwargs):
        super().__init__(**kwargs)
        a, b, c, d, e = (config.channels(count) for count in channels)
        dtype = self.dtype_policy
        self.blocks = [
            ConvBlock(a, 5, normalize=False, pool=True, dtype=dtype),
            ConvBlock(b, 5, pool=True, dtype=dtype),
            ConvBlock(c, 3, pool=True, dtype=dtype),
            ConvBlock(d, 3, strides=2, dtype=dtype),
        ]
        # The paper's "valid" convolution covers all that is left of the picture, 4 x 4 at 64 pixels, and so is a dense
        # layer; as a matrix product it trains in a fiftieth of the time.
        self.flatten = keras.layers.Dense(e, "relu", dtype=dtype)
        self.dense = keras.layers.Dense(e, "relu", dtype=dtype)
        self.dropout = config.dropout

    def call(self, images, training=False, seed=None):
        x = images
        for block in self.blocks:
            x = block(x, training=training)
        x = self.dense(self.flatten(tf.reshape(x, [-1, x.shape[1] * x.shape[2] * x.shape[3]])))
        return replica_dropout(x, self.dropout, seed) if training and self.dropout else x


class ForegroundEncoder(keras.Model):
    """q(z_F | x_F, y), the recognition network of DisCVAE's foreground, of the CVAE and (unconditional) of the VAE.

    Args:
        config: ModelConfig.
        latent_size: int. Z_F.
        conditional: bool. False drops the attribute stream (VAE).

    Call inputs: images float32 [B, H, W, 3]; attributes float32 [B, A], standardised. Output: mean and log-variance,
    float32 [B, Z_F] each.
    """

    def __init__(self, config, latent_size, conditional=True, **kwargs):
        super().__init__(dtype=config.precision, **kwargs)
        dtype = self.dtype_policy
        self.stream = ImageStream(config, (64, 128, 256, 256, 1024), dtype=dtype)
        self.attribute_stream = keras.layers.Dense(latent_size, "relu", dtype=dtype) if conditional else None
        self.mean = keras.layers.Dense(latent_size, dtype=dtype)
        self.log_variance = keras.layers.Dense(latent_size, dtype=dtype)

    def call(self, images, attributes, training=False, seed=None):
        features = self.stream(images, training=training, seed=seed)
        joint = features
        if self.attribute_stream is not None:
            joint = tf.concat([features, self.attribute_stream(attributes)], -1)
        return tf.cast(self.mean(joint), tf.float32), bounded_log_variance(self.log_variance(features))


class BackgroundEncoder(keras.Model):
    """q(z_B | z_F, x, y), the recognition network of DisCVAE's background.

    Call inputs: images float32 [B, H, W, 3]; attributes float32 [B, A], standardised; foreground_latents float32
    [B, Z_F]. Output: mean and log-variance, float32 [B, Z_B] each.
    """

    def __init__(self, config, **kwargs):
        super().__init__(dtype=config.precision, **kwargs)
        dtype = self.dtype_policy
        self.stream = ImageStream(config, (64, 64, 64, 64, 256), dtype=dtype)
        self.joint = keras.layers.Dense(config.channels(256), "relu", dtype=dtype)
        self.mean = keras.layers.Dense(config.background_latent_size, dtype=dtype)
        self.log_variance = keras.layers.Dense(config.background_latent_size, dtype=dtype)

    def call(self, images, attributes, foreground_latents, training=False, seed=None):
        features = self.stream(images, training=training, seed=seed)
        others = [tf.cast(other, features.dtype) for other in (attributes, foreground_latents)]
        joint = self.joint(tf.concat([features, *others], -1))
        return tf.cast(self.mean(joint), tf.float32), bounded_log_variance(self.log_variance(joint))


class ForegroundDecoder(keras.Model):
    """z_F and y to the foreground x_F and the gate g; without the gate the decoder of CVAE and VAE.

    One network that splits at its last convolution; both heads are computed as one convolution with 4 outputs.

    Args:
        config: ModelConfig.
        latent_size: int. Z_F.
        conditional: bool. False drops the attributes (VAE).
        gate: bool. Whether there is a gate.

    Call inputs: latents float32 [B, Z_F]; attributes float32 [B, A], standardised. Output: foregrounds float32
    [B, H, W, 3] in [-1, 1] and gate logits float32 [B, H, W, 1], or None without a gate.
    """

    def __init__(self, config, latent_size, conditional=True, gate=False, **kwargs):
        super().__init__(dtype=config.precision, **kwargs)
        dtype = self.dtype_policy
        widest, middle, last = (config.channels(count) for count in (256, 128, 64))
        self.start = config.image_size // 8
        self.condition = keras.layers.Dense(2 * latent_size, "relu", dtype=dtype) if conditional else None
        self.joint = keras.layers.Dense(widest, "relu", dtype=dtype)
        self.project = keras.layers.Dense(self.start**2 * widest, "relu", dtype=dtype)
        self.blocks = [
            ConvBlock(widest, 3, dtype=dtype),
            ConvBlock(widest, 5, upsample=True, dtype=dtype),
            ConvBlock(middle, 5, upsample=True, dtype=dtype),
            ConvBlock(last, 5, upsample=True, dtype=dtype),
        ]
        self.gate = gate
        self.heads = NarrowConv2D(4 if gate else 3, 5, dtype=dtype)

    def call(self, latents, attributes, training=False):
        x = latents
        if self.condition is not None:
            x = tf.concat([tf.cast(x, self.compute_dtype), self.condition(attributes)], -1)
        x = self.project(self.joint(x))
        x = tf.reshape(x, [-1, self.start, self.start, x.shape[-1] // self.start**2])
        for block in self.blocks:
            x = block(x, training=training)
        heads = tf.cast(self.heads(x), tf.float32)
        return tf.tanh(heads[..., :3]), heads[..., 3:] if self.gate else None


class BackgroundDecoder(keras.Model):
    """z_B to the background x_B.

    Call input: latents float32 [B, Z_B]. Output: backgrounds float32 [B, H, W, 3] in [-1, 1].
    """

    def __init__(self, config, **kwargs):
        super().__init__(dtype=config.precision, **kwargs)
        dtype = self.dtype_policy
        self.start = config.image_size // 32
        self.project = keras.layers.Dense(self.start**2 * config.channels(256), "relu", dtype=dtype)
        self.blocks = [ConvBlock(config.channels(filters), size, upsample=upsample, dtype=dtype)
                       for filters, size, upsample in ((128, 3, True), (128, 3, True), (64, 3, True), (64, 3, False),
                                                       (64, 3, True), (64, 3, False), (32, 5, True))]
        self.head = NarrowConv2D(3, 5, dtype=dtype)

    def call(self, latents, training=False):
        x = self.project(latents)
        x = tf.reshape(x, [-1, self.start, self.start, x.shape[-1] // self.start**2])
        for block in self.blocks:
            x = block(x, training=training)
        return tf.tanh(tf.cast(self.head(x), tf.float32))
