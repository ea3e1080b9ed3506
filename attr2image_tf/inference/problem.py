"""Problem: the energies of many pictures as one function of points, and in which coordinates.

A point is [v, w]: v of the latents, z = mean + scale * v around a guess, and w of the attributes, whitened
(`AttributePrior`). Without a guess v = e, the whitened latents. An attribute that is known is one that does not move:
its w stays at 0, where its energy and all its gradients are 0, so that known and unknown attributes are one problem and
one graph. Whitened, a point is [e, w], of which the prior is N(0, I); a sample's is N(origin, I).
"""

from typing import NamedTuple

import tensorflow as tf

from attr2image_tf.inference.attribute_prior import Reading


class Rows(NamedTuple):
    """What is asked of each row of a batch; tensors with the rows first.

    Attributes:
        images: float32 [B, H, W, 3] in [-1, 1]; where hidden, anything.
        observed: float32 [B, H, W, 1].
        attributes: float32 [B, A], where they are known.
        unknown: bool [B, 1], whether attributes are to be found.
        read: float32 [B, A], seen: float32 [B, 1]. The Reading; 0 without one.
        mean, scale: float32 [B, Z]. The guess; 0 and 1 without one.
        origin: float32 [B, D]. Where the prior's mean lies, whitened.
    """

    images: tf.Tensor
    observed: tf.Tensor
    attributes: tf.Tensor
    unknown: tf.Tensor
    read: tf.Tensor
    seen: tf.Tensor
    mean: tf.Tensor
    scale: tf.Tensor
    origin: tf.Tensor


class Problem:
    """Energies of points [B, D], D = Z + A, or Z without an attribute prior.

    Args:
        rows: Rows.
        energy: Energy.
        generator: function of latents [B, Z] and attributes [B, A], as LatentOptimizer takes it.
        to_latents, to_noise: functions of e or z, float32 [B, Z], and attributes, that invert each other.
        attribute_prior: AttributePrior or None.
        guessed: bool. Whether v is around a guess.
    """

    def __init__(self, rows: Rows, *, energy, generator, to_latents, to_noise, attribute_prior, guessed):
        self.rows, self.energy, self.generator, self.guessed = rows, energy, generator, guessed
        self.to_latents, self.to_noise, self.attribute_prior = to_latents, to_noise, attribute_prior
        self._sizes = [rows.mean.shape[1], rows.origin.shape[1] - rows.mean.shape[1]]

    def gradients(self, points, numbers):
        """Energies [b] and their gradients [b, D] at points [b, D] of the rows of these numbers [b]."""
        some = self._of(Rows(*(tf.gather(part, numbers) for part in self.rows)))
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(points)
            energies = some.energies(points)
            # The rows know nothing of each other, so the gradient of the sum holds each row's own.
            total = tf.reduce_sum(energies)
        return energies, tape.gradient(total, points)

    def energies(self, points):
        """[B]; what `gradients` gives first, of all rows."""
        reconstruction, prior, *_ = self.parts(points)
        return reconstruction + prior

    def parts(self, points):
        """Reconstruction and prior energy [B], latents, pictures and attributes at points of all rows."""
        attributes, rows = self.attributes(points), self.rows
        latents = self.latents(points, attributes)
        drawn = self.generator(latents, attributes)
        images = drawn["images"] if isinstance(drawn, dict) else drawn
        reconstruction = self.energy.reconstruction(images, rows.images, rows.observed)
        # e and w alike: both have a standard normal prior.
        whitened = self._whitened(points, latents, attributes)
        return (reconstruction, self.energy.regulariser(whitened - rows.origin, rows.observed), latents, images,
                attributes)

    def attributes(self, points):
        """y of points, float32 [B, A]."""
        if self.attribute_prior is None:
            return self.rows.attributes
        found = self.attribute_prior.to_attributes(tf.split(points, self._sizes, -1)[1],
                                                   Reading(self.rows.read, self.rows.seen))
        return tf.where(self.rows.unknown, found, self.rows.attributes)

    def latents(self, points, attributes):
        """z of points, float32 [B, Z]."""
        own = tf.split(points, self._sizes, -1)[0]
        return self.rows.mean + self.rows.scale * own if self.guessed else self.to_latents(own, attributes)

    def point(self, latents, unknown):
        """[v, w] of z float32 [B, Z] and w float32 [B, D - Z]."""
        if self.guessed:
            own = (latents - self.rows.mean) / self.rows.scale
        else:
            own = self.to_noise(latents, self.attributes(tf.concat([latents, unknown], -1)))
        return tf.concat([own, unknown], -1)

    def moved(self, point, offset):
        """The point that lies from another by an offset [B, D] in whitened coordinates."""
        if not self.guessed:
            return point + offset
        attributes = self.attributes(point)
        whitened = self._whitened(point, self.latents(point, attributes), attributes) + offset
        noise, unknown = tf.split(whitened, self._sizes, -1)
        return self.point(self.to_latents(noise, self.attributes(whitened)), unknown)

    def _whitened(self, points, latents, attributes):
        if not self.guessed:
            return points
        return tf.concat([self.to_noise(latents, attributes), tf.split(points, self._sizes, -1)[1]], -1)

    def _of(self, rows):
        return Problem(rows, energy=self.energy, generator=self.generator, to_latents=self.to_latents,
                       to_noise=self.to_noise, attribute_prior=self.attribute_prior, guessed=self.guessed)
