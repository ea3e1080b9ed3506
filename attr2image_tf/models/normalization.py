"""BatchNormalization: one fused kernel on one device, synchronised over many."""

import keras
import tensorflow as tf


class BatchNormalization(keras.layers.Layer):
    """Batch normalisation over [B, H, W] whose statistics are those of the global batch on any number of replicas.

    Keras' own layer takes many small operations and keeps other moving statistics on each replica. This one runs
    TensorFlow's fused kernel where there is one replica, and reduces the two moments across replicas where there are
    more. Moments, scale and offset stay float32 under mixed precision.

    Args:
        momentum: float in [0, 1). Share of the old moving statistics kept at each step.
        epsilon: float. Added to the variance.

    Call input: [B, H, W, C]. Output: the same shape.
    """

    def __init__(self, momentum=0.9, epsilon=1e-3, **kwargs):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        def weight(name, initializer, trainable):
            # Statistics are equal on all replicas, so any replica's write is everybody's.
            return self.add_weight(name=name, shape=(input_shape[-1],), initializer=initializer, trainable=trainable,
                                   dtype="float32", autocast=False, aggregation="only_first_replica")

        self.gamma = weight("gamma", "ones", True)
        self.beta = weight("beta", "zeros", True)
        self.moving_mean = weight("moving_mean", "zeros", False)
        self.moving_variance = weight("moving_variance", "ones", False)

    def call(self, inputs, training=False):
        gamma, beta = self.gamma.value, self.beta.value
        if not training:
            scale, offset = self.inference_scale_and_offset()
            return inputs * tf.cast(scale, inputs.dtype) + tf.cast(offset, inputs.dtype)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync == 1:
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(inputs, gamma, beta, epsilon=self.epsilon)
            # The kernel returns the unbiased estimate; the synchronised path below the plain one.
            count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
            variance *= (count - 1.0) / count
        else:
            wide = tf.cast(inputs, tf.float32)
            mean, square = context.all_reduce(
                tf.distribute.ReduceOp.MEAN, [tf.reduce_mean(wide, [0, 1, 2]), tf.reduce_mean(wide * wide, [0, 1, 2])])
            variance = tf.nn.relu(square - mean * mean)
            outputs = tf.cast(tf.nn.batch_normalization(wide, mean, variance, beta, gamma, self.epsilon), inputs.dtype)
        for moving, now in ((self.moving_mean, mean), (self.moving_variance, variance)):
            # A step that the optimiser skips must not leave NaN behind.
            followed = moving.value * self.momentum + now * (1.0 - self.momentum)
            moving.assign(tf.where(tf.math.is_finite(followed), followed, moving.value))
        return outputs

    def inference_scale_and_offset(self):
        """What inference multiplies by and adds, float32 [C] each."""
        scale = self.gamma.value * tf.math.rsqrt(self.moving_variance.value + self.epsilon)
        return scale, self.beta.value - self.moving_mean.value * scale

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
