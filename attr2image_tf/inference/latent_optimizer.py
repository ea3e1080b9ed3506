"""LatentOptimizer: infers the latents of a picture by minimising an energy (sec. 4 of the paper).

This is the interface; `problem` has the coordinates of the descent, `minimizers` the descent.
"""

import tensorflow as tf

from attr2image_tf.inference import minimizers
from attr2image_tf.inference.attribute_prior import AttributePrior
from attr2image_tf.inference.completion import fill_in
from attr2image_tf.inference.editing import carry_over
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.inputs import check_attributes, check_images, check_latents, check_observed, check_seeds
from attr2image_tf.inference.optimizer_config import OptimizerConfig
from attr2image_tf.inference.problem import Problem, Rows
from attr2image_tf.randomness import fold_in, stateless_normal

__all__ = ["LatentOptimizer", "OptimizerConfig"]


class LatentOptimizer:
    """Infers the latents of pictures, and their attributes if unknown; completes and edits pictures.

        z* = argmin_z E(z; x, y),   E = L(mu(z, y), x; observed) + lambda * R(z)                           (eq. 9)

    The generator mu is known by its call alone, and so is the prior p(z | y) of its latents, as an invertible function
    z = f(e; y) of e ~ N(0, I), so that R is ||e||^2 / 2 whatever the prior. That is -log p(e) and leaves out
    log |de / dz|: with a prior that is not linear in e, such as a flow, what is found is the mode in e, not that of
    p(z | x, y). (A mode moves with the coordinates; the one in e is where the draws of the prior are dense.)

    The descent is over v, z = m + s v, with a guess m and scales s: there a step of 1 matters more alike in all
    directions than it does in e, which a fitted prior stretches where the generator answers most. Without a guess
    it is over e. Unknown attributes are found along, in the whitened coordinates of AttributePrior, whose negative
    log-density joins R; with a reader it starts from what that reads in the picture, and moves as far as its errors
    allow. The picture then counts twice, once for the reader and once in L: a product of experts, not a posterior.
    All methods take batches in which every row is a problem of its own: its result does not depend on the other
    rows, up to rounding. They can be called inside a tf.function, and hold no Python in their loops.

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
        start: function of images, attributes, observed and what the generator draws at e = 0 to m float32 [B, Z], from
            which the descent starts, and s float32 [B, Z], above 0, such as `amortised_start` of a model. None starts
            from the prior's mean, in e.

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
            raise ValueError(f"LatentOptimizer: the attribute prior has {attribute_prior.size} attributes, not "
                             f"{attribute_size}.")
        # A graph calls these in many places; as functions of their own they are traced once, not at each call. Without
        # autograph, which has nothing to rewrite here and doubles the time of tracing.
        self._plain = {"generator": generator,
                       "to_latents": (lambda noise, attributes: noise) if prior is None else prior.latents_from_noise,
                       "to_noise": (lambda latents, attributes: latents) if prior is None else prior.noise_from_latents}
        pair = (tf.TensorSpec([None, latent_size], tf.float32), tf.TensorSpec([None, attribute_size], tf.float32))
        self._shared = {name: tf.function(function, input_signature=pair, autograph=False)
                        for name, function in self._plain.items()}
        self.generator, self.to_latents, self.to_noise = self._shared.values()
        self.start = start and tf.function(start, autograph=False, reduce_retracing=True)
        self.height, self.width = self._picture_size()
        common = {"reduce_retracing": True, "autograph": False}
        self._prepare = tf.function(self._prepare_rows, **common)
        self._descend = tf.function(self._descend_rows, **common)
        self._sample = tf.function(self._sample_rows, **common)
        self._known = tf.function(self._known_rows, **common)
        self._edit, self._drawn = tf.function(self._edit_rows, **common), tf.function(self._drawn_rows, **common)
        self._fill_in = tf.function(fill_in, **common)

    def infer(self, images, attributes, observed=None):
        """The latents of pictures whose attributes are known.

        Args:
            images: float32 [B, H, W, 3] in [-1, 1]; where hidden, anything.
            attributes: float32 [B, A] or [A].
            observed: float32 [B, H, W, 1], at least 0; 0 is hidden, 1 observed, other numbers weight the pixel. None
                is all observed.

        Returns:
            A dictionary with what the class promises, and images: float32 [B, H, W, 3], the reconstruction. Where
            something is hidden lambda is larger (`Energy.weights`), and prior_energy with it.

        Raises:
            ValueError: an input that does not fit, before any work.
        """
        images, observed = self._checked(images, observed)
        attributes = check_attributes("attributes", attributes, images, self.attribute_size)
        found, _ = self._solve(images, observed, attributes)
        return {name: value for name, value in found.items() if name not in ("attributes", "unknown")}

    def infer_attributes(self, images, observed=None):
        """The latents and attributes of pictures, attributes within the range seen in training.

        Arguments, results and errors are those of `infer`; the dictionary also has attributes float32 [B, A].
        """
        self._require_prior()
        images, observed = self._checked(images, observed)
        found, _ = self._solve(images, observed, None)
        return {name: value for name, value in found.items() if name != "unknown"}

    def complete(self, images, observed, attributes=None, *, seeds=None, samples=0, latents=None):
        """Pictures with their hidden part filled in; observed pixels are kept exactly.

        A hidden region has more than one answer. Besides the best, samples of the posterior are drawn by randomised
        maximum likelihood (Oliver, He and Reynolds 1996; Papandreou and Yuille 2011): e and observed pixels are each
        perturbed by noise of their own variance, and the energy is minimised again from the best point. Where the
        picture is linear in e the draws are exact; otherwise they approximate the posterior around the best point. (The
        randomise-then-optimise of Bardsley et al. 2014 also projects the residual on the Jacobian at the best point and
        weights the draws, which makes them exact proposals; neither is done here.)

        Args:
            images, observed: as in `infer`. Pixels with `observed` between 0 and 1 are mixed.
            attributes: float32 [B, A] or [A], or None to find them too.
            seeds: int32 [B, 2], of the samples. None is all 0.
            samples: int, at least 0. Draws besides the best.
            latents: float32 [B, Z] of the best, where `infer` or `infer_attributes` found them for these pictures and
                what is observed of them; it spares the first descent, and needs the attributes. The result's first is
                then of 0 iterations and evaluations.

        Returns:
            A dictionary with what the class promises, each with a second dimension 1 + samples, the best first, and
            images: float32 [B, 1 + samples, H, W, 3]; attributes: float32 [B, 1 + samples, A].

        Raises:
            ValueError: an input that does not fit, before any work.
        """
        results = self.completions(images, observed, attributes, seeds=seeds, samples=samples, latents=latents)
        return {name: tf.stack([result[name] for result in results], axis=1) for name in results[0]}

    def completions(self, images, observed, attributes=None, *, seeds=None, samples=0, latents=None):
        """What `complete` stacks, as a list of dictionaries."""
        if samples < 0:
            raise ValueError(f"samples: expected at least 0, got {samples}.")
        images, observed = self._checked(images, observed)
        seeds = check_seeds(seeds, images)
        if attributes is not None:
            attributes = check_attributes("attributes", attributes, images, self.attribute_size)
        elif latents is not None:
            raise ValueError("latents: expected also the attributes that they were found with.")
        else:
            self._require_prior()
        if latents is None:
            best, rows = self._solve(images, observed, attributes)
        else:
            latents = check_latents("latents", latents, images, self.latent_size)
            best = self._known(images, observed, attributes, latents)
            rows = self._prepare(images, observed, attributes) if samples else None
        results = [best] + [self._sample(rows, best["latents"], best["unknown"], seeds, tf.constant(number))
                            for number in range(1, samples + 1)]
        return [{name: value for name, value in result.items() if name != "unknown"}
                | {"images": self._fill_in(images, result["images"], observed)} for result in results]

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
            result = self.infer(images, attributes, observed)
            latents = result["latents"]
        latents = check_latents("latents", latents, images, self.latent_size)
        edited, before = self._edit(images, latents, attributes, new_attributes)
        return {**result, "images": edited, "latents": latents, "reconstructions": before}

    def drawn(self, latents, attributes, new_attributes):
        """What the generator draws for latents and attributes, and for other attributes with the same e."""
        return self._drawn(latents, attributes, new_attributes)

    def _checked(self, images, observed):
        images = check_images(images, self.height, self.width)
        return images, check_observed(observed, images)

    def _require_prior(self):
        if self.attribute_prior is None:
            raise ValueError("attributes are needed: this LatentOptimizer has no attribute_prior to infer them with.")

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

    def _solve(self, images, observed, attributes):
        """The best of all rows, and the Rows."""
        rows = self._prepare(images, observed, attributes)
        return self._descend(rows, tf.zeros_like(rows.origin), images), rows

    # What follows runs inside of a graph.

    def _prepare_rows(self, images, observed, attributes):
        """The Rows of a batch; `attributes` None is unknown."""
        batch, unknown, prior = tf.shape(images)[0], attributes is None, self.attribute_prior
        if unknown:
            attributes = tf.zeros([batch, self.attribute_size])
        size = self.latent_size + (prior.size if prior else 0)
        flat, ones = tf.zeros([batch, self.latent_size]), tf.ones([batch, 1])
        rows = Rows(images, observed, attributes, tf.fill([batch, 1], unknown), tf.zeros_like(attributes),
                    tf.zeros_like(ones), flat, tf.ones_like(flat), tf.zeros([batch, size]))
        if unknown and prior.reader is not None:
            # Hidden parts are filled in with the most typical picture of all.
            typical = self._typical(tf.constant(prior.mean[tf.newaxis]))
            reading = prior.read(tf.where(observed > 0.0, images, _images(typical)), observed)
            rows = rows._replace(read=reading.center, seen=reading.seen)
        if self.start is not None:
            attributes = self._problem(rows, self._shared).attributes(rows.origin)
            mean, scale = self.start(images, attributes, observed, self._typical(attributes))
            rows = rows._replace(mean=mean, scale=scale)
        return rows

    def _descend_rows(self, rows, first, images):
        """The minimum from the first points, as what the class promises for the images, `attributes`, and w as
        `unknown`."""
        config = self.config
        # Once by the plain functions: the gradients of those that are shared would be for all that they read.
        evaluate = self._problem(rows, self._plain).gradients
        common = {"evaluations": config.evaluations, "tolerance": config.tolerance, "patience": config.patience}
        if config.method == "adam":
            found = minimizers.adam(evaluate, first, learning_rate=config.learning_rate, **common)
        else:
            # Half of a typical draw's length: far enough for a first step, not so far that the generator leaves its
            # range.
            moving = self.latent_size + tf.where(rows.unknown[:, 0], first.shape[1] - float(self.latent_size), 0.0)
            found = minimizers.lbfgs(evaluate, first, memory=config.memory, longest_step=0.5 * tf.sqrt(moving),
                                     **common)
        result = self._result(rows._replace(images=images, origin=tf.zeros_like(first)), found.points)
        bad = ~(tf.math.is_finite(found.energies) & tf.math.is_finite(result["energy"]))
        return result | {"energy": tf.where(bad, float("inf"), result["energy"]), "iterations": found.iterations,
                         "evaluations": found.evaluations, "stopped": found.stopped}

    def _result(self, rows, points):
        reconstruction, prior, latents, images, attributes = self._problem(rows, self._shared).parts(points)
        return {"latents": latents, "images": images, "energy": reconstruction + prior,
                "reconstruction_energy": reconstruction, "prior_energy": prior, "attributes": attributes,
                "unknown": points[:, self.latent_size:]}

    def _known_rows(self, images, observed, attributes, latents):
        """What `_descend_rows` would give if it were there already."""
        flat = tf.zeros_like(latents)
        size = self.latent_size + (self.attribute_prior.size if self.attribute_prior else 0)
        origin = tf.zeros([tf.shape(images)[0], size])
        ones = tf.ones_like(latents[:, :1])
        rows = Rows(images, observed, attributes, ones < 0.0, tf.zeros_like(attributes), ones, flat, flat + 1.0, origin)
        # Around 0, by 1: coordinates in which any latents are at hand, without a guess.
        result = self._result(rows, self._problem(rows, self._shared).point(latents, origin[:, self.latent_size:]))
        none = tf.zeros(tf.shape(images)[:1], tf.int32)
        return result | {"iterations": none, "evaluations": none, "stopped": none + minimizers.CONVERGED}

    def _sample_rows(self, rows, latents, unknown, seeds, number):
        """A draw around the best latents and w; see `complete`."""
        center, noise = _perturbations(seeds, number, rows)
        center *= tf.concat([tf.ones_like(latents), tf.cast(rows.unknown, tf.float32) + tf.zeros_like(unknown)], -1)
        deviation = tf.sqrt(self.energy.weights(rows.observed))[:, tf.newaxis, tf.newaxis, tf.newaxis]
        noisy = rows.images + deviation * noise / tf.sqrt(tf.maximum(rows.observed, 1e-12))
        problem = self._problem(rows, self._shared)
        # Latents that the observed pixels say nothing about end at `center`; the others are soon put right.
        first = problem.moved(problem.point(latents, unknown), center)
        return self._descend(rows._replace(images=noisy, origin=center), first, rows.images)

    def _edit_rows(self, images, latents, attributes, new_attributes):
        before, after = self._drawn(latents, attributes, new_attributes)
        return carry_over(images, before, after), _images(before)

    def _drawn_rows(self, latents, attributes, new_attributes):
        moved = self.to_latents(self.to_noise(latents, attributes), new_attributes)
        return self.generator(latents, attributes), self.generator(moved, new_attributes)

    def _typical(self, attributes):
        """What the generator draws at e = 0."""
        noise = tf.zeros([tf.shape(attributes)[0], self.latent_size])
        return self.generator(self.to_latents(noise, attributes), attributes)

    def _problem(self, rows, functions):
        return Problem(rows, energy=self.energy, attribute_prior=self.attribute_prior, guessed=self.start is not None,
                       **functions)


def _perturbations(seeds, number, rows):
    """Standard normal [B, D] and [B, H, W, 3] of seeds int32 [B, 2] and the number of a sample."""
    def draw(seed):
        seed = fold_in(seed, number)
        return (stateless_normal(rows.origin.shape[1:], fold_in(seed, 0)),
                stateless_normal(rows.images.shape[1:], fold_in(seed, 1)))

    return tf.map_fn(draw, seeds, fn_output_signature=(tf.float32, tf.float32))


def _images(drawn):
    return drawn["images"] if isinstance(drawn, dict) else drawn
