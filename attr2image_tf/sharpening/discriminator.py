"""Discriminator: tells real pictures from drawn ones, by patch and as a whole beside their attributes.

Convolutions of stride 1 and averages by 2, since gradients through convolutions of stride 2 are chequered and the
decoder learns to draw that.

References: Isola et al., CVPR 2017 (patches); Miyato and Koyama, ICLR 2018 (attributes by projection).
"""

import itertools

import keras
import tensorflow as tf

_SLOPE = 0.2
_PATCH_LEVEL = 2


class Discriminator(keras.Model):
    """Pictures and attributes to logits above 0 where they seem real.

    Args:
        attribute_count: int. A.
        width: float. Factor on the channels.
        seed: int. Seed of the initial weights.

    Call inputs: images float32 [B, H, W, 3] in [-1, 1], H and W at least 16; attributes float32 [B, A],
    standardised. Output: a dictionary of patches float32 [B, H / 4, W / 4, 1], whole float32 [B] and features, a list
    of float32 [B, H', W', C], one a level.
    """

    def __init__(self, attribute_count, *, width=1.0, seed=0, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        seeds = itertools.count(seed)
        self.channels = [max(1, round(count * width)) for count in (32, 64, 128, 256, 256)]

        def convolution(filters, size):
            return keras.layers.Conv2D(filters, size, padding="same", dtype="float32",
                                       kernel_initializer=keras.initializers.HeNormal(next(seeds)))

        def dense(units):
            return keras.layers.Dense(units, dtype="float32", use_bias=units == 1,
                                      kernel_initializer=keras.initializers.GlorotUniform(next(seeds)))

        self.levels = [convolution(filters, 3) for filters in self.channels]
        self.patch = convolution(1, 1)
        self.whole, self.projection = dense(1), dense(self.channels[-1])
        self.attribute_count = attribute_count

    def call(self, images, attributes):
        x, features, patches = images, [], None
        for level, convolution in enumerate(self.levels):
            x = tf.nn.leaky_relu(convolution(x), _SLOPE)
            features.append(x)
            if level == _PATCH_LEVEL:
                patches = self.patch(x)
            if level < len(self.levels) - 1:
                x = tf.nn.avg_pool2d(x, 2, 2, "VALID")
        x = tf.reduce_mean(x, [1, 2])
        whole = self.whole(x)[:, 0] + tf.reduce_sum(x * self.projection(attributes), -1)
        return {"patches": patches, "whole": whole, "features": features}

    def build_networks(self, image_size):
        """Makes all weights by a call on a picture of zeros."""
        self(tf.zeros([1, image_size, image_size, 3]), tf.zeros([1, self.attribute_count]))
        self.built = True
