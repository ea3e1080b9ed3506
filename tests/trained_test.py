"""What a researcher does in a notebook: the same pictures as the model's own, by names."""

import numpy as np
import pytest
import tensorflow as tf

import attr2image_tf
from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.trained import TrainedModel
from tests import tiny
from tests.evaluation.tiny import write_run

NAMES = ("Smiling", "Male", "Senior")
ATTRIBUTES = np.random.default_rng(0).random((40, 3)).astype(np.float32)
SIZE = tiny.SIZE


@pytest.fixture(scope="module")
def trained():
    schema = AttributeSchema.measure(NAMES, ATTRIBUTES)
    # The one that traces fastest.
    return TrainedModel(tiny.make_model("cvae", prior="gaussian", **schema.standardisation()), schema)


def test_pictures_are_the_models_own_and_a_function_of_the_seed(trained):
    request = {"Smiling": +2, "Male": "min"}
    faces = trained.generate(request, count=3, seed=5)
    vectors = trained.schema.draw(request, 3, seed=5)
    drawn = trained.model.generate(tf.constant(vectors), tf.constant([[5, 0], [5, 1], [5, 2]]))["images"]
    np.testing.assert_array_equal(faces, pixels.uint8_from_model_range(drawn))
    np.testing.assert_array_equal(trained.generate(request, count=2, seed=5), faces[:2])
    with pytest.raises(ValueError, match="Smilng"):
        trained.generate({"Smilng": 1})


@pytest.mark.slow
def test_pictures_are_inverted_edited_and_completed(trained):
    face = trained.generate(seed=1)[0]
    found = trained.infer(face)
    assert set(found.attributes) == set(NAMES) and found.reconstruction.shape == (SIZE, SIZE, 3)
    np.testing.assert_array_equal(trained.reconstruct(face), found.reconstruction)
    # Nothing changes where nothing is asked for.
    assert np.abs(trained.edit(face, {}, found=found).astype(int) - face).max() <= 1
    assert (trained.edit(face, {"Smiling": "max"}, found=found) != face).any()
    hidden = np.zeros((SIZE, SIZE), bool)
    hidden[8:20, 8:20] = True
    one, other = (trained.complete(face, hidden, seed=seed, attributes={}) for seed in (1, 2))
    np.testing.assert_array_equal(one[~hidden], face[~hidden])
    assert (one != other).any()


@pytest.mark.slow
def test_a_model_of_ones_own_is_trained_and_gets_its_prior():
    pictures = np.random.default_rng(1).integers(0, 256, (40, SIZE, SIZE, 3)).astype(np.uint8)
    model = attr2image_tf.create("cvae", NAMES, ATTRIBUTES, image_size=SIZE, width=1 / 32, latent_size=4)
    before = model.generate(seed=1)
    batches = tf.data.Dataset.from_tensor_slices({"image": pictures, "attributes": ATTRIBUTES}).batch(20)
    with pytest.raises(ValueError, match="it never ends"):
        model.fit(batches.repeat())
    # Of a set that does not say how long it is.
    batches = batches.filter(lambda batch: True)
    history = model.fit(batches, epochs=8, learning_rate=1e-2).history
    assert history["loss"][-1] < history["loss"][0] and model.model.prior.kind == "gaussian"
    assert (model.generate(seed=1) != before).any()
    with pytest.raises(ValueError, match="expected batches with 'attributes', float32 .B, 3., got none"):
        model.fit(batches.map(lambda batch: {"image": batch["image"]}))
    with pytest.raises(ValueError, match="witdh: not a setting of a model; known: .*width"):
        attr2image_tf.create("cvae", NAMES, ATTRIBUTES, witdh=0.5)


@pytest.mark.slow
def test_a_run_folder_is_loaded(tmp_path, trained):
    write_run(RunFolder(tmp_path / "run"), "cvae", trained.schema)
    loaded = attr2image_tf.load(tmp_path / "run")
    assert loaded.names == NAMES and loaded.generate(count=2).shape == (2, SIZE, SIZE, 3)
