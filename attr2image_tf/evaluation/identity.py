"""Experiments on who is in a picture, by a face network that nobody here trained."""

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.context import Context, EvaluationData, estimate, evenly_spaced, number
from attr2image_tf.evaluation.face_network import FaceNetwork
from attr2image_tf.inference.editing import carry_over

# The network takes a tenth of a second a picture.
IDENTIFIED = 300
# Edits that leave a person who they are, by names of LFW, in standard deviations.
EDITS = {"Smiling": 2.0, "Mouth Wide Open": 2.0, "Eyeglasses": 2.0}


def identity(context: Context):
    """Distances of the face network's features: of samples, of reconstructions, and of pictures before and after edits.

    Edits are those of a user: latents from posterior inference, the attribute moved with those that go with it, the
    rest carried over from the picture.
    """
    data, network = context.data, FaceNetwork.load()
    if network.extract is None:
        return {"face network": {"left_out": network.reason}}, {}
    chosen = evenly_spaced(len(data.test), IDENTIFIED)
    test = data.test[chosen]
    real = network(test.images, data.face_box)
    samples = network(context.samples()[chosen], data.face_box)
    estimates = {"samples": _of_sample(data, samples, real, test.people)}
    edited = {name: amount for name, amount in EDITS.items() if name in data.schema.names}

    def edit(rows):
        return _edits(context, test[rows], edited)

    drawn = context.workspace.rows("edits", len(test), context.config.batch_size, edit)
    estimates["same picture before and after"] = {
        title: estimate(_distance(real, network(images, data.face_box)), test.people, data.config.seed)
        for title, images in drawn.items()}
    shown = evenly_spaced(len(test), 8)
    table = [test.images[shown], *(images[shown] for images in drawn.values())]
    return estimates, {"edits": pixels.grid(table, row_labels=["real", *drawn])}


def real_identity(data: EvaluationData):
    """The same of real pictures: training pictures in the place of samples, and other people in that of edits."""
    network = FaceNetwork.load()
    if network.extract is None:
        return {"face network": {"left_out": network.reason}}, {}
    test = data.test[evenly_spaced(len(data.test), IDENTIFIED)]
    real = network(test.images, data.face_box)
    train = network(data.train.images[evenly_spaced(len(data.train), IDENTIFIED)], data.face_box)
    estimates = {"samples": _of_sample(data, real, real, test.people)}
    estimates["samples"]["kernel_distance_to_test_pictures"] = _kernel_distance(train, real)
    apart = _distance(real, real[::-1])[test.people != test.people[::-1]]
    estimates["same picture before and after"] = {"another person": number(apart.mean(), len(apart))}
    return estimates, {}


def _of_sample(data, samples, real, people):
    # `nearest` gives root mean squared differences.
    lengths = metrics.nearest(samples, data.known_faces, 1)[1][:, 0] * np.sqrt(samples.shape[1])
    return {"kernel_distance_to_test_pictures": _kernel_distance(samples, real),
            "distance_to_the_nearest_training_face": estimate(lengths, people, data.config.seed),
            "smallest_distance": number(lengths.min(), len(samples))}


def _distance(first, second):
    return np.linalg.norm(first - second, axis=-1)


def _kernel_distance(first, second):
    # The kernel divides by their number; these features have a length near 1.
    scale = np.sqrt(first.shape[1])
    return number(metrics.kernel_distance(scale * first, scale * second), len(first))


def _edits(context, pictures, edited):
    """Pictures by title: reconstructions, and what a user gets who changes an attribute."""
    schema, attributes = context.schema, pictures.attributes
    images = pixels.model_range_from_uint8(pictures.images)
    latents = context.optimizer.infer(images, attributes)["latents"].numpy()
    before = context.layers(latents, attributes)
    drawn = {"reconstruction": before["images"]}
    for name, amount in edited.items():
        changed = np.stack([schema.vector({name: amount}, base=each, correlated=True) for each in attributes])
        drawn[f"{name} {amount:+g}"] = carry_over(images, before, context.layers(latents, changed))
    return {title: pixels.uint8_from_model_range(tf.constant(each)).numpy() for title, each in drawn.items()}
