"""Experiments on the two halves of a layered model's latents (sec. 3.2): leakage and exchanged backgrounds."""

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.context import Context, EvaluationData, evenly_spaced, number

FITTED = 2000
TESTED = 1000
SWAPPED = 200


def leakage(context: Context):
    """R^2 on test pictures of ridge regressions from the encoder's z_F and z_B to what belongs to either layer.

    Each half should know little of the other layer: background attributes and the background's mean colour from z_F,
    foreground attributes and the foreground's mean colour from z_B. What z_F knows of foreground attributes is no
    leakage; its decoder is given them besides.
    """
    def halves(pictures):
        return np.split(context.encode(pictures), [context.model.config.foreground_latent_size], axis=-1)

    return _leakage(context.data, halves), {}


def real_leakage(data: EvaluationData):
    """The same from 8 x 8 pixels of the real layers, for the foreground with the attributes.

    It is what the layers of real pictures say of each other, and so no leakage.
    """
    def halves(pictures):
        masks = pictures.masks / 255.0
        foreground, background = (_thumbnails(np.concatenate([pictures.images / 255.0 * region, region], -1))
                                  for region in (masks, 1.0 - masks))
        return np.concatenate([foreground, pictures.attributes], -1), background

    return _leakage(data, halves), {}


def _leakage(data, halves):
    train = data.train[evenly_spaced(len(data.train), FITTED)]
    test = data.test[evenly_spaced(len(data.test), TESTED)]
    background = [data.schema.index(name) for name in data.config.background_attributes]
    foreground = [i for i in range(len(data.schema)) if i not in background]

    def targets(pictures):
        masks = pictures.masks / 255.0
        return {"background attributes": pictures.attributes[:, background],
                "foreground attributes": pictures.attributes[:, foreground],
                "mean colour of the background": _mean_colour(pictures.images, 1.0 - masks),
                "mean colour of the foreground": _mean_colour(pictures.images, masks)}

    fitted, tested, estimates = targets(train), targets(test), {}
    for name, inputs, test_inputs in zip(("z_F", "z_B"), halves(train), halves(test), strict=True):
        estimates[f"R^2 from {name}"] = {
            target: number(metrics.explained_variance(inputs, fitted[target], test_inputs, tested[target]).mean(),
                           len(test)) for target in fitted if fitted[target].shape[1]}
    return estimates


def _thumbnails(pictures, size=8):
    """Means over blocks, [N, size * size * C], of [N, H, W, C]."""
    count, height, width, channels = pictures.shape
    return pictures.reshape(count, size, height // size, size, width // size, channels).mean((2, 4)).reshape(count, -1)


def _mean_colour(images, regions):
    """[N, 3]; grey where the region is empty."""
    weights = regions.sum((1, 2))
    sums = np.einsum("nhwc,nhwd->nc", images / 255.0, regions)
    return np.where(weights > 0, sums / np.maximum(weights, 1e-6), 0.5)


def swap(context: Context):
    """Samples whose z_B is exchanged for another's: x_F and g must stay, and the picture change where g is open."""
    test, config = context.data.test, context.config
    chosen = evenly_spaced(len(test), SWAPPED)
    attributes = test.attributes[chosen]
    size = context.model.config.foreground_latent_size
    drawn = context.model.generate(attributes, context.seeds(len(chosen), stream=5))["latents"].numpy()
    exchanged = np.concatenate([drawn[:, :size], np.roll(drawn[:, size:], 1, axis=0)], axis=-1)

    def compute(rows):
        before, after = (context.layers(latents[rows], attributes[rows]) for latents in (drawn, exchanged))
        solid = 1.0 - before["gates"]
        change = (before["images"] - after["images"]) / 2.0
        return {"foreground_layer": np.abs(before["foregrounds"] - after["foregrounds"]).max((1, 2, 3)),
                "gate": np.abs(before["gates"] - after["gates"]).max((1, 2, 3)),
                "where_the_gate_is_closed": metrics.pixel_error(change, 0.0 * change, solid > 0.5),
                "where_the_gate_is_open": metrics.pixel_error(change, 0.0 * change, solid <= 0.5)}

    rows = context.workspace.rows("swap", len(chosen), config.batch_size, compute)
    people = test.people[chosen]
    estimates = {
        "largest change": {name: number(rows[name].max(), len(chosen)) for name in ("foreground_layer", "gate")},
        "mean squared change of pixels in [0, 1]": {
            name: context.data.estimate(rows[name], people)
            for name in ("where_the_gate_is_closed", "where_the_gate_is_open")}}
    return estimates, {"one z_F a row, one z_B a column": _swap_sheet(context, drawn, attributes, size)}


def _swap_sheet(context, latents, attributes, size, count=8):
    table = []
    for row in range(count):
        row_latents = np.concatenate([np.repeat(latents[row:row + 1, :size], count, 0), latents[:count, size:]], -1)
        table.append(context.decode(row_latents, np.repeat(attributes[row:row + 1], count, 0)))
    return pixels.grid(table)
