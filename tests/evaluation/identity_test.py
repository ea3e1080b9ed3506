"""What the face network is given, what its features are compared with, and what is said where it is missing."""

import dataclasses
import importlib.util

import numpy as np
import pytest

from attr2image_tf.evaluation import experiments, identity
from attr2image_tf.evaluation.face_network import FaceNetwork
from tests.evaluation import tiny


def extract(image, box):
    """The mean colours of 16 parts of the box."""
    left, top, right, bottom = box
    return image[top:bottom, left:right][:160, :160].reshape(4, 40, 4, 40, 3).mean((1, 3)).ravel() / 255.0


@pytest.fixture(scope="module")
def data():
    data = tiny.make_evaluation_data(tiny.make_dataset())
    return dataclasses.replace(data, face_box=(0.1, 0.2, 0.8, 0.9))


@pytest.fixture
def network(monkeypatch):
    monkeypatch.setattr(FaceNetwork, "load", lambda: FaceNetwork(extract))


def test_it_sees_enlarged_pictures_and_the_box_in_their_pixels():
    seen = []

    def see(image, box):
        seen.append((image.shape, image.dtype, box))
        return np.zeros(128)

    assert FaceNetwork(see)(np.zeros((2, 64, 64, 3), np.uint8), (0.25, 0.5, 0.75, 1.0)).shape == (2, 128)
    assert seen == [((256, 256, 3), np.uint8, [64, 128, 192, 256])] * 2


def test_without_the_packages_it_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    FaceNetwork.load.__func__.cache_clear()
    try:
        reason = FaceNetwork.load().reason
        assert identity.identity(tiny_context_without_models())[0]["face network"]["left_out"] == reason
        assert identity.real_identity(None)[0]["face network"]["left_out"] == reason
    finally:
        FaceNetwork.load.__func__.cache_clear()
    assert 'pip install "attr2image-tf[judges]"' in reason


def tiny_context_without_models():
    return dataclasses.make_dataclass("Nothing", ["data"])(None)


@pytest.mark.slow
def test_samples_are_measured(network, data, tmp_path):
    context = tiny.make_context("discvae", data, tmp_path)
    estimates, _ = identity.identity(context)
    real, _ = identity.real_identity(data)
    assert abs(real["samples"]["kernel_distance_to_test_pictures"]["value"]) < (
        estimates["samples"]["kernel_distance_to_test_pictures"]["value"])
    assert np.isfinite(estimates["samples"]["distance_to_the_nearest_training_face"]["value"])


def test_a_copy_of_a_training_face_is_found(network, data):
    copies = FaceNetwork.load()(data.train.images[[3, 8]], data.face_box)
    estimates = identity._of_sample(data, copies, copies, np.array(["x", "y"]))
    assert estimates["smallest_distance"]["value"] == pytest.approx(0.0, abs=1e-4)


def test_it_is_of_faces_alone(data):
    experiment = experiments.EXPERIMENTS["identity"]
    assert experiment.suits(data) and not experiment.suits(dataclasses.replace(data, face_box=None))
