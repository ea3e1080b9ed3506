"""Experiments on who is in a picture, by a face network that nobody here trained."""

import numpy as np

from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.context import Context, EvaluationData, evenly_spaced, number
from attr2image_tf.evaluation.face_network import FaceNetwork

# The network takes a tenth of a second a picture.
IDENTIFIED = 300


def identity(context: Context):
    """Distances of the face network's features of samples; those of edits are in `edits`."""
    data, network = context.data, FaceNetwork.load()
    if network.extract is None:
        return {"face network": {"left_out": network.reason}}, {}
    chosen = evenly_spaced(len(data.test), IDENTIFIED)
    test = data.test[chosen]
    real = network(test.images, data.face_box)
    samples = network(context.samples()[chosen], data.face_box)
    return {"samples": _of_sample(data, samples, real, test.people)}, {}


def real_identity(data: EvaluationData):
    """The same of training pictures."""
    network = FaceNetwork.load()
    if network.extract is None:
        return {"face network": {"left_out": network.reason}}, {}
    test = data.test[evenly_spaced(len(data.test), IDENTIFIED)]
    real = network(test.images, data.face_box)
    train = network(data.train.images[evenly_spaced(len(data.train), IDENTIFIED)], data.face_box)
    estimates = {"samples": _of_sample(data, real, real, test.people)}
    estimates["samples"]["kernel_distance_to_test_pictures"] = _kernel_distance(train, real)
    return estimates, {}


def _of_sample(data, samples, real, people):
    # `nearest` gives root mean squared differences.
    lengths = metrics.nearest(samples, data.known_faces, 1)[1][:, 0] * np.sqrt(samples.shape[1])
    return {"kernel_distance_to_test_pictures": _kernel_distance(samples, real),
            "distance_to_the_nearest_training_face": data.estimate(lengths, people),
            "smallest_distance": number(lengths.min(), len(samples))}


def _kernel_distance(first, second):
    # The kernel divides by their number; these features have a length near 1.
    scale = np.sqrt(first.shape[1])
    return number(metrics.kernel_distance(scale * first, scale * second), len(first))
