"""Generator: the tf.Module of the exported model, for apps and servers that have TensorFlow and nothing else.

Images are float32 in [0, 1], NHWC. Every input has the batch first. Randomness is stateless: a row of attributes and
a row of seeds give the same picture at any batch size, on any replica.
"""

import tensorflow as tf

from attr2image_tf import images as pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.models import AttributeModel


class Generator(tf.Module):
    """Signatures of a trained model.

        generate = serving_default: attributes [B, A], seed int32 [B, 2] -> images, latents, and of a layered model
            foregrounds, gates, backgrounds
        generate_bytes: the same inputs -> images_bytes string [B], PNG
        decode: latents [B, Z], attributes [B, A] -> images, and the layers
        encode: images [B, H, W, 3], masks [B, H, W, 1], attributes -> latents_mean, latents_log_variance [B, Z]
        describe: request int32 [B], of any content -> names, minimum, mean, maximum, standard_deviation [B, A],
            covariance [B, A, A], image_size, latent_sizes [B, 1 or 2]

    A request with attributes of the wrong length, or with values that are not finite, is refused with
    InvalidArgumentError.

    Args:
        model: AttributeModel, its weights final.
        schema: AttributeSchema of its data set.
    """

    def __init__(self, model: AttributeModel, schema: AttributeSchema):
        super().__init__()
        # The Keras model itself cannot be saved inside a tf.Module; its variables can, and the functions below
        # capture nothing else.
        self._variables = [variable.value for variable in model.variables]
        self._model, self._schema = _Hidden(model), _Hidden(schema)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """Concrete functions by name, ready for tf.saved_model.save."""
        model, count, size = self._model.value, len(self._schema.value), self._model.value.config.image_size
        attributes = tf.TensorSpec([None, count], tf.float32, "attributes")
        seed = tf.TensorSpec([None, 2], tf.int32, "seed")
        latents = tf.TensorSpec([None, model.latent_size], tf.float32, "latents")
        images = tf.TensorSpec([None, size, size, 3], tf.float32, "images")
        masks = tf.TensorSpec([None, size, size, 1], tf.float32, "masks")
        request = tf.TensorSpec([None], tf.int32, "request")
        arguments = {"generate": (attributes, seed), "generate_bytes": (attributes, seed),
                     "decode": (latents, attributes), "encode": (images, masks, attributes), "describe": (request,)}
        functions = {name: tf.function(getattr(self, name)).get_concrete_function(*specs)
                     for name, specs in arguments.items()}
        return functions | {"serving_default": functions["generate"]}

    def generate(self, attributes, seed):
        with tf.control_dependencies(_checks(attributes=attributes)):
            return _public(self._model.value.generate(tf.identity(attributes), seed))

    def generate_bytes(self, attributes, seed):
        images = pixels.uint8_from_unit(self.generate(attributes, seed)["images"])
        return {"images_bytes": tf.map_fn(tf.io.encode_png, images, fn_output_signature=tf.string)}

    def decode(self, latents, attributes):
        with tf.control_dependencies(_checks(latents=latents, attributes=attributes)):
            return _public(self._model.value.decode(tf.identity(latents), attributes))

    def encode(self, images, masks, attributes):
        inside = [tf.debugging.Assert(tf.reduce_all((part >= 0.0) & (part <= 1.0)),
                                      [f"{name}: expected numbers from 0 to 1."])
                  for name, part in (("images", images), ("masks", masks))]
        with tf.control_dependencies([*_checks(attributes=attributes), *inside]):
            posterior = self._model.value.encode(
                pixels.model_range_from_unit(tf.identity(images)), masks, attributes)
        return {"latents_mean": posterior.mean(), "latents_log_variance": 2.0 * tf.math.log(posterior.stddev())}

    def describe(self, request):
        schema, config = self._schema.value, self._model.value.config
        sizes = ([config.foreground_latent_size, config.background_latent_size] if self._model.value.layered
                 else [config.latent_size])
        one = {"names": list(schema.names), "minimum": schema.minimum, "mean": schema.mean,
               "maximum": schema.maximum, "standard_deviation": schema.standard_deviation,
               "covariance": schema.covariance, "image_size": [config.image_size], "latent_sizes": sizes}
        batch = tf.shape(request)[0]
        return {name: tf.repeat(tf.convert_to_tensor(value)[tf.newaxis], batch, axis=0) for name, value in one.items()}


class _Hidden:
    """Keeps an object out of what a tf.Module tracks and saves."""

    def __init__(self, value):
        self.value = value


def _checks(**tensors):
    # The shape at run time is compared, as signatures do not hold callers to theirs and one number would broadcast.
    lengths = [tf.debugging.Assert(tf.equal(tf.shape(tensor)[-1], tensor.shape[-1]),
                                   [f"{name}: expected rows of {tensor.shape[-1]} numbers, got", tf.shape(tensor)])
               for name, tensor in tensors.items()]
    return lengths + [tf.debugging.assert_all_finite(tensor, f"{name}: expected finite numbers, got NaN or infinity.")
                      for name, tensor in tensors.items()]


def _public(layers):
    """A model's dictionary at the public edge: pictures in [0, 1], the sigmoid's input left out."""
    return {name: pixels.unit_from_model_range(value) if name in ("images", "foregrounds", "backgrounds") else value
            for name, value in layers.items() if name != "gate_logits"}
