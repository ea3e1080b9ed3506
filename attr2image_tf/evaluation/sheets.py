"""Sheets of pictures that a person judges: reconstructions, samples by request, layers, attribute progressions.

Every function returns one uint8 picture [H, W, 3]. Models are used through `encode` and `decode` alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.randomness import normal_by_example

_COLUMN_NAMES = {"images": "x", "foregrounds": "x_F", "gates": "g", "backgrounds": "x_B"}


def reconstructions(model: AttributeModel, batch) -> np.ndarray:
    """Pictures of a batch beside what the model makes of the mean of q(z | x, y), with the layers where it has them."""
    latents = model.encode(batch["image"], batch["mask"], batch["attributes"]).mean()
    layers = _visible(model.decode(latents, batch["attributes"]))
    columns = [_unit(batch["image"]), *layers.values()]
    return pixels.grid([[column[row] for column in columns] for row in range(len(columns[0]))],
                       column_labels=["input", *layers])


def layers(model: AttributeModel, attributes, seeds) -> np.ndarray:
    """Samples in rows: the picture and the layers it is composed of.

    Args:
        model: AttributeModel.
        attributes: float32 [B, A].
        seeds: int32 [B, 2].
    """
    columns = _visible(model.generate(tf.constant(attributes), tf.constant(seeds)))
    rows = [[column[row] for column in columns.values()] for row in range(len(attributes))]
    return pixels.grid(rows, column_labels=list(columns))


def beside_references(generate, images, attributes, *, count: int, seed: int) -> np.ndarray:
    """Real pictures at the left, and beside each what is drawn for its attributes alone.

    Args:
        generate: function of attributes float32 [B, A] and seeds int32 [B, 2] to images in [0, 1]; the signature of a
            SavedModel serves.
        images: uint8 [N, H, W, 3], none of which the model has seen.
        attributes: float32 [N, A].
        count: int. Pictures drawn for each; a column shares its latents.
        seed: int.
    """
    rows = []
    for image, vector in zip(images, attributes, strict=True):
        drawn = generate(tf.tile(vector[np.newaxis], [count, 1]), _seeds(seed, count))
        rows.append([image, *np.asarray(drawn)])
    # Small pictures are enlarged, or nobody sees what they show.
    return pixels.grid(rows, column_labels=["real", *[""] * count], scale=max(1, 64 // images[0].shape[0]))


def samples(model: AttributeModel, requests: Mapping[str, np.ndarray], *, count: int, seed: int) -> np.ndarray:
    """One row a request, `count` pictures each; all pictures of a column share their latents.

    Args:
        model: AttributeModel.
        requests: by row label attributes float32 [A], or [count, A] to give each picture its own.
        count: int. Pictures a row.
        seed: int.
    """
    latents = normal_by_example(_seeds(seed, count), model.latent_size)
    rows = [_decode(model, latents, np.broadcast_to(attributes, (count, len(attributes.T))))
            for attributes in requests.values()]
    return pixels.grid(rows, row_labels=list(requests))


def progression(model: AttributeModel, schema: AttributeSchema, names: Sequence[str], *, steps: int = 8, seed: int = 0,
                base=None, correlated: bool = False, latents=None) -> np.ndarray:
    """One strip an attribute, from its training minimum to its maximum with everything else fixed (sec. 5).

    Args:
        model: AttributeModel.
        schema: AttributeSchema of the model's data set.
        names: attributes, one strip each.
        steps: int, at least 2. Pictures a strip.
        seed: int. Of the latents, which all pictures share.
        base: float32 [A], the other attributes; the training mean by default.
        correlated: bool. Whether the others move to their conditional mean given the moved one
            (`AttributeSchema.vector`) instead of staying as they are.
        latents: float32 [Z] instead of a draw.
    """
    if latents is None:
        latents = normal_by_example(_seeds(seed, 1), model.latent_size)[0]
    latents = tf.tile(latents[tf.newaxis], [steps, 1])
    rows = []
    for name in names:
        i = schema.index(name)
        # In standard deviations, as requests are.
        amounts = (np.linspace(schema.minimum[i], schema.maximum[i], steps) - schema.mean[i]) / schema.scale[i]
        attributes = np.stack([schema.vector({name: amount}, base=base, correlated=correlated) for amount in amounts])
        rows.append(_decode(model, latents, attributes))
    return pixels.grid(rows, row_labels=list(names), column_labels=["min"] + [""] * (steps - 2) + ["max"])


def _seeds(seed, count):
    return tf.stack([tf.fill([count], seed), tf.range(count)], -1)


def _decode(model, latents, attributes):
    return _unit(model.decode(latents, tf.constant(attributes, tf.float32))["images"])


def _visible(layers):
    return {label: _unit(layers[name]) if name != "gates" else layers[name].numpy()
            for name, label in _COLUMN_NAMES.items() if name in layers}


def _unit(images):
    return pixels.unit_from_model_range(images).numpy()
