"""Laws of the folder of a run: what is there stays, and what cannot be used is reported in a sentence."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import ConfigError, ModelConfig, RunConfig, SharpeningConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.errors import check_writable
from attr2image_tf.models.optimizer import WeightAverage
from attr2image_tf.run_folder import RunFolder, changes
from attr2image_tf.signatures.publishing import export_run
from tests.tiny import make_model


@pytest.fixture
def schema():
    return AttributeSchema.measure([f"attribute {i}" for i in range(312)],
                                   np.random.default_rng(0).normal(size=(5, 312)))


def make_config(schema, **options):
    return RunConfig(model=ModelConfig(attribute_mean=tuple(schema.mean.tolist()), attribute_standard_deviation=tuple(
        schema.standard_deviation.tolist())), **{"dataset": "cub:image", "epochs": 3} | options)


def test_a_run_goes_on_with_as_many_epochs_or_more_and_nothing_else(tmp_path, schema):
    folder, config = RunFolder(tmp_path / "run"), make_config(schema)
    folder.check(config)
    folder.write(config, schema)
    folder.check(config)
    folder.check(make_config(schema, epochs=4))
    with pytest.raises(ConfigError, match="epochs: 3 before, 2 now.. Give the same flags"):
        folder.check(make_config(schema, epochs=2))
    assert folder.read_config() == config


def test_another_data_set_is_reported_without_its_hundreds_of_numbers(tmp_path, schema):
    folder, config = RunFolder(tmp_path / "run"), make_config(schema)
    folder.write(config, schema)
    other = dataclasses.replace(config, dataset="folder:birds", model=dataclasses.replace(
        config.model, attribute_mean=tuple(1.0 + mean for mean in config.model.attribute_mean)))
    with pytest.raises(ConfigError, match="dataset: 'cub:image' before, 'folder:birds' now; .*attribute_mean") as error:
        folder.check(other)
    assert len(str(error.value)) < 500
    names = [f"attribute {index}" for index in range(99)]
    assert changes({"names": names}, {"names": [*names[:-1], "beard"]}).endswith(", 'beard'] now")


@pytest.mark.parametrize("place", ["file", "file/below/it"])
def test_a_file_in_the_place_of_a_folder_is_reported(tmp_path, place):
    (tmp_path / "file").write_text("mine")
    message = f"^output='{tmp_path / place}': '{tmp_path / 'file'}' is not a folder; name a folder"
    with pytest.raises(ValueError, match=message):
        check_writable(tmp_path / place, "output")
    check_writable(tmp_path / "new/below/it", "output")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(ValueError, match="link' is not a folder"):
        check_writable(tmp_path / "link", "output")


def test_a_run_of_version_1_goes_on_as_it_began(tmp_path):
    new = RunConfig(dataset="emblems", model=ModelConfig(attribute_mean=(0.0,), attribute_standard_deviation=(1.0,)))
    old = new.to_dict()
    for values, names in ((old, ("version", "sharpness", "prior_steps")),
                          (old["model"], ("prior", "shared_observation_noise"))):
        for name in names:
            del values[name]
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    (folder.path / "config.json").write_text(json.dumps(old))
    # The same command as then.
    config = folder.check(new)
    assert config == folder.read_config()
    assert (config.version, config.sharpness, config.model.prior) == (1, 1.0, "standard")
    # What is asked for is not passed over.
    with pytest.raises(ConfigError, match=r"prior: 'standard' before, 'gaussian' now"):
        folder.check(dataclasses.replace(new, model=dataclasses.replace(new.model, prior="gaussian")))


def test_a_run_of_version_2_goes_on_as_it_began(tmp_path):
    new = RunConfig(dataset="emblems", model=ModelConfig(attribute_mean=(0.0,), attribute_standard_deviation=(1.0,)))
    old = new.to_dict() | {"version": 2, "sharpness": 0.5}
    del old["sharpening"]
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    (folder.path / "config.json").write_text(json.dumps(old))
    assert folder.check(dataclasses.replace(new, sharpness=0.5)) == folder.read_config()
    # Today's defaults are what a new command means: this version had them all.
    with pytest.raises(ConfigError, match=r"sharpness: 0.5 before, 1.5 now"):
        folder.check(new)


@pytest.mark.slow
def test_whatever_a_run_was_trained_in_it_draws_in_float32(tmp_path):
    folder, trained, same = RunFolder(tmp_path), make_model(precision="mixed_bfloat16"), make_model()
    folder.write(RunConfig(dataset="emblems", model=trained.config), AttributeSchema.measure(
        list("abc"), np.random.default_rng(0).normal(size=(5, 3))))
    average = WeightAverage([variable.value for variable in trained.variables], 0.999)
    tf.train.CheckpointManager(tf.train.Checkpoint(average=average), str(folder.checkpoints), 1).save(1)
    trained.prior.save(folder.prior, step=1)
    request = tf.zeros([2, 3]), tf.constant([[0, 0], [0, 1]])
    drawn, coarse = (folder.load_model(*precision).generate(*request)["images"]
                     for precision in ((), ("mixed_bfloat16",)))
    np.testing.assert_allclose(drawn, same.generate(*request)["images"], atol=1e-6)
    assert 0.0 < np.abs(coarse - drawn).max() < 0.5


def test_a_log_of_other_terms_goes_on(tmp_path):
    folder = RunFolder(tmp_path)
    folder.append_log({"epoch": 1, "step": 5, "gone": 0.5})
    folder.append_log({"epoch": 2, "step": 10, "new": 0.25})
    assert folder.read_log() == [{"epoch": "1", "step": "5", "new": "", "gone": "0.5"},
                                 {"epoch": "2", "step": "10", "new": "0.25", "gone": ""}]


def test_training_and_sharpening_do_not_go_on_with_each_other(tmp_path):
    model = ModelConfig(attribute_mean=(0.0,), attribute_standard_deviation=(1.0,))
    trained = RunConfig(dataset="emblems", model=model)
    tuning = SharpeningConfig(source="run", source_step=1, attribute_weight=0.0, change_weight=0.0)
    sharpened = dataclasses.replace(trained, sharpening=tuning)
    assert RunConfig.from_json(sharpened.to_json()) == sharpened
    folder = RunFolder(tmp_path)
    for here, other, main in ((trained, sharpened, "train"), (sharpened, trained, "sharpen")):
        (tmp_path / "config.json").write_text(here.to_json())
        assert folder.check(here) == here
        with pytest.raises(ConfigError, match=f"holds a run of trainers.{main}; continue it with that, or name a new "
                                              "folder"):
            folder.check(other)


def test_one_process_at_a_time_trains_into_a_folder(tmp_path, schema):
    config = make_config(schema)
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    first.lock()
    first.lock()
    with pytest.raises(ConfigError, match="run=.*: another process is training in this folder; wait until it ends, or "
                                          "name"):
        second.lock()
    # A folder that was only locked is as good as new, and whoever reads does not ask.
    assert second.check(config) == config
    first.write(config, schema)
    assert second.read_config() == config
    # As the system does when the process ends.
    first._lock.close()
    second.lock()
    second._lock.close()


def test_a_source_is_the_same_however_it_is_spelled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("run", "regressor", "other"):
        (tmp_path / name).mkdir()

    def sharpened(source, regressor):
        tuning = SharpeningConfig(source=source, source_step=1, regressor=regressor)
        return RunConfig(dataset="emblems", sharpening=tuning, model=ModelConfig(
            attribute_mean=(0.0,), attribute_standard_deviation=(1.0,)))

    folder = RunFolder(tmp_path / "sharp")
    folder.path.mkdir()
    (folder.path / "config.json").write_text(sharpened("run", "./regressor/").to_json())
    for spelled in (("run", "regressor"), (str(tmp_path / "run"), str(tmp_path / "regressor")),
                    ("other/../run", "run/../regressor")):
        assert folder.check(sharpened(*spelled)).sharpening.source == spelled[0]
    with pytest.raises(ConfigError, match="sharpening.source: 'run' before, 'other' now"):
        folder.check(sharpened("other", "regressor"))
    with pytest.raises(ConfigError, match="sharpening.regressor: './regressor/' before, 'other' now"):
        folder.check(sharpened("run", "other"))


def test_other_pictures_of_the_same_name_are_refused(tmp_path, schema):
    folder, config = RunFolder(tmp_path / "run"), make_config(schema, fingerprint="a")
    folder.write(config, schema)
    assert folder.check(config) == config
    with pytest.raises(ConfigError, match="dataset='cub:image': the run was trained on other pictures of this name"):
        folder.check(dataclasses.replace(config, fingerprint="b"))
    # A run of before goes on, and knows its pictures from then on.
    folder.write(dataclasses.replace(config, fingerprint=""), schema)
    assert folder.check(config).fingerprint == "a"


@pytest.mark.parametrize("content", [b"", b"PK", bytes(100), b"\x93NUMPY", b"pickle"])
def test_a_broken_prior_is_reported_with_what_mends_it(tmp_path, content):
    folder = RunFolder(tmp_path)
    folder.prior.write_bytes(content)
    with pytest.raises(ConfigError, match="prior.npz' cannot be read as a prior .*; fit it again with .*fit") as said:
        folder.load_prior()
    assert "\n" not in str(said.value)


@pytest.mark.slow
def test_weights_that_draw_nothing_finite_are_refused(tmp_path):
    folder, model = RunFolder(tmp_path), make_model("cvae")
    folder.write(RunConfig(dataset="emblems", model=model.config), AttributeSchema.measure(
        list("abc"), np.random.default_rng(0).normal(size=(5, 3))))
    average = WeightAverage([variable.value for variable in model.variables], 0.999)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(average=average), str(folder.checkpoints), 3)
    manager.save(1)
    model.prior.save(folder.prior, step=1)
    whole = folder.load_model()
    # Not one is infinite, and their products are.
    for number, factor in enumerate((np.nan, 1e30), start=2):
        for mean, variable in zip(average.averages, model.variables, strict=True):
            mean.assign(factor * variable)
        manager.save(number)
        for load in (folder.load_model, lambda: export_run(tmp_path, tmp_path / "models")):
            with pytest.raises(ConfigError, match=f"pictures of the model in .*ckpt-{number} are not finite; train"):
                load()
    assert not (tmp_path / "models").exists()
    # The last one is cut, and so is the one before: the first is whole.
    for number in (2, 3):
        next(folder.checkpoints.glob(f"ckpt-{number}.data*")).write_bytes(b"")
    assert folder.step() == 1
    for one, other in zip(folder.load_model().variables, whole.variables, strict=True):
        np.testing.assert_array_equal(one, other)
    for variable in model.prior.variables:
        variable.assign(np.nan * variable)
    model.prior.save(folder.prior, step=1)
    with pytest.raises(ConfigError, match="prior.npz' is not finite; fit it again"):
        folder.load_model()
    assert folder.load_model(prior=False).latent_size == whole.latent_size


@pytest.mark.parametrize(("text", "epochs"), [
    ("", []), ("epoch,st", []), ("epoch,step\n", []), ("epoch,step\r\n1,5\r\n2,1", ["1"]),
    ("epoch,step\n1,5\n2\n", ["1"]),
    ("\0\0\0\0", []), ("1,5\n2,10\n", []), ("epoch,step\n1,5\nx,y\n3,7,9\n2,10\n", ["1", "2"])])
def test_what_is_no_row_of_a_log_is_left_out_with_a_warning(tmp_path, caplog, text, epochs):
    folder = RunFolder(tmp_path)
    folder.log.write_bytes(text.encode())
    assert [row["epoch"] for row in folder.read_log()] == epochs
    assert f"log.csv is damaged; {len(epochs)} of its rows can be read" in caplog.text
    folder.append_log({"epoch": 3, "step": 15})
    assert [row["epoch"] for row in folder.read_log()] == [*epochs, "3"]
