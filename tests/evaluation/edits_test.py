"""Laws of what is measured of edits, and of the classifier that tells drawn pictures from photos."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.config import DetailConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.detail import DetailFlow
from attr2image_tf.evaluation import edits, two_sample
from attr2image_tf.evaluation.face_network import FaceNetwork
from attr2image_tf.evaluation.pictures import Pictures
from attr2image_tf.inference.editing import carry_over
from attr2image_tf.models.latent_prior import LatentPrior
from tests.evaluation import tiny
from tests.evaluation.identity_test import extract

pytestmark = pytest.mark.slow


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(FaceNetwork, "load", lambda: FaceNetwork(extract))
    monkeypatch.setattr(edits, "EDITS", {"Red": 3.0, "Of Another Set": 1.0})
    monkeypatch.setattr(two_sample, "_STEPS", 4)
    return dataclasses.replace(tiny.make_evaluation_data(tiny.make_dataset()), face_box=(0.1, 0.2, 0.8, 0.9))


def test_edits_keep_more_of_a_person_than_reconstructions_do(data, tmp_path):
    estimates, sheets = edits.edits(tiny.make_context("discvae", data, tmp_path))
    assert list(estimates) == ["reconstruction", "Red +3"] and "edits" in sheets
    distance = {title: each["distance_of_the_person"]["value"] for title, each in estimates.items()}
    # What reconstruction misses is carried over into an edit.
    assert 0.0 < distance["Red +3"] < distance["reconstruction"]
    assert {"response, judge a", "others_off, judge a", "told_from_photos", "pixels_left_alone"} < set(
        estimates["Red +3"])
    real, _ = edits.real_edits(data)
    assert real["another photo"]["distance_of_the_person"]["value"] > distance["Red +3"]


def test_edits_are_those_of_a_user(data, tmp_path):
    """Latents move with the attributes, as far as the prior says, which users' edits do too."""
    context = tiny.make_context("discvae", data, tmp_path)
    model = context.model
    model.prior = LatentPrior("gaussian", model.prior_blocks(), model.config.attribute_count)
    for part in model.prior.parts:
        part.weight.assign(tf.ones_like(part.weight))
    photos = data.test[:4]
    images = pixels.model_range_from_uint8(photos.images)
    changed = edits._moved(data.schema, photos.attributes, "Red", 3)
    found = context.optimizer.infer(images, photos.attributes)["latents"]
    expected = context.optimizer.edit(images, photos.attributes, changed, latents=found)["images"]
    drawn = edits._edits(context, photos, {"Red": ("Red", 3)}, 0)["Red"]
    np.testing.assert_array_equal(drawn, pixels.uint8_from_model_range(expected))
    kept = carry_over(images, model.decode(found, photos.attributes), model.decode(found, changed))
    assert np.abs(expected - kept).max() > 0.01


def test_attributes_that_are_yes_or_no_are_turned(monkeypatch):
    monkeypatch.setattr(edits, "EDITS", {"Red": 3.0, "Large": 2.0})
    monkeypatch.setattr(edits, "TURNED", ("Red", "Large", "Old", "Of Another Set"))
    attributes = np.random.default_rng(0).uniform(size=(20, 3)).astype(np.float32)
    attributes[:, 1:] = np.rint(attributes[:, 1:])
    schema = AttributeSchema.measure(("Red", "Large", "Old"), attributes)
    assert edits._edited(schema) == {"Red +3": ("Red", 3.0), "Large turned": ("Large", None),
                                     "Old turned": ("Old", None)}
    turned = edits._moved(schema, attributes, "Large", None)
    np.testing.assert_array_equal(turned, np.stack([attributes[:, 0], 1.0 - attributes[:, 1], attributes[:, 2]], 1))
    old = np.stack([attributes[:, 0], turned[:, 1], 1.0 - attributes[:, 2]], 1)
    # A judge that finds what was asked for, one that finds nothing changed, and one that finds more changed than that.
    for found, reached, kept in ((turned, 1.0, 1.0), (attributes, 0.0, 1.0), (old, 1.0, 0.0)):
        answers = edits._answers(schema, turned, attributes, found, 1)
        np.testing.assert_array_equal(answers["answer_reached"], np.full(20, reached))
        np.testing.assert_array_equal(answers["other_answers_kept"][:, np.newaxis], np.full((20, 1), kept))


def test_a_model_with_detail_edits_photos_at_its_size(data, tmp_path):
    context = tiny.make_context("cvae", data, tmp_path)
    config = DetailConfig(source="run", width=4, steps=1, output_size=64)
    context.model.detail = DetailFlow(context.model.config, config)
    asked = []

    def photos(size):
        asked.append(size)
        return Pictures(*(getattr(data.test, field.name) if field.name not in ("images", "masks") else
                          getattr(data.test, field.name).repeat(2, 1).repeat(2, 2)
                          for field in dataclasses.fields(Pictures)))

    context.data = dataclasses.replace(data, open_photos=photos)
    estimates, sheets = edits.edits(context)
    assert asked == [64] and sheets["edits"].shape[1] >= 64 * 12
    assert 0.0 <= estimates["Red +3"]["pixels_left_alone"]["value"] <= 1.0


def test_a_classifier_tells_what_differs_and_nothing_else():
    random, people = np.random.default_rng(0), np.array([f"person {index // 2}" for index in range(60)])
    photos, others = (random.integers(0, 256, (60, 32, 32, 3), np.uint8) for _ in range(2))
    soft = ((photos[:, :, :-1].astype(int) + photos[:, :, 1:]) // 2).astype(np.uint8)
    told, judged = two_sample.tell_apart(soft, photos[:, :, :-1], people, people)
    assert told.mean() > 0.8 and len(told) == len(judged) == 120
    told, _ = two_sample.tell_apart(others, photos, people, people)
    assert 0.3 < told.mean() < 0.7


def test_one_person_alone_tells_nothing():
    photos = np.zeros((2, 32, 32, 3), np.uint8)
    assert np.isnan(two_sample.tell_apart(photos, photos, ["x", "x"], ["x", "x"])[0]).all()
