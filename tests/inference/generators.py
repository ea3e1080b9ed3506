"""Small generators with fixed weights, for the tests of inference."""

import numpy as np
import tensorflow as tf

LATENTS, ATTRIBUTES, SIZE = 6, 4, 16


class Linear:
    """mu(z, y) = z W + y V + b, so that posteriors are known."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        # Directions of rather different strength, as in trained generators.
        self.weights = (np.geomspace(0.3, 0.02, LATENTS)[:, None]
                        * rng.normal(size=(LATENTS, SIZE * SIZE * 3))).astype(np.float32)
        self.effects = 0.05 * rng.normal(size=(ATTRIBUTES, SIZE * SIZE * 3)).astype(np.float32)
        self.offset = 0.1 * rng.normal(size=SIZE * SIZE * 3).astype(np.float32)

    def __call__(self, latents, attributes):
        flat = latents @ self.weights + attributes @ self.effects + self.offset
        return tf.reshape(flat, [-1, SIZE, SIZE, 3])


class Layered:
    """A small layered decoder: foreground and gate of half of the latents and y, background of the other half."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)

        def normal(*shape):
            return tf.constant(rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[:-1])), tf.float32)

        half = LATENTS // 2
        self.dense = [normal(half + ATTRIBUTES, 4 * 4 * 16), normal(LATENTS - half, 4 * 4 * 16)]
        self.kernels = [[normal(3, 3, 16, 16), normal(3, 3, 16, outputs)] for outputs in (4, 3)]

    def __call__(self, latents, attributes):
        front, behind = tf.split(latents, 2, -1)
        front = self._draw(0, tf.concat([front, attributes], -1))
        foregrounds, gates = tf.tanh(front[..., :3]), tf.sigmoid(3.0 * front[..., 3:])
        backgrounds = tf.tanh(self._draw(1, behind))
        return {"images": foregrounds * (1 - gates) + gates * backgrounds, "foregrounds": foregrounds * (1 - gates),
                "gates": gates, "backgrounds": backgrounds}

    def _draw(self, part, inputs):
        x = tf.reshape(tf.nn.softplus(inputs @ self.dense[part]), [-1, 4, 4, 16])
        x = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
        x = tf.nn.softplus(tf.nn.conv2d(x, self.kernels[part][0], 1, "SAME"))
        x = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
        return tf.nn.conv2d(x, self.kernels[part][1], 1, "SAME")


def pictures(generator, rows, seed=0, noise=0.0):
    """Pictures of random latents and attributes: images [B, H, W, 3], latents [B, Z], attributes [B, A]."""
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(rows, LATENTS)).astype(np.float32)
    attributes = rng.uniform(-1, 1, (rows, ATTRIBUTES)).astype(np.float32)
    drawn = generator(tf.constant(latents), tf.constant(attributes))
    images = (drawn["images"] if isinstance(drawn, dict) else drawn).numpy()
    images = images + noise * rng.normal(size=images.shape).astype(np.float32)
    return np.clip(images, -1, 1), latents, attributes
