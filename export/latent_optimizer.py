"""LatentOptimizerModule: the tf.Module of the exported latent optimiser, for apps and servers that have TensorFlow
and nothing else.

Images are float32 in [0, 1], NHWC. Every input has the batch first. The step limits are those of the export.
"""

import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation.attribute_regressor import AttributeRegressor
from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.inference.minimizers import STOP_REASONS
from attr2image_tf.inference.model_optimizer import model_optimizer
from attr2image_tf.models import AttributeModel
from export import encoded
from export.generator import Generator
from export.request_checks import check_each, check_finite, check_rows, check_unit_range

_SUMMARY = ("latents", "images", "energy", "reconstruction_energy", "prior_energy", "iterations", "evaluations",
            "stopped")
# More rows are refused: one request must not take the memory of all others.
MAXIMUM_BATCH = 64


class LatentOptimizerModule(tf.Module):
    """Signatures of posterior inference (sec. 4 of the paper).

        infer = serving_default: images [B, H, W, 3], attributes [B, A], observed [B, H, W, 1] -> latents [B, Z], images
            (the reconstruction), energy and its parts reconstruction_energy and prior_energy [B], iterations,
            evaluations and stopped int32 [B]
        infer_attributes: images, observed -> the same, and attributes [B, A]
        complete: images, attributes, observed -> images (observed pixels kept, the rest filled in) and the rest of
            `infer`; the most probable completion
        complete_sample: the same inputs and seed int32 [B, 2] -> the same; another probable completion for every seed
        edit: images, attributes, new_attributes -> images and the rest of `infer`
        edit_latents: images, latents [B, Z], attributes, new_attributes -> images; `edit` with latents that `infer` or
            `infer_attributes` gave, at the cost of two decodings: for an app in which a slider moves
        describe: request int32 [B], of any content -> what the generator's gives, and stop_reasons [B, 4],
            maximum_iterations [B, 1], maximum_batch [B, 1]
        infer_bytes, infer_attributes_bytes, complete_bytes, complete_sample_bytes, edit_bytes, edit_latents_bytes:
            image_bytes string [B] for images, observed_bytes string [B] for observed; images_bytes string [B], PNG,
            for images

    `observed` is 1 where a pixel is observed, 0 where it is hidden, between to weight it; a hidden pixel may hold
    anything, NaN included. `stopped` is a place in stop_reasons. Bytes are PNG or JPEG of any size: their central
    square is scaled to the model's, so that the picture and what is observed of it keep together; then a pixel that
    anything hidden has a share in counts as hidden.

    A request with numbers out of range or with nothing observed is refused with InvalidArgumentError before any work.

    Args:
        model: AttributeModel, its weights final.
        schema: AttributeSchema of its data set.
        config: OptimizerConfig.
        regressor: AttributeRegressor that reads attributes where they are not given, its errors measured; or None.
    """

    def __init__(self, model: AttributeModel, schema: AttributeSchema, config: OptimizerConfig = OptimizerConfig(),
                 regressor: AttributeRegressor | None = None):
        super().__init__()
        self._generator = Generator(model, schema)
        self._optimizer = model_optimizer(model, config, schema=schema, reader=regressor and regressor.read,
                                          error_covariance=regressor and regressor.error_covariance)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Concrete functions by name, ready for tf.saved_model.save."""
        height, width = self._optimizer.height, self._optimizer.width
        count = self._optimizer.attribute_size
        specs = {"images": ((height, width, 3), tf.float32), "observed": ((height, width, 1), tf.float32),
                 "attributes": ((count,), tf.float32), "new_attributes": ((count,), tf.float32),
                 "latents": ((self._optimizer.latent_size,), tf.float32), "seed": ((2,), tf.int32),
                 "request": ((), tf.int32), "image_bytes": ((), tf.string), "observed_bytes": ((), tf.string)}
        arguments = {"infer": "images attributes observed", "infer_attributes": "images observed",
                     "complete": "images attributes observed", "complete_sample": "images attributes observed seed",
                     "edit": "images attributes new_attributes",
                     "edit_latents": "images latents attributes new_attributes"}
        arguments |= {f"{name}_bytes": names.replace("images", "image_bytes").replace("observed", "observed_bytes")
                      for name, names in arguments.items()}
        arguments["describe"] = "request"
        functions = {}
        for name, inputs in arguments.items():
            tensors = [tf.TensorSpec([None, *specs[each][0]], specs[each][1], each) for each in inputs.split()]
            functions[name] = tf.function(getattr(self, name), autograph=False).get_concrete_function(*tensors)
        self._generator.track(functions)
        return functions | {"serving_default": functions["infer"]}

    def infer(self, images, attributes, observed):
        images, observed, attributes = _checked(images, observed, attributes=attributes)
        return _public(self._optimizer.infer(images, attributes, observed))

    def infer_attributes(self, images, observed):
        images, observed = _checked(images, observed)
        return _public(self._optimizer.infer_attributes(images, observed), "attributes")

    def complete(self, images, attributes, observed):
        return self._completed(images, attributes, observed)

    def complete_sample(self, images, attributes, observed, seed):
        return self._completed(images, attributes, observed, seed=seed)

    def edit(self, images, attributes, new_attributes):
        images, _, attributes, new_attributes = _checked(
            images, tf.ones_like(images[..., :1]), attributes=attributes, new_attributes=new_attributes)
        return _public(self._optimizer.edit(images, attributes, new_attributes))

    def edit_latents(self, images, latents, attributes, new_attributes):
        images, _, latents, attributes, new_attributes = _checked(
            images, tf.ones_like(images[..., :1]), latents=latents, attributes=attributes,
            new_attributes=new_attributes)
        edited = self._optimizer.edit(images, attributes, new_attributes, latents=latents)["images"]
        return {"images": pixels.unit_from_model_range(edited)}

    def infer_bytes(self, image_bytes, attributes, observed_bytes):
        images, observed = self._decoded(image_bytes, observed_bytes)
        return _with_bytes(self.infer(images, attributes, observed))

    def infer_attributes_bytes(self, image_bytes, observed_bytes):
        return _with_bytes(self.infer_attributes(*self._decoded(image_bytes, observed_bytes)))

    def complete_bytes(self, image_bytes, attributes, observed_bytes):
        images, observed = self._decoded(image_bytes, observed_bytes)
        return _with_bytes(self.complete(images, attributes, observed))

    def complete_sample_bytes(self, image_bytes, attributes, observed_bytes, seed):
        images, observed = self._decoded(image_bytes, observed_bytes)
        return _with_bytes(self.complete_sample(images, attributes, observed, seed))

    def edit_bytes(self, image_bytes, attributes, new_attributes):
        return _with_bytes(self.edit(self._scaled(image_bytes, 3), attributes, new_attributes))

    def edit_latents_bytes(self, image_bytes, latents, attributes, new_attributes):
        return _with_bytes(self.edit_latents(self._scaled(image_bytes, 3), latents, attributes, new_attributes))

    def describe(self, request):
        # Called outside of the graph that is being built, since its outputs are constants.
        with tf.init_scope():
            one = {name: value[0].numpy() for name, value in self._generator.describe(tf.zeros([1], tf.int32)).items()}
        one |= {"stop_reasons": STOP_REASONS, "maximum_batch": [MAXIMUM_BATCH],
                "maximum_iterations": [self._optimizer.config.iterations]}
        batch = tf.shape(request)[0]
        return {name: tf.repeat(tf.constant(value)[tf.newaxis], batch, axis=0) for name, value in one.items()}

    def _completed(self, images, attributes, observed, **seed):
        """The best completion or, with a seed, a sample."""
        inner, weights, attributes, *seeds = _checked(images, observed, attributes=attributes, **seed)
        results = self._optimizer.complete(inner, weights, attributes, seeds=seeds[0] if seeds else None,
                                           samples=len(seeds))
        result = _public({name: value[:, -1] for name, value in results.items()})
        # The input itself, not what came back from the model's range: the same to the last bit.
        return result | {"images": tf.where(observed == 1.0, images, result["images"])}

    def _decoded(self, image_bytes, observed_bytes):
        return self._scaled(image_bytes, 3), self._scaled(observed_bytes, 1, "observed_bytes", whole=True)

    def _scaled(self, content, channels, name="image_bytes", whole=False):
        with tf.control_dependencies(check_rows(MAXIMUM_BATCH, **{name: content})):
            return encoded.decode(tf.identity(content), self._optimizer.height, channels, name, whole)


def _checked(images, observed, **others):
    """Images in the model's range, and the others unchanged, for use once they have been found in order."""
    numbers = {name: tensor for name, tensor in others.items() if tensor.dtype.is_floating}
    checks = check_rows(MAXIMUM_BATCH, images=images, observed=observed, **others)
    with tf.control_dependencies(checks):
        images, observed = tf.identity(images), tf.identity(observed)
    checks += [*check_unit_range(observed=observed, images=tf.where(observed > 0.0, images, 0.0)),
               check_each(tf.reduce_any(observed > 0.0, [1, 2, 3]), "observed: nothing is observed"),
               *check_finite(**numbers)]
    with tf.control_dependencies(checks):
        return [pixels.model_range_from_unit(images), *map(tf.identity, (observed, *others.values()))]


def _public(result, *more):
    """An optimiser's dictionary at the public edge."""
    chosen = {name: result[name] for name in (*_SUMMARY, *more)}
    return chosen | {"images": pixels.unit_from_model_range(result["images"])}


def _with_bytes(result):
    return result | {"images_bytes": encoded.encode(result.pop("images"))}
