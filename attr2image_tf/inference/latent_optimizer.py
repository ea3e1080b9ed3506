"""LatentOptimizer: the latents behind a picture, by minimising an energy (sec. 4 of the paper)."""

import dataclasses

import tensorflow as tf

from attr2image_tf.config import Config, choice
from attr2image_tf.inference import minimizers
from attr2image_tf.inference.attribute_prior import AttributePrior, Reading
from attr2image_tf.inference.completion import fill_in
from attr2image_tf.inference.editing import carry_over
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.inputs import check_attributes, check_images, check_latents, check_observed, check_seeds
from attr2image_tf.inference.randomness import fold_in, normal_by_example

METHODS = ("lbfgs", "adam")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Config):
    """How an energy is minimised. The defaults are the fast method.

    Attributes:
        method: "lbfgs" or "adam".
        iterations: the most evaluations of energy and gradient in one descent, at least 1.
        learning_rate: of adam, above 0.
        tolerance: an example stops when `patience` turns lower its energy by less than this share; 0 never stops.
        patience: at least 1.
        memory: steps that lbfgs remembers, at least 1.
    """

    method: str = choice("lbfgs", METHODS)
    iterations: int = 50
    learning_rate: float = 0.3
    tolerance: float = 1e-3
    patience: int = 10
    memory: int = 20

    def __post_init__(self):
        super().__post_init__()
        for name in ("iterations", "patience", "memory"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require(0 <= self.tolerance < 1, "tolerance", "at least 0 and below 1")

    @classmethod
    def paper(cls) -> "OptimizerConfig":
        """The reference: Adam at 0.3 for 1000 iterations, from the prior mean."""
        return cls(method="adam", iterations=1000, learning_rate=0.3, tolerance=0.0)


class LatentOptimizer:
    """Finds latents, and attributes where they are unknown, behind pictures; completes and edits pictures.

        z* = argmin_z E(z; x, y),   E = L(mu(z, y), x; observed) + lambda * R(z)                           (eq. 9)

    The generator mu is known by its call alone, and so is the prior p(z | y) of its latents, as an invertible function
    z = f(e; y) of e ~ N(0, I), so that R is ||e||^2 / 2 whatever the prior. The descent is over v, z = m + s v, with a
    guess m and scales s: there a step of 1 matters more alike in all directions than it does in e, which a fitted prior
    stretches where the generator answers most. Without a guess it is over e. Unknown attributes are found along, in the
    whitened coordinates of AttributePrior, whose negative log-density joins R; with a reader it starts from what that
    reads in the picture, and moves as far as its errors allow. All methods take batches in which every row is a problem
    of its own: its result does not depend on the other rows, up to rounding. They can be called inside a tf.function,
    and hold no Python in their loops.

    Args:
        generator: function of latents float32 [B, Z] and attributes float32 [B, A], differentiable, row by row. It
            returns pictures float32 [B, H, W, 3] in [-1, 1], or a dictionary with these as `images` and, if layered,
            `foregrounds`, `gates` [B, H, W, 1] and `backgrounds`.
        energy: Energy.
        config: OptimizerConfig.
        latent_size: int. Z.
        attribute_size: int. A.
        prior: whatever has `latents_from_noise` and `noise_from_latents`, functions of float32 [B, Z] and attributes
            [B, A] that invert each other, such as AttributeModel. None is N(0, I): z = e.
        attribute_prior: AttributePrior, needed where attributes are unknown.
        start: function of images, attributes and observed to m float32 [B, Z], from which the descent starts, and s
            float32 [B, Z], above 0, such as `amortised_start` of a model. None starts from the prior's mean, in e.

    All results have, by row,
        latents: float32 [B, Z].
        energy, reconstruction_energy, prior_energy: float32 [B]. E and its parts L and lambda * R.
        iterations: int32 [B], accepted steps; evaluations: int32 [B], of energy and gradient.
        stopped: int32 [B], a place in STOP_REASONS. A row that diverged keeps its best point, or has energy infinity.

    Raises:
        ValueError: the generator's output does not fit.

    Example:
        >>> optimizer = LatentOptimizer(model.decode, Energy(), latent_size=256, attribute_size=73)
        >>> optimizer.infer(images, attributes)["latents"].shape
        TensorShape([16, 256])
    """

    def __init__(self, generator, energy: Energy, config: OptimizerConfig = OptimizerConfig(), *, latent_size: int,
                 attribute_size: int, prior=None, attribute_prior: AttributePrior | None = None, start=None):
        self.prior, self.energy, self.config = prior, energy, config
        self.latent_size, self.attribute_size, self.attribute_prior = latent_size, attribute_size, attribute_prior
        if attribute_prior is not None and attribute_prior.size != attribute_size:
            raise ValueError(f"LatentOptimizer: the attribute prior is of {attribute_prior.size} attributes, not of "
                             f"{attribute_size}.")
        # A graph calls these in many places; as functions of their own they are traced once, not at each call.
        rows = (tf.TensorSpec([None, latent_size], tf.float32), tf.TensorSpec([None, attribute_size], tf.float32))
        self.generator = tf.function(generator, input_signature=rows, autograph=False)
        self.draw = tf.function(self._draw, input_signature=rows, autograph=False)
        self.start = start and tf.function(start, autograph=False, reduce_retracing=True)
        self.height, self.width = self._picture_size()
        # Without autograph, which has nothing to rewrite here and doubles the time of tracing.
        common = {"reduce_retracing": True, "autograph": False}
        self._solve = tf.function(self._solve_rows, **common)
        self._sample = tf.function(self._sample_rows, **common)
        self._edit = tf.function(self._edit_rows, **common)

    def infer(self, images, attributes, observed=None):
        """The latents of pictures whose attributes are known.

        Args:
            images: float32 [B, H, W, 3] in [-1, 1]; where hidden, anything.
            attributes: float32 [B, A] or [A].
            observed: float32 [B, H, W, 1], at least 0; 0 is hidden, 1 observed, other numbers weight the pixel. None
                is all observed.

        Returns:
            A dictionary with what the class promises, and images: float32 [B, H, W, 3], the reconstruction.

        Raises:
            ValueError: an input that does not fit, before any work.
        """
        images, observed = self._checked(images, observed)
        attributes = check_attributes("attributes", attributes, images, self.attribute_size)
        return self._solve(images, observed, attributes)[0]

    def infer_attributes(self, images, observed=None):
        """The latents and attributes of pictures, attributes within the range seen in training.

        Arguments, results and errors are those of `infer`; the dictionary also has attributes float32 [B, A].
        """
        self._require_prior()
        images, observed = self._checked(images, observed)
        return self._solve(images, observed, None)[0]

    def complete(self, images, observed, attributes=None, *, seeds=None, samples=0):
        """Pictures with their hidden part filled in; observed pixels are kept exactly.

        A hidden region has more than one answer. Besides the best, samples of the posterior are drawn by
        randomise-then-optimise: e and observed pixels are each perturbed by noise of their own variance, and the
        energy is minimised again from the best point. Where the picture is linear in e the draws are exact; otherwise
        they approximate the posterior around the best point.

        Args:
            images, observed: as in `infer`. Pixels with `observed` between 0 and 1 are mixed.
            attributes: float32 [B, A] or [A], or None to find them too.
            seeds: int32 [B, 2], of the samples. None is all 0.
            samples: int, at least 0. Draws besides the best.

        Returns:
            A dictionary with what the class promises, each with a second dimension 1 + samples, the best first, and
            images: float32 [B, 1 + samples, H, W, 3]; attributes: float32 [B, 1 + samples, A].

        Raises:
            ValueError: an input that does not fit, before any work.
        """
        if samples < 0:
            raise ValueError(f"samples: expected at least 0, got {samples}.")
        images, observed = self._checked(images, observed)
        seeds = check_seeds(seeds, images)
        if attributes is None:
            self._require_prior()
        else:
            attributes = check_attributes("attributes", attributes, images, self.attribute_size)
        best, *found = self._solve(images, observed, attributes)
        results = [best] + [self._sample(images, observed, attributes, fold_in(seeds, number), *found)
                            for number in range(1, samples + 1)]
        for result in results:
            result["images"] = fill_in(images, result["images"], observed)
            if attributes is not None:
                result["attributes"] = attributes
        return {name: tf.stack([result[name] for result in results], axis=1) for name in results[0]}

    def edit(self, images, attributes, new_attributes, *, latents=None):
        """Pictures as they would be with other attributes.

        Latents are inferred with the first attributes; with the new ones they are those of the same e, so what the
        prior knows of attributes goes along. What the generator cannot draw is carried over from the picture
        (`carry_over`). Where the attributes of a picture are unknown, take those and the latents that
        `infer_attributes` gives.

        Args:
            images, attributes: as in `infer`.
            new_attributes: float32 [B, A] or [A].
            latents: float32 [B, Z] if known, which spares the descent.

        Returns:
            A dictionary with images float32 [B, H, W, 3] in [-1, 1], latents float32 [B, Z], those of the first
            attributes, and reconstructions float32 [B, H, W, 3]; without `latents` also what the class promises.

        Raises:
            ValueError: an input that does not fit, before any work.
        """
        images, observed = self._checked(images, None)
        attributes = check_attributes("attributes", attributes, images, self.attribute_size)
        new_attributes = check_attributes("new_attributes", new_attributes, images, self.attribute_size)
        result = {}
        if latents is None:
            result, *_ = self._solve(images, observed, attributes)
            latents = result["latents"]
        latents = check_latents("latents", latents, images, self.latent_size)
        edited, before = self._edit(images, latents, attributes, new_attributes)
        return {**result, "images": edited, "latents": latents, "reconstructions": before}

    def _draw(self, noise, attributes):
        """z of e, and what the generator draws."""
        latents = self.to_latents(noise, attributes)
        return latents, self.generator(latents, attributes)

    def to_latents(self, noise, attributes):
        """z of e, float32 [B, Z]."""
        return noise if self.prior is None else self.prior.latents_from_noise(noise, attributes)

    def to_noise(self, latents, attributes):
        """e of z, float32 [B, Z]."""
        return latents if self.prior is None else self.prior.noise_from_latents(latents, attributes)

    def _checked(self, images, observed):
        images = check_images(images, self.height, self.width)
        return images, check_observed(observed, images)

    def _require_prior(self):
        if self.attribute_prior is None:
            raise ValueError("attributes are needed: this LatentOptimizer has no attribute_prior to find them by.")

    def _picture_size(self):
        output = self.generator.get_concrete_function().structured_outputs
        images = output.get("images") if isinstance(output, dict) else output
        shape = getattr(images, "shape", None)
        if shape is None or shape.rank != 4 or shape[1] is None or shape[2] is None or shape[3] != 3:
            raise ValueError(f"LatentOptimizer: the generator gives {shape}, not pictures [B, H, W, 3].")
        layers = {"foregrounds": 3, "gates": 1, "backgrounds": 3}
        if isinstance(output, dict) and "gates" in output:
            for name, channels in layers.items():
                if name not in output or not output[name].shape.is_compatible_with((None, *shape[1:3], channels)):
                    raise ValueError(f"LatentOptimizer: the generator's {name} are missing or are not "
                                     f"[B, {shape[1]}, {shape[2]}, {channels}].")
        if images.dtype != tf.float32:
            raise ValueError(f"LatentOptimizer: the generator gives {images.dtype.name}, not float32.")
        return shape[1], shape[2]

    # What follows runs inside of a graph.

    def _solve_rows(self, images, observed, attributes):
        reading = self._read(images, observed) if attributes is None else None
        problem = _Problem(self, images, observed, attributes, reading)
        first = tf.zeros([tf.shape(images)[0], problem.size])
        if self.start is not None:
            problem.guess = self.start(images, problem.attributes_at(first), observed)
        found = self._descend(problem, first)
        return problem.result(found), found.points, problem.guess, reading

    def _sample_rows(self, images, observed, attributes, seeds, best, guess, reading):
        """A draw around the best points; see `complete`."""
        problem = _Problem(self, images, observed, attributes, reading, guess)
        center = normal_by_example(fold_in(seeds, 0), [problem.size])
        noise = self.energy.observation_variance**0.5 * normal_by_example(fold_in(seeds, 1), images.shape[1:])
        noisy = images + noise / tf.sqrt(tf.maximum(observed, 1e-12))
        # Latents that the observed pixels say nothing about end at `center`; the others are soon put right.
        first = problem.from_whitened(problem.whitened(best) + center)
        found = self._descend(_Problem(self, noisy, observed, attributes, reading, guess, center), first)
        return problem.result(found)

    def _read(self, images, observed):
        """The Reading of pictures, their hidden part filled in with the most typical picture; None without a reader."""
        if self.attribute_prior.reader is None:
            return None
        attributes = tf.tile(self.attribute_prior.mean[tf.newaxis], [tf.shape(images)[0], 1])
        _, drawn = self.draw(tf.zeros([tf.shape(images)[0], self.latent_size]), attributes)
        typical = drawn["images"] if isinstance(drawn, dict) else drawn
        return self.attribute_prior.read(tf.where(observed > 0.0, images, typical), observed)

    def _edit_rows(self, images, latents, attributes, new_attributes):
        before = self.generator(latents, attributes)
        _, after = self.draw(self.to_noise(latents, attributes), new_attributes)
        drawn = before["images"] if isinstance(before, dict) else before
        return carry_over(images, before, after), drawn

    def _descend(self, problem, start):
        config = self.config
        common = {"iterations": config.iterations, "tolerance": config.tolerance, "patience": config.patience}
        if config.method == "adam":
            return minimizers.adam(problem, start, learning_rate=config.learning_rate, **common)
        # Half of a typical draw's length: far enough for a first step, not so far that the generator leaves its range.
        longest = 0.5 * problem.size**0.5
        return minimizers.lbfgs(problem, start, memory=config.memory, longest_step=longest, **common)


class _Problem:
    """The energies of the rows of one batch, as a function of points.

    A point is [v], or [v, w] where attributes are unknown, with v = e where there is no guess. Whitened, it is [e, w],
    whose mean `center` moves.
    """

    def __init__(self, optimizer, images, observed, attributes, reading=None, guess=None, center=None):
        self.optimizer, self.energy, self.reading, self.guess = optimizer, optimizer.energy, reading, guess
        self.latent_size = optimizer.latent_size
        self.size = optimizer.latent_size + (optimizer.attribute_prior.size if attributes is None else 0)
        self.images, self.observed, self.attributes = images, observed, attributes
        self.center = tf.zeros([tf.shape(images)[0], self.size]) if center is None else center

    def __call__(self, points, rows):
        """Energies [b] and their gradients [b, D] at points [b, D] of the rows [b]."""
        with tf.GradientTape() as tape:
            tape.watch(points)
            energies = self.energies(points, rows)
            # The rows know nothing of each other, so the gradient of the sum holds each row's own.
            total = tf.reduce_sum(energies)
        return energies, tape.gradient(total, points)

    def energies(self, points, rows):
        """[b]; what `__call__` gives first, without the backward pass."""
        reconstruction, prior, *_ = self._parts(points, rows)
        return reconstruction + prior

    def result(self, found):
        """What the class LatentOptimizer promises, for a Minimum of all rows."""
        rows = tf.range(tf.shape(found.points)[0])
        reconstruction, prior, latents, images, attributes = self._parts(found.points, rows)
        energy = reconstruction + prior
        bad = ~(tf.math.is_finite(found.energies) & tf.math.is_finite(energy))
        result = {"latents": latents, "images": images,
                  "energy": tf.where(bad, float("inf"), energy), "reconstruction_energy": reconstruction,
                  "prior_energy": prior, "iterations": found.iterations, "evaluations": found.evaluations,
                  "stopped": found.stopped}
        return result if self.attributes is not None else {**result, "attributes": attributes}

    def attributes_at(self, points, rows=None):
        """y of points, float32 [b, A]; of all rows, or of those numbered."""
        if self.attributes is not None:
            return _take(self.attributes, rows)
        reading = self.reading and Reading(*(_take(part, rows) for part in self.reading))
        return self.optimizer.attribute_prior.to_attributes(points[:, self.latent_size:], reading)

    def latents_at(self, points, attributes, rows=None):
        """z of points, float32 [b, Z]."""
        own = points[:, :self.latent_size]
        if self.guess is None:
            return self.optimizer.to_latents(own, attributes)
        mean, scale = (_take(part, rows) for part in self.guess)
        return mean + scale * own

    def whitened(self, points):
        """[e] or [e, w] of the points of all rows."""
        attributes = self.attributes_at(points)
        return self._whitened(points, self.latents_at(points, attributes), attributes)

    def _whitened(self, points, latents, attributes):
        if self.guess is None:
            return points
        return tf.concat([self.optimizer.to_noise(latents, attributes), points[:, self.latent_size:]], -1)

    def from_whitened(self, whitened):
        """The inverse of `whitened`."""
        if self.guess is None:
            return whitened
        mean, scale = self.guess
        latents = self.optimizer.to_latents(whitened[:, :self.latent_size], self.attributes_at(whitened))
        return tf.concat([(latents - mean) / scale, whitened[:, self.latent_size:]], -1)

    def _parts(self, points, rows):
        attributes = self.attributes_at(points, rows)
        latents = self.latents_at(points, attributes, rows)
        drawn = self.optimizer.generator(latents, attributes)
        images = drawn["images"] if isinstance(drawn, dict) else drawn
        reconstruction = self.energy.reconstruction(images, tf.gather(self.images, rows),
                                                    tf.gather(self.observed, rows))
        # e and w alike: both have a standard normal prior.
        whitened = self._whitened(points, latents, attributes)
        prior = self.energy.regulariser(whitened - tf.gather(self.center, rows))
        return reconstruction, prior, latents, images, attributes


def _take(values, rows):
    return values if rows is None else tf.gather(values, rows)
