"""DetailFlow: the detail of a picture, p(x | r, m x, m, y), as a rectified flow.

r is the layered model's picture, enlarged; m in [0, 1] says where the photo itself is kept. What is drawn is the
residual, patch by patch, as its first principal components of unit variance, u = D^-1/2 V' (x - r) with D and V the
largest eigenvalues of the covariance of the residual's patches and their vectors, from noise at time 0 to detail at
time 1:

    u_t = (1 - t) u_0 + t u_1,   u_0 ~ N(0, I),   u_1 = D^-1/2 V' (x - r)
    min over v of E || (1 - m) V D^1/4 (v(u_m, r, m, t, y) - (u_1 - u_0)) ||^2,   t by a logit-normal

where u_m is u_t with the photo's own pixels where m keeps them. Noise therefore has the contours and colours of detail
from the start: white noise is mostly of frequencies of which pictures have next to nothing, and all of it would have to
pass through the network to be taken away. D^1/4 lies between counting what the eye sees and counting all alike. Of the
48 components of a patch of 4 x 4 pixels of a face, 20 leave out a level of 255.

    sample      m = 0 everywhere, r of (z, y)
    completion  m = 1 where the photo is visible, r the completion that inference found
    edit        m falls to 0 where the pictures before and after differ, r the one after

What a linear function of u_t knows of the velocity is taken from it, and the network adds what is left, which has unit
variance before it is scaled (Karras et al., EDM, NeurIPS 2022, for this path):

    v = (2 t - 1) / c u_t + F / sqrt(c),   c = t^2 + (1 - t)^2

so that noise is taken away at once, by as much as was put in, and need not pass through the network.

Attributes are left out now and then, so that drawing can be guided by them: v = v(none) + w (v(y) - v(none)).

References: Liu et al., ICLR 2023, and Lipman et al., ICLR 2023 (rectified flow, flow matching); Esser et al., ICML 2024
(logit-normal time); Pandey et al., DiffuseVAE, TMLR 2022 (a VAE refined so); Saharia et al., Palette, SIGGRAPH 2022
(one network, masks as input); Ho and Salimans, 2022 (classifier-free guidance).
"""

import numpy as np
import tensorflow as tf

from attr2image_tf.config import DetailConfig, ModelConfig
from attr2image_tf.detail.network import DetailNetwork
from attr2image_tf.randomness import fold_in, stateless_normal

# Folded into seeds, so that the noise of the detail is another than that of the latents.
_STREAM = 7
# Of the residual in any direction, in units of pixels in [-1, 1]: a level of 255, below which there is nothing to see.
_LEAST_DEVIATION = 1.0 / 127.5


class DetailFlow(tf.Module):
    """Draws detail, and says how far its network is from the flow.

    Args:
        model: ModelConfig of the model whose pictures get detail.
        config: DetailConfig.

    Attributes:
        network: DetailNetwork.
        whitening: float32 variable [P, K], V D^-1/2 of patches of P values and K components; see `set_covariance`.
        spread, importance: float32 variables [K, P], D^1/2 V' and D^1/4 V' (scaled). Pixels are in [-1, 1].
        size: int. Height and width of the pictures.
        noise_shape: list of ints [s, s, K], of the noise of a picture.
    """

    def __init__(self, model: ModelConfig, config: DetailConfig):
        super().__init__()
        self.config, self.size = config, config.output_size
        self.network = DetailNetwork(model, config)
        values, components = 3 * self.network.fold**2, self.network.components
        self.whitening, self.spread, self.importance = (self.network.add_weight(
            name=name, shape=shape, trainable=False, dtype="float32", autocast=False, initializer="identity",
            aggregation="only_first_replica") for name, shape in (
                ("whitening", [values, components]), ("spread", [components, values]),
                ("importance", [components, values])))
        grid = self.size // self.network.fold
        self.noise_shape = [grid, grid, components]
        # Traced once for all steps.
        self._evaluate = tf.function(self._velocity, autograph=False, reduce_retracing=True)

    @property
    def weights(self) -> list[tf.Variable]:
        """All that is trained or measured."""
        return [variable.value for variable in self.network.variables]

    def patches(self, residual):
        """Pictures [B, S, S, 3] as patches [B, s, s, P]."""
        return tf.nn.space_to_depth(residual, self.network.fold)

    def set_covariance(self, covariance: np.ndarray):
        """Takes the covariance [P, P] of the residual's patches, from before training."""
        values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
        values, vectors = (each[..., ::-1][..., :self.network.components] for each in (values, vectors))
        deviations = np.sqrt(np.maximum(values, _LEAST_DEVIATION**2))
        # An error of 1 in every component counts 1 in every pixel.
        importance = np.sqrt(len(vectors) * deviations / deviations.sum())
        for variable, matrix in ((self.whitening, vectors / deviations), (self.spread, (vectors * deviations).T),
                                 (self.importance, (vectors * importance).T)):
            variable.assign(matrix.astype(np.float32))

    def _components(self, residual):
        """Of pictures [B, S, S, 3], those of their patches, float32 [B, s, s, K]."""
        return self.patches(residual) @ self.whitening.value

    def _pictures(self, components, matrix):
        return tf.nn.depth_to_space(components @ matrix.value, self.network.fold)

    def enlarge(self, coarse):
        """Pictures or layers float32 [B, H, W, C] at the size of the detail, bicubic, in the range that they had."""
        if coarse.shape[1] == self.size:
            return coarse
        large = tf.image.resize(coarse, [self.size, self.size], "bicubic")
        return tf.clip_by_value(large, tf.reduce_min(coarse, [1, 2, 3], keepdims=True),
                                tf.reduce_max(coarse, [1, 2, 3], keepdims=True))

    def reduce(self, pictures, size: int):
        """Pictures float32 [B, S, S, C] at the size of the model that sees them, Lanczos, as data sets are prepared."""
        if pictures.shape[1] == size:
            return pictures
        return tf.image.resize(pictures, [size, size], "lanczos3", antialias=True)

    def loss(self, images, coarse, kept, time, noise, attributes, told):
        """The squared error of the velocity where nothing is kept, float32 [B], a mean over its values.

        Args:
            images: float32 [B, S, S, 3] in [-1, 1].
            coarse: float32 [B, S, S, 3] in [-1, 1].
            kept: float32 [B, S, S, 1] in [0, 1].
            time: float32 [B] in [0, 1].
            noise: float32 [B, s, s, K].
            attributes: float32 [B, A], standardised.
            told: float32 [B], 0 where the attributes are left out.
        """
        residual = self._components(images - coarse)
        share = time[:, tf.newaxis, tf.newaxis, tf.newaxis]
        on_the_way = self._seen((1.0 - share) * noise + share * residual, images - coarse, kept)
        velocity = self._predict(on_the_way, coarse, kept, time, attributes, told)
        open_share = 3.0 * tf.reduce_sum(1.0 - kept, [1, 2, 3])
        error = self._pictures(velocity - (residual - noise), self.importance)
        error = tf.reduce_sum((1.0 - kept) * tf.square(error), [1, 2, 3])
        return error / tf.maximum(open_share, 1.0)

    def draw(self, coarse, attributes, seeds, photo=None, kept=None):
        """Pictures float32 [B, S, S, 3] in [-1, 1], each a function of its own row alone.

        Args:
            coarse: float32 [B, H, W, 3] in [-1, 1], of any size.
            attributes: float32 [B, A], standardised.
            seeds: int32 [B, 2]. Of the noise.
            photo: float32 [B, S, S, 3] in [-1, 1], or None for samples.
            kept: float32 [B, S, S, 1] in [0, 1], how far each pixel of the photo is kept; where it is 1 the result is
                the photo. None with `photo` None.
        """
        coarse, rows, shape = self.enlarge(coarse), tf.shape(coarse)[0], self.noise_shape
        drawn = self.config.temperature * tf.map_fn(
            lambda seed: stateless_normal(shape, fold_in(seed, _STREAM)), seeds,
            fn_output_signature=tf.TensorSpec(shape, tf.float32))
        if photo is None:
            photo, kept = coarse, tf.zeros_like(coarse[..., :1])
        steps = self.config.steps
        for step in range(steps):
            time = tf.fill([rows], step / steps)
            velocity = self._evaluate(self._seen(drawn, photo - coarse, kept), coarse, kept, time, attributes)
            drawn += velocity / steps
        detailed = coarse + self._pictures(drawn, self.spread)
        return tf.clip_by_value(kept * photo + (1.0 - kept) * detailed, -1.0, 1.0)

    def _seen(self, on_the_way, known, kept):
        """What the network sees of the residual's components: the photo's own where that is kept."""
        return self._components(kept * known + (1.0 - kept) * self._pictures(on_the_way, self.spread))

    def _velocity(self, noisy, coarse, kept, time, attributes):
        weight, rows = self.config.guidance, tf.shape(coarse)[0]
        if weight == 1.0:
            return self._predict(noisy, coarse, kept, time, attributes, tf.ones([rows]))
        twice = (tf.concat([each, each], 0) for each in (noisy, coarse, kept, time, attributes))
        told = tf.concat([tf.ones([rows]), tf.zeros([rows])], 0)
        guided, free = tf.split(self._predict(*twice, told), 2, 0)
        return free + weight * (guided - free)

    def _predict(self, noisy, coarse, kept, time, attributes, told):
        """The velocity, float32 [B, s, s, K]; arguments are those of DetailNetwork."""
        share = time[:, tf.newaxis, tf.newaxis, tf.newaxis]
        variance = tf.square(share) + tf.square(1.0 - share)
        rest = self.network(noisy, coarse, kept, time, attributes, told)
        return (2.0 * share - 1.0) / variance * noisy + rest * tf.math.rsqrt(variance)
