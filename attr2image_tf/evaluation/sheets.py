"""Sheets of pictures to look at: reconstructions, samples by request, layers, attribute progressions.

Every function returns one uint8 picture [H, W, 3]. Pictures are drawn from the model's prior, by noise times a
`temperature`: a float of at least 0, below 1 for more typical and more similar ones.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.models import AttributeModel
from attr2image_tf.randomness import seed_rows

_COLUMN_NAMES = {"images": "x", "foregrounds": "x_F", "gates": "g", "backgrounds": "x_B"}


def reconstructions(model: AttributeModel, batch) -> np.ndarray:
    """Pictures of a batch beside what the model makes of the mean of q(z | x, y), with the layers where it has them."""
    latents = model.encode(batch["image"], batch["mask"], batch["attributes"]).mean()
    layers = _visible(model.decode(latents, batch["attributes"]))
    columns = [_unit(batch["image"]), *layers.values()]
    return pixels.grid([[column[row] for column in columns] for row in range(len(columns[0]))],
                       column_labels=["input", *layers])


def layers(model: AttributeModel, attributes, seeds, *, temperature: float = 1.0) -> np.ndarray:
    """Samples for attributes float32 [B, A] and seeds int32 [B, 2] in rows: the picture and the layers that make it."""
    columns = _visible(model.generate(tf.constant(attributes), tf.constant(seeds), temperature))
    rows = [[column[row] for column in columns.values()] for row in range(len(attributes))]
    return pixels.grid(rows, column_labels=list(columns))


def beside_references(generate, images, attributes, *, count: int, seed: int) -> np.ndarray:
    """Real pictures at the left, and beside each what is drawn for its attributes alone.

    Args:
        generate: function of attributes float32 [B, A] and seeds int32 [B, 2] to images in [0, 1]; the signature of a
            SavedModel serves.
        images: uint8 [N, H, W, 3], none of which the model has seen.
        attributes: float32 [N, A].
        count: int. Pictures drawn for each; a column shares its noise.
        seed: int. Of the noise.
    """
    rows = []
    for image, vector in zip(images, attributes, strict=True):
        drawn = generate(tf.tile(vector[np.newaxis], [count, 1]), seed_rows(seed, count))
        rows.append([image, *np.asarray(drawn)])
    # Small pictures are enlarged, or nobody sees what they show.
    return pixels.grid(rows, column_labels=["real", *[""] * count], scale=max(1, 64 // images[0].shape[0]))


def blind(generate, images, attributes, *, seed: int) -> tuple[np.ndarray, list[str]]:
    """Real pictures and samples for the attributes of others, shuffled, for a person to tell apart; and the key.

    Args:
        generate: as in `beside_references`.
        images: uint8 [2 N, H, W, 3]. The first half is shown.
        attributes: float32 [2 N, A]. Of those of the second half samples are drawn.
        seed: int. Of the samples and the order.

    Returns:
        The sheet, each picture with its number, from 1; and "real" or "sample" for each number.
    """
    half = len(images) // 2
    drawn = pixels.uint8_from_unit(np.asarray(generate(attributes[half:], seed_rows(seed, len(images) - half))))
    tiles, key = [*images[:half], *drawn], ["real"] * half + ["sample"] * len(drawn)
    order = np.random.default_rng(seed).permutation(len(tiles))
    columns = 8
    rows = [order[start:start + columns] for start in range(0, len(order), columns)]
    sheet = pixels.grid([[tiles[place] for place in row] for row in rows],
                        row_labels=[f"{columns * number + 1} ..." for number in range(len(rows))],
                        scale=max(1, 64 // images[0].shape[0]))
    return sheet, [key[place] for place in order]


def samples(model: AttributeModel, requests: Mapping[str, np.ndarray], *, count: int, seed: int,
            temperature: float = 1.0) -> np.ndarray:
    """One row a request, `count` pictures each; all pictures of a column share their noise.

    Args:
        requests: by row label attributes float32 [A], or [count, A] to give each picture its own.
        count: int. Pictures a row.
        seed: int. Of the noise.
    """
    rows = [_unit(model.generate(tf.constant(np.broadcast_to(attributes, (count, len(attributes.T))), tf.float32),
                                 seed_rows(seed, count), temperature)["images"]) for attributes in requests.values()]
    return pixels.grid(rows, row_labels=list(requests))


def progression(model: AttributeModel, schema: AttributeSchema, names: Sequence[str], *, steps: int = 8, seed: int = 0,
                base=None, correlated: bool = False, temperature: float = 1.0) -> np.ndarray:
    """One strip an attribute, from its training minimum to its maximum with everything else fixed (sec. 5).

    Fixed is the noise that the prior maps to latents: what the prior knows of an attribute moves along with it.

    Args:
        schema: AttributeSchema of the model's data set.
        names: attributes, one strip each.
        steps: int, at least 2. Pictures a strip.
        seed: int. Of the noise, which all pictures share.
        base: float32 [A], the other attributes; the training mean by default.
        correlated: bool. Whether the others move to their conditional mean given the moved one
            (`AttributeSchema.vector`) instead of staying as they are.
    """
    seeds = tf.tile(seed_rows(seed, 1), [steps, 1])
    rows = []
    for name in names:
        i = schema.index(name)
        # In standard deviations, as requests are.
        amounts = (np.linspace(schema.minimum[i], schema.maximum[i], steps) - schema.mean[i]) / schema.scale[i]
        attributes = np.stack([schema.vector({name: amount}, base=base, correlated=correlated) for amount in amounts])
        rows.append(_unit(model.generate(tf.constant(attributes, tf.float32), seeds, temperature)["images"]))
    return pixels.grid(rows, row_labels=list(names), column_labels=["min"] + [""] * (steps - 2) + ["max"])


def _visible(layers):
    return {label: _unit(layers[name]) if name != "gates" else layers[name].numpy()
            for name, label in _COLUMN_NAMES.items() if name in layers}


def _unit(images):
    return pixels.unit_from_model_range(images).numpy()
