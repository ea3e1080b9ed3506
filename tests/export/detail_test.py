"""Laws of exports with detail: all pictures are of its size, and what is seen of a photo stays."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.signatures.publishing import make_modules
from attr2image_tf.trained import TrainedModel
from tests.detail.flow_test import SIZE, make_detailed
from tests.export import tiny_models


def model():
    return make_detailed(steps=2)


@pytest.fixture(scope="module")
def client():
    return TrainedModel(model(), tiny_models.SCHEMA, tiny_models.INFERENCE)


@pytest.fixture(scope="module")
def photo():
    across, down = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    noise = np.random.default_rng(0).integers(0, 9, (SIZE, SIZE, 3))
    return (np.stack([across, down, across + down], -1) + 60 + noise).astype(np.uint8)


@pytest.mark.slow
def test_pictures_are_of_the_details_size_and_a_seeds_own(client):
    assert client.image_size == SIZE
    drawn = client.generate_layers({"Smiling": 1}, seed=3, count=2)
    assert {picture.shape[1:3] for picture in drawn.values()} == {(SIZE, SIZE)}
    np.testing.assert_array_equal(client.generate({"Smiling": 1}, seed=3, count=2), drawn["images"])
    np.testing.assert_allclose(client.generate({"Smiling": 1}, seed=3)[0].astype(int), drawn["images"][0], atol=1)
    answer = client.models.call("generator", "generate", attributes=np.zeros((1, 3)), seed=np.zeros((1, 2), np.int32))
    assert np.abs(answer["images"] - answer["coarse_images"]).max() > 0.01


@pytest.mark.slow
def test_a_photo_is_looked_at_small_and_what_is_seen_of_it_stays(client, photo):
    found = client.infer(photo)
    assert found.reconstruction.shape == (SIZE, SIZE, 3)
    np.testing.assert_array_equal(client.edit(photo, {}, found=found), photo)
    changed = client.edit(photo, {"Smiling": "max"}, found=found)
    assert (changed != photo).any()
    np.testing.assert_array_equal(changed, client.edit(photo, {"Smiling": "max"}, found=found))
    hidden = np.zeros((SIZE, SIZE), bool)
    hidden[9:31, 14:40] = True
    likeliest, one, other = (client.complete(photo, hidden, seed=seed) for seed in (None, 1, 2))
    for filled in (likeliest, one, other):
        np.testing.assert_array_equal(filled[~hidden], photo[~hidden])
    assert (one != other)[hidden].any() and (likeliest != one)[hidden].any()
    black, white = (client.infer(np.where(hidden[..., np.newaxis], np.uint8(level), photo), hidden=hidden)
                    for level in (0, 255))
    np.testing.assert_array_equal(black.latents, white.latents)


@pytest.mark.slow
def test_a_folded_model_draws_as_the_run_does(client):
    module = make_modules(model, tiny_models.SCHEMA, tiny_models.INFERENCE)["generator"]
    inputs = {"attributes": client.schema.mean[np.newaxis], "seed": np.int32([[7, 0]])}
    drawn = module.trace("generate")(**{name: tf.constant(value) for name, value in inputs.items()})
    np.testing.assert_allclose(drawn["images"][0] * 255.0, client.generate(seed=7, varied=False)[0], atol=1.5)
