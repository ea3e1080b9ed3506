"""Generator: the tf.Module of the exported model, for apps and servers that have only TensorFlow.

Images are float32 in [0, 1], NHWC. Every input has the batch first. Randomness is stateless: a row of attributes and
a row of seeds give the same picture at any batch size, on any replica.
"""

import contextlib

import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.base import reduced
from attr2image_tf.signatures import encoded
from attr2image_tf.signatures.request_checks import check_each, check_finite, check_rows, check_unit_range

# More rows are refused: one request must not take the memory of all others.
MAXIMUM_BATCH = 256
_PICTURES = ("images", "coarse_images", "foregrounds", "backgrounds")


class Generator(tf.Module):
    """Signatures of a trained model.

        generate = serving_default: attributes [B, A], seed int32 [B, 2] -> images, latents, of a layered model
            foregrounds, gates, backgrounds, and of a run with detail coarse_images, which are without it
        generate_bytes: the same inputs -> images_bytes string [B], PNG
        sample: also temperature [B], at least 0, a factor on the noise: below 1 pictures are more typical and more
            alike -> what generate gives
        decode: latents [B, Z], attributes [B, A] -> images, and the layers
        encode: images [B, H, W, 3], masks [B, H, W, 1], attributes -> latents_mean, latents_log_variance [B, Z]
        describe: request int32 [B], of any content -> names, minimum, mean, maximum, standard_deviation [B, A],
            covariance [B, A, A], image_size, maximum_batch, temperature [B, 1], latent_sizes [B, 1 or 2]

    A request with no rows or more than 256, with attributes of the wrong length, or with values that are not finite, is
    refused with InvalidArgumentError.

    Pictures are drawn from the run's fitted prior, which is part of the export. For a run with detail, pictures have
    detail and its size, and so must the input of `encode`; only the output of `decode` has no detail.

    Args:
        model: its weights are final.
        temperature: at least 0. That of generate and generate_bytes.
    """

    def __init__(self, model: AttributeModel, schema: AttributeSchema, temperature: float = 1.0):
        super().__init__()
        self._model, self._schema, self._temperature = Hidden(model), Hidden(schema), temperature

    names = ("generate", "generate_bytes", "sample", "decode", "encode", "describe")

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Concrete functions by name, ready for tf.saved_model.save."""
        functions = {name: self.trace(name) for name in self.names}
        self.track(functions)
        return functions | {"serving_default": functions["generate"]}

    def trace(self, name: str) -> tf.types.experimental.ConcreteFunction:
        """The concrete function of one signature."""
        inputs = {"sample": "attributes seed temperature", "decode": "latents attributes",
                  "encode": "images masks attributes", "describe": "request"}.get(name, "attributes seed")
        return traced(getattr(self, name), inputs, self._model.value)

    def track(self, functions):
        """Keeps the variables that functions read, so that they are saved with this module.

        The Keras model itself cannot be saved inside of a tf.Module; and of a folded model only what inference reads
        is wanted.
        """
        read = {variable.ref(): variable for function in functions.values() for variable in function.graph.variables}
        captured = {id(outside) for function in functions.values() for outside, _ in function.graph.captures}
        self._stored = [kernel for kernel in self._model.value.stored_kernels if id(kernel.resource_handle) in captured]
        self._variables = [*read.values(), *(kernel.stored for kernel in self._stored)]

    def generate(self, attributes, seed):
        with tf.control_dependencies(_checks(attributes=attributes, seed=seed)):
            return _public(self._model.value.generate(tf.identity(attributes), seed, self._temperature))

    def sample(self, attributes, seed, temperature):
        checks = _checks(attributes=attributes, seed=seed, temperature=temperature)
        checks.append(check_each(temperature >= 0.0, "temperature: expected numbers of at least 0"))
        with tf.control_dependencies(checks):
            return _public(self._model.value.generate(tf.identity(attributes), seed, tf.identity(temperature)))

    def generate_bytes(self, attributes, seed):
        return {"images_bytes": encoded.encode(self.generate(attributes, seed)["images"])}

    def decode(self, latents, attributes):
        with tf.control_dependencies(_checks(latents=latents, attributes=attributes)):
            layers, detail = self._model.value.decode(tf.identity(latents), attributes), self._model.value.detail
            return _public(layers if detail is None else {name: detail.enlarge(layers[name]) for name in layers})

    def encode(self, images, masks, attributes):
        checks = _checks(images=images, masks=masks, attributes=attributes)
        with tf.control_dependencies(checks + check_unit_range(images=images, masks=masks)):
            model = self._model.value
            images = pixels.model_range_from_unit(tf.identity(images))
            posterior = model.encode(reduced(model, images), reduced(model, masks, 0.0), attributes)
        return {"latents_mean": posterior.mean(), "latents_log_variance": 2.0 * tf.math.log(posterior.stddev())}

    def describe(self, request):
        return repeated(self.about(), request)

    def about(self) -> dict:
        """What `describe` gives for one row."""
        schema, config = self._schema.value, self._model.value.config
        sizes = ([config.foreground_latent_size, config.background_latent_size] if self._model.value.layered
                 else [config.latent_size])
        return {"names": list(schema.names), "minimum": schema.minimum, "mean": schema.mean,
                "maximum": schema.maximum, "standard_deviation": schema.standard_deviation,
                "covariance": schema.covariance, "image_size": [self._model.value.picture_size], "latent_sizes": sizes,
                "maximum_batch": [MAXIMUM_BATCH], "temperature": [self._temperature]}


def traced(function, inputs: str, model: AttributeModel) -> tf.types.experimental.ConcreteFunction:
    """The concrete function of a signature of a model, from the names of its inputs with blanks between."""
    size, count = model.picture_size, model.config.attribute_count
    picture, plane, vector = (size, size, 3), (size, size, 1), (count,)
    rows = {"attributes": vector, "new_attributes": vector, "latents": (model.latent_size,), "seed": (2,),
            "images": picture, "masks": plane, "observed": plane}
    types = {"seed": tf.int32, "request": tf.int32, "image_bytes": tf.string, "observed_bytes": tf.string}
    specs = {name: tf.TensorSpec([None, *rows.get(name, ())], types.get(name, tf.float32), name)
             for name in inputs.split()}
    # Inlined into its caller, it would be rewritten as that is.
    as_it_is = {"_noinline": True}
    with as_written():
        return tf.function(function, autograph=False, experimental_attributes=as_it_is).get_concrete_function(**specs)


@contextlib.contextmanager
def as_written():
    """Calls that are traced or saved inside run their graphs as they are written.

    TensorFlow would rewrite them before the first answer, which costs half of its time and on CPUs makes no later one
    faster (`benchmarks.start`). On GPUs this has not been measured.
    """
    option = "disable_meta_optimizer"
    before = tf.config.optimizer.get_experimental_options().get(option, False)
    tf.config.optimizer.set_experimental_options({option: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({option: before})


def repeated(one: dict, request):
    """The values of one row for each row of a request int32 [B]."""
    with tf.control_dependencies(check_rows(MAXIMUM_BATCH, request=request)):
        rows = tf.zeros_like(request)
    # tf.repeat takes ten times the operations.
    return {name: tf.gather(tf.convert_to_tensor(value)[tf.newaxis], rows) for name, value in one.items()}


class Hidden:
    """Keeps an object out of what a tf.Module tracks and saves."""

    def __init__(self, value):
        self.value = value


def _checks(**tensors):
    numbers = {name: tensor for name, tensor in tensors.items() if name in ("attributes", "latents", "temperature")}
    return check_rows(MAXIMUM_BATCH, **tensors) + check_finite(**numbers)


def _public(layers):
    """A model's dictionary at the public edge: pictures in [0, 1], the sigmoid's input left out."""
    return {name: pixels.unit_from_model_range(value) if name in _PICTURES else value
            for name, value in layers.items() if name != "gate_logits"}
