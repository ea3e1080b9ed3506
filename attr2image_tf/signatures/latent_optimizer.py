"""LatentOptimizerModule: the tf.Module of the exported latent optimiser, for apps and servers that have only
TensorFlow.

Images are float32 in [0, 1], NHWC. Every input has the batch first. The step limits are those of the export.
"""

import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.detail import editing
from attr2image_tf.evaluation.attribute_regressor import AttributeRegressor
from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.inference.minimizers import STOP_REASONS
from attr2image_tf.inference.model_optimizer import model_optimizer
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.base import reduced
from attr2image_tf.signatures import encoded
from attr2image_tf.signatures.generator import Generator, Hidden, repeated, traced
from attr2image_tf.signatures.request_checks import check_each, check_finite, check_rows, check_unit_range

_SUMMARY = ("latents", "images", "energy", "reconstruction_energy", "prior_energy", "iterations", "evaluations",
            "stopped")
# More rows are refused: one request must not take the memory of all others.
MAXIMUM_BATCH = 64
# Of the filter that makes pictures smaller, in pixels of the small ones.
_FILTER_REACH = 3


class LatentOptimizerModule(tf.Module):
    """Signatures of posterior inference (sec. 4 of the paper).

        infer = serving_default: images [B, H, W, 3], attributes [B, A], observed [B, H, W, 1] -> latents [B, Z], images
            (the reconstruction), energy and its parts reconstruction_energy and prior_energy [B], iterations,
            evaluations and stopped int32 [B]
        infer_attributes: images, observed -> the same, and attributes [B, A]
        complete: images, attributes, observed -> images (observed pixels kept, the rest filled in) and what else
            `infer` gives; the most probable completion
        complete_latents: images, observed, attributes, latents [B, Z] -> images; `complete` with latents that `infer`
            or `infer_attributes` gave for these pictures and what is observed of them, at the cost of a decoding
        complete_sample: the inputs of `complete` and seed int32 [B, 2] -> the same; another probable completion for
            every seed
        complete_sample_latents: images, observed, attributes, latents, seed -> what `complete_sample` gives, from
            latents at hand as in complete_latents: one descent in place of two
        edit: images, attributes, new_attributes -> images and the rest of `infer`
        edit_latents: images, latents [B, Z], attributes, new_attributes -> images; `edit` with latents that `infer` or
            `infer_attributes` gave, at the cost of two decodings: for an app in which a slider moves
        describe: request int32 [B], of any content -> what the generator's gives, and stop_reasons [B, 4],
            maximum_iterations [B, 1], maximum_batch [B, 1]
        infer_bytes and so on, for all but describe: image_bytes string [B] for images, observed_bytes string [B] for
            observed; images_bytes string [B], PNG, for images

    `observed` is 1 where a pixel is observed, 0 where it is hidden, and between to weight it; a hidden pixel may hold
    anything, NaN included. `stopped` is an index into stop_reasons. Bytes are PNG or JPEG of any size: the central
    square is scaled to the model's size, for the picture and for `observed` alike; a pixel that covers anything hidden
    then counts as hidden.

    A request with numbers out of range or with nothing observed is refused with InvalidArgumentError before any work.

    Args:
        model: AttributeModel, its weights final.
        schema: AttributeSchema of its data set.
        regressor: AttributeRegressor with measured errors that reads attributes that are not given; or None.
    """

    def __init__(self, model: AttributeModel, schema: AttributeSchema, config: OptimizerConfig = OptimizerConfig(),
                 regressor: AttributeRegressor | None = None):
        super().__init__()
        self._generator = Generator(model, schema)
        self._checks, self._traced, self._codecs = Hidden({}), Hidden({}), Hidden({})
        self._optimizer = model_optimizer(model, config, schema=schema, reader=regressor and regressor.read,
                                          error_covariance=regressor and regressor.error_covariance)
        self._model, self._size = Hidden(model), model.picture_size

    arguments = {"infer": "images attributes observed", "infer_attributes": "images observed",
                 "complete": "images attributes observed", "complete_sample": "images attributes observed seed",
                 "complete_latents": "images observed attributes latents",
                 "complete_sample_latents": "images observed attributes latents seed",
                 "edit": "images attributes new_attributes",
                 "edit_latents": "images latents attributes new_attributes"}
    names = (*arguments, *(f"{name}_bytes" for name in arguments), "describe")

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Concrete functions by name, ready for tf.saved_model.save."""
        functions = {name: self.trace(name) for name in self.names}
        self._generator.track(functions)
        return functions | {"serving_default": functions["infer"]}

    def trace(self, name: str) -> tf.types.experimental.ConcreteFunction:
        """The concrete function of one signature."""
        if name not in self._traced.value:
            if name == "describe":
                function, inputs = self.describe, "request"
            elif name.endswith("_bytes"):
                plain = name.removesuffix("_bytes")
                # What loading takes goes with the nodes of all graphs, so those of bytes call those of numbers.
                function = self._of_bytes(self.trace(plain))
                inputs = self.arguments[plain].replace("images", "image_bytes").replace("observed", "observed_bytes")
            else:
                function, inputs = getattr(self, name), self.arguments[name]
            self._traced.value[name] = traced(function, inputs, self._model.value)
        return self._traced.value[name]

    def _of_bytes(self, function):
        """A function of encoded pictures from one of numbers."""
        def answer(**inputs):
            for name, of in {"images": "image_bytes", "observed": "observed_bytes"}.items():
                if of in inputs:
                    inputs[name] = self._codec(of)(inputs.pop(of))
            result = dict(function(**inputs))
            return result | {"images_bytes": self._codec("images_bytes")(result.pop("images"))}

        return answer

    def _codec(self, name):
        """What decodes image_bytes or observed_bytes, or encodes images_bytes; traced once for all signatures."""
        def decode(content):
            with tf.control_dependencies(check_rows(MAXIMUM_BATCH, **{name: content})):
                content = tf.identity(content)
            whole = name == "observed_bytes"
            return encoded.decode(content, self._size, 1 if whole else 3, name, whole)

        if name not in self._codecs.value:
            encodes = name == "images_bytes"
            self._codecs.value[name] = tf.function(encoded.encode if encodes else decode, [
                tf.TensorSpec([None, self._size, self._size, 3], tf.float32) if encodes else
                tf.TensorSpec([None], tf.string)])
        return self._codecs.value[name]

    def infer(self, images, attributes, observed):
        images, observed, attributes = self._checked(images, observed, attributes=attributes)
        return self._public(self._optimizer.infer(self._seen(images, observed), attributes, self._shown(observed)))

    def infer_attributes(self, images, observed):
        images, observed = self._checked(images, observed)
        return self._public(self._optimizer.infer_attributes(self._seen(images, observed), self._shown(observed)),
                            "attributes")

    def complete(self, images, attributes, observed):
        return self._completed(images, observed, attributes)

    def complete_sample(self, images, attributes, observed, seed):
        return self._completed(images, observed, attributes, seed=seed)

    def complete_latents(self, images, observed, attributes, latents):
        return {"images": self._completed(images, observed, attributes, latents=latents)["images"]}

    def complete_sample_latents(self, images, observed, attributes, latents, seed):
        return self._completed(images, observed, attributes, latents=latents, seed=seed)

    def edit(self, images, attributes, new_attributes):
        images, _, attributes, new_attributes = self._checked(
            images, tf.ones_like(images[..., :1]), attributes=attributes, new_attributes=new_attributes)
        found = self._optimizer.infer(self._seen(images), attributes)
        edited = self._edited(images, found["latents"], attributes, new_attributes)
        return self._public(found) | {"images": pixels.unit_from_model_range(edited)}

    def edit_latents(self, images, latents, attributes, new_attributes):
        images, _, latents, attributes, new_attributes = self._checked(
            images, tf.ones_like(images[..., :1]), latents=latents, attributes=attributes,
            new_attributes=new_attributes)
        return {"images": pixels.unit_from_model_range(self._edited(images, latents, attributes, new_attributes))}

    def describe(self, request):
        return repeated(self._generator.about() | {
            "stop_reasons": STOP_REASONS, "maximum_batch": [MAXIMUM_BATCH],
            "maximum_iterations": [self._optimizer.config.evaluations]}, request)

    def _completed(self, images, observed, attributes, latents=None, seed=None):
        """The best completion or, with a seed, a sample."""
        given = {name: value for name, value in (("latents", latents), ("seed", seed)) if value is not None}
        inner, weights, attributes, *others = self._checked(images, observed, attributes=attributes, **given)
        given = dict(zip(given, others, strict=True))
        *_, last = self._optimizer.completions(self._seen(inner, weights), self._shown(weights), attributes,
                                               seeds=given.get("seed"), samples=int("seed" in given),
                                               latents=given.get("latents"))
        result = self._public(last)
        model = self._model.value
        if model.detail is not None:
            drawn = self._optimizer.generator(last["latents"], attributes)["images"]
            seeds = given["seed"] if "seed" in given else tf.zeros([tf.shape(images)[0], 2], tf.int32)
            detailed = model.detail.draw(drawn, model.standardise(attributes), seeds,
                                         tf.where(weights > 0.0, inner, 0.0), tf.minimum(weights, 1.0))
            result["images"] = pixels.unit_from_model_range(detailed)
        # The input itself, not what came back from the model's range: the same to the last bit.
        return result | {"images": tf.where(observed == 1.0, images, result["images"])}

    def _edited(self, images, latents, attributes, new_attributes):
        """Pictures in [-1, 1] with other attributes, from those and the latents found behind them."""
        model = self._model.value
        if model.detail is None:
            return self._optimizer.edit(images, attributes, new_attributes, latents=latents)["images"]
        before, after = self._optimizer.drawn(latents, attributes, new_attributes)
        # One noise for all pictures: a slider that moves shall not make detail flicker.
        seeds = tf.zeros([tf.shape(images)[0], 2], tf.int32)
        return editing.edit(model.detail, images, before, after, model.standardise(new_attributes), seeds)[0]

    def _seen(self, images, observed=None):
        """Pictures at the size of the model; what nothing hidden has a share in depends on what is visible alone."""
        step = self._step
        small = reduced(self._model.value, images if observed is None else tf.where(observed > 0.0, images, 0.0))
        if observed is None or step == 1:
            return small
        # The filter reaches over pixels that are hidden; near them the mean of what is visible of each pixel does.
        visible = tf.cast(observed > 0.0, tf.float32)
        share = tf.nn.avg_pool2d(visible, step, step, "VALID")
        mean = tf.nn.avg_pool2d(tf.where(visible > 0.0, images, 0.0), step, step, "VALID") / tf.maximum(share, 1e-6)
        hidden_near = tf.nn.max_pool2d(1.0 - share, 2 * _FILTER_REACH + 1, 1, "SAME")
        return tf.where(hidden_near > 0.0, mean, small)

    def _shown(self, observed):
        """How far the model's pixels are observed: as far as the least of those that they are made of."""
        step = self._step
        return observed if step == 1 else -tf.nn.max_pool2d(-observed, step, step, "VALID")

    @property
    def _step(self):
        """Pixels of a picture to one of the model's."""
        return self._model.value.picture_size // self._model.value.config.image_size

    def _public(self, result, *more):
        """An optimiser's dictionary at the public edge."""
        images, detail = result["images"], self._model.value.detail
        chosen = {name: result[name] for name in (*_SUMMARY, *more)}
        return chosen | {"images": pixels.unit_from_model_range(images if detail is None else detail.enlarge(images))}

    def _checked(self, images, observed, **others):
        """Images in the model's range, and the others unchanged, for use once they have been found in order."""
        checks = [self._check("pictures", check_pictures, images=images, observed=observed)]
        for name, tensor in others.items():
            checks.append(self._check(name, check_vectors, images=images, **{name: tensor}))
        with tf.control_dependencies(checks):
            return [pixels.model_range_from_unit(images), *map(tf.identity, (observed, *others.values()))]

    def _check(self, name, function, **tensors):
        """A check that all signatures share, as a function that is traced once."""
        checks = self._checks.value
        if name not in checks:
            # By the declared shapes; those of calls are compared as the graph runs.
            checks[name] = tf.function(function, autograph=False).get_concrete_function(
                **{each: tf.TensorSpec(tensor.shape, tensor.dtype, each) for each, tensor in tensors.items()})
        return checks[name](**tensors)


def check_pictures(images, observed):
    """An operation to wait for."""
    with tf.control_dependencies(check_rows(MAXIMUM_BATCH, images=images, observed=observed)):
        images, observed = tf.identity(images), tf.identity(observed)
    checks = [*check_unit_range(observed=observed, images=tf.where(observed > 0.0, images, 0.0)),
              check_each(tf.reduce_any(observed > 0.0, [1, 2, 3]), "observed: nothing is observed")]
    with tf.control_dependencies(checks):
        return tf.constant(True)


def check_vectors(images, **vectors):
    """An operation to wait for; floats are checked for being finite."""
    checks = check_rows(MAXIMUM_BATCH, images=images, **vectors)
    checks += check_finite(**{name: tensor for name, tensor in vectors.items() if tensor.dtype.is_floating})
    with tf.control_dependencies(checks):
        return tf.constant(True)
