"""Laws of the regressor: what it gives, how it is saved, and that training goes on where it was."""

import dataclasses
import shutil

import numpy as np
import pytest

from attr2image_tf.config import ConfigError
from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.evaluation import attribute_regressor, faithfulness, pictures
from attr2image_tf.evaluation.attribute_regressor import AttributeRegressor
from attr2image_tf.evaluation.config import RegressorConfig
from attr2image_tf.evaluation.regressor_training import RegressorTraining
from attr2image_tf.run_folder import RunFolder

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def dataset():
    return open_emblems(image_size=32, train=300, validation=20, test=60)


@pytest.fixture(scope="module")
def config(dataset):
    return RegressorConfig(dataset="emblems", image_size=32, width=6, epochs=6, batch_size=20, learning_rate=5e-3,
                           flip=False, **dataset.schema.standardisation())


def train(config, dataset, path, **options):
    training = RegressorTraining(config, dataset, RunFolder(path), **options)
    training.run()
    return training


@pytest.fixture(scope="module")
def trained(tmp_path_factory, config, dataset):
    """A trained regressor in a folder."""
    path = tmp_path_factory.mktemp("regressor")
    RunFolder(path).write(config, dataset.schema)
    attribute_regressor.save(train(config, dataset, path).network, path)
    return path


@pytest.mark.slow
def test_it_learns_what_new_pictures_show(trained, dataset):
    test = pictures.read(dataset, "test")
    compared = faithfulness.compare(test.attributes, attribute_regressor.load(trained)(test.images)[0], dataset.schema)
    # Who always says the mean has a cosine of 0 and an error of 1.
    assert compared.cosine_similarity.mean() > 0.25
    assert compared.squared_error.mean() < 0.95


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, trained, config, dataset):
    class Killed(Exception):
        pass

    interrupted = RegressorTraining(config, dataset, RunFolder(tmp_path), checkpoint_seconds=0.0)
    traced = interrupted._step

    def step(batch):
        if int(interrupted.optimizer.iterations) == 20:  # in the midst of the second epoch
            raise Killed
        return traced(batch)

    interrupted._step = step
    with pytest.raises(Killed):
        interrupted.run()
    resumed = train(config, dataset, tmp_path)
    for ours, theirs in zip(resumed.network.get_weights(), attribute_regressor.load(trained).network.get_weights(),
                            strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(RunFolder(tmp_path).read_log(), RunFolder(trained).read_log(), strict=True):
        assert [float(value) for value in ours.values()] == pytest.approx([float(v) for v in theirs.values()], rel=1e-3)


@pytest.mark.slow
def test_a_list_of_checkpoints_that_is_lost_and_a_row_that_is_cut_cost_nothing(config, dataset, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "regressor")
    folder = RunFolder(tmp_path / "regressor")
    (folder.checkpoints / "checkpoint").unlink()
    lines = folder.log.read_text().splitlines(keepends=True)
    # The first row is lost, the last is owed: its weights are there.
    folder.log.write_text("".join([lines[0], *lines[2:-1]]))
    again = RegressorTraining(config, dataset, folder)
    again._step = lambda batch: pytest.fail("a step was taken again")
    again.run()
    assert [int(row["epoch"]) for row in folder.read_log()] == list(range(2, config.epochs + 1))
    last = folder.read_log()[-1]
    assert float(last["validation_squared_error"]) == pytest.approx(
        float(RunFolder(trained).read_log()[-1]["validation_squared_error"]), rel=1e-3)


@pytest.mark.slow
def test_without_a_whole_checkpoint_nothing_is_trained_over(config, dataset, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "regressor")
    folder = RunFolder(tmp_path / "regressor")
    part = next(folder.checkpoints.glob("*.data-*"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(ConfigError, match="has no checkpoint that is whole"):
        RegressorTraining(config, dataset, folder).run()
    shutil.rmtree(folder.checkpoints)
    with pytest.raises(ConfigError, match="log.csv has epochs, and there is no checkpoint"):
        RegressorTraining(config, dataset, folder).run()


def test_first_weights_are_a_function_of_the_seed(config):
    first, same, other = (attribute_regressor.build(dataclasses.replace(config, seed=seed)).get_weights()
                          for seed in (0, 0, 1))
    for weights, again in zip(first, same, strict=True):
        np.testing.assert_array_equal(weights, again)
    assert any(np.any(weights != others) for weights, others in zip(first, other, strict=True))


@pytest.mark.slow
def test_it_answers_alike_in_any_batch_and_for_both_types_of_pixels(trained):
    regressor = attribute_regressor.load(trained)
    images = RANDOM.integers(0, 256, (70, 32, 32, 3)).astype(np.uint8)
    attributes, features = regressor(images)
    assert attributes.shape == (70, 17) and features.shape == (70, 8 * 6)
    for part, again in zip((attributes, features), regressor((images[66:67] / 255).astype(np.float32)), strict=True):
        np.testing.assert_allclose(part[66], again[0], atol=1e-4)


def test_a_picture_and_its_mirror_image_are_scored_alike_where_sides_do_not_matter(config, dataset):
    images = RANDOM.integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    for flip in (True, False):
        config = dataclasses.replace(config, flip=flip)
        regressor = AttributeRegressor(attribute_regressor.build(config), config, dataset.schema)
        (straight, _), (mirrored, _) = regressor(images), regressor(images[:, :, ::-1])
        assert np.allclose(straight, mirrored, atol=1e-5) == flip


@pytest.mark.slow
@pytest.mark.parametrize("images", [np.zeros((2, 64, 64, 3), np.uint8), np.zeros((2, 32, 32, 3), np.float64),
                                    np.zeros((0, 32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)])
def test_pictures_that_do_not_fit_are_refused(trained, images):
    with pytest.raises(ValueError, match="expected at least one uint8 or float32 picture, .N, 32, 32, 3."):
        attribute_regressor.load(trained)(images)


def test_a_folder_without_a_finished_regressor_is_refused(tmp_path, config, dataset):
    with pytest.raises(ConfigError, match="has no config.json.*train_regressor"):
        attribute_regressor.load(tmp_path / "nowhere")
    RunFolder(tmp_path).write(config, dataset.schema)
    with pytest.raises(ConfigError, match="has no regressor.weights.h5"):
        attribute_regressor.load(tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    ({"image_size": 40}, "image_size=40: expected a positive multiple of 16"),
    ({"width": 0}, "width=0"), ({"dropout": 1.0}, "dropout=1.0"), ({"learning_rate": 0.0}, "learning_rate=0.0"),
    ({"shift": 16}, "shift=16"), ({"attribute_mean": (0.0,)}, "1 numbers above 0"),
])
def test_configurations_that_cannot_be_are_refused(config, change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(config, **change)
