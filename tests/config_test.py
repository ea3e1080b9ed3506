"""Laws of configurations: what is saved is what is read, and what cannot be is refused with its name."""

import dataclasses
import json
import typing

import pytest

from attr2image_tf.config import ConfigError, FittingConfig, ModelConfig, RunConfig, SharpeningConfig
from attr2image_tf.evaluation.config import RegressorConfig
from attr2image_tf.inference.latent_optimizer import OptimizerConfig

MODEL = {"attribute_mean": (0.0, 1.0), "attribute_standard_deviation": (1.0, 2.0)}


@pytest.fixture
def run():
    return RunConfig(dataset="emblems", epochs=3, flip=False, learning_rate=1.25e-3,
                     model=ModelConfig(model="cvae", image_size=32, precision="mixed_bfloat16", **MODEL))


def test_json_gives_back_an_equal_configuration(run):
    again = RunConfig.from_json(run.to_json())
    assert again == run and type(again.model) is ModelConfig
    assert hash(again) == hash(run)
    assert again != dataclasses.replace(run, epochs=4)


def test_unknown_keys_are_refused_at_every_depth(run):
    values = json.loads(run.to_json())
    with pytest.raises(ConfigError, match="RunConfig: unknown key epoch; known: .*epochs"):
        RunConfig.from_dict(values | {"epoch": 1})
    with pytest.raises(ConfigError, match="ModelConfig: unknown key latents"):
        RunConfig.from_dict(values | {"model": values["model"] | {"latents": 1}})


def test_lists_and_whole_numbers_become_what_is_declared():
    config = ModelConfig(attribute_mean=[0, 1], attribute_standard_deviation=[1, 2], width=1)
    assert config.attribute_mean == (0.0, 1.0) and type(config.attribute_mean[0]) is float
    assert type(config.width) is float
    assert config == ModelConfig(width=1.0, **MODEL)


@pytest.mark.parametrize(("name", "value"), [
    ("latent_size", 8.0), ("latent_size", "8"), ("latent_size", True), ("latent_size", None), ("width", "1"),
    ("width", False), ("model", 1), ("attribute_mean", 1.0), ("attribute_mean", "01"), ("attribute_mean", ("0", "1"))])
def test_wrong_types_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"ModelConfig.{name}=.*expected"):
        ModelConfig(**MODEL | {name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("model", "gan"), ("image_size", 48), ("image_size", 0), ("attribute_mean", ()),
    ("attribute_standard_deviation", (1.0,)), ("attribute_standard_deviation", (1.0, 0.0)), ("latent_size", 0),
    ("foreground_latent_size", -1), ("background_latent_size", 0), ("width", 0.0), ("width", float("nan")),
    ("dropout", 1.0), ("dropout", -0.1), ("observation_noise", "none"), ("observation_standard_deviation", 0.0),
    ("gate_weight", -1.0), ("kl_warmup_steps", -1), ("kl_warmup_steps", 2**31),
    ("precision", "float64"), ("seed", -1), ("seed", 2**31)])
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"{name}=.*expected"):
        ModelConfig(**MODEL | {name: value})


@pytest.mark.parametrize(("name", "value"), [
    ("epochs", 0), ("batch_size", 0), ("learning_rate", 0.0), ("learning_rate", float("nan")), ("l2", -1.0),
    ("clip_norm", -1.0), ("rotation", -0.1), ("average_decay", 1.0), ("flip", 1), ("model", {})])
def test_runs_out_of_range_are_refused_by_name(run, name, value):
    with pytest.raises(ConfigError, match=f"{name}=.*expected"):
        dataclasses.replace(run, **{name: value})


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan"), 1e39, 10**400])
def test_no_number_of_any_configuration_is_other_than_finite(run, value):
    tuning = SharpeningConfig(source="run", source_step=1, attribute_weight=0.0, change_weight=0.0)
    regressor = RegressorConfig(dataset="emblems", **MODEL)
    for config in (run, run.model, tuning, regressor, FittingConfig(), OptimizerConfig()):
        kinds = typing.get_type_hints(type(config))
        names = [name for name, kind in kinds.items() if kind in (float, tuple[float, ...])]
        assert names
        for name in names:
            given = (1.0, value) if kinds[name] is not float else value
            with pytest.raises(ConfigError, match=f"{name}=.*: expected a finite number"):
                dataclasses.replace(config, **{name: given})
    # JSON of Python knows NaN.
    with pytest.raises(ConfigError, match="l2=nan: expected a finite number"):
        RunConfig.from_json(run.to_json().replace('"l2": 0.004', '"l2": NaN'))


def test_a_change_is_as_large_as_it_says():
    tuning = SharpeningConfig(source="run", source_step=1, attribute_weight=0.0, change_weight=0.0)
    assert dataclasses.replace(tuning, largest_change=0.5).largest_change == 0.5
    with pytest.raises(ConfigError, match="largest_change=0.25: expected at least 0.5"):
        dataclasses.replace(tuning, largest_change=0.25)


def test_a_sharpened_run_of_version_4_asks_as_it_did(run):
    tuning = SharpeningConfig(source="run", source_step=1, attribute_weight=0.0, change_weight=0.0)
    new = dataclasses.replace(run, sharpening=tuning)
    assert new.sharpening.expected_attributes
    values = new.to_dict() | {"version": 4}
    del values["sharpening"]["expected_attributes"], values["fingerprint"]
    old = RunConfig.from_dict(values)
    assert not old.sharpening.expected_attributes
    # The same command as then, and the file of the run that went on.
    assert new.continuing(old) == old == RunConfig.from_json(old.to_json())


def test_configurations_are_frozen(run):
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.epochs = 5


def test_width_scales_channels_and_leaves_one():
    config = ModelConfig(width=0.0625, **MODEL)
    assert [config.channels(count) for count in (1024, 64, 3)] == [64, 4, 1]
    assert config.attribute_count == 2


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not JSON"), ("[]", "expected an object"), ('{"dataset": "lfw"}', "missing key model"),
    ('{"dataset": "lfw", "model": 3}', "ModelConfig: expected an object")])
def test_files_that_hold_no_configuration_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        RunConfig.from_json(text)


def test_a_run_of_version_1_keeps_what_it_was():
    model = ModelConfig(attribute_mean=(0.0,), attribute_standard_deviation=(1.0,)).to_dict()
    new = RunConfig(dataset="emblems", model=ModelConfig.from_dict(model)).to_dict()
    for key in ("shared_observation_noise", "prior"):
        del model[key]
    old = {key: value for key, value in new.items() if key not in ("version", "l2")} | {
        "weight_decay": 0.5, "model": model}
    read = RunConfig.from_dict(old)
    assert (read.version, read.l2, read.model.shared_observation_noise, read.model.prior) == (1, 0.5, True, "standard")
    # Written and read again it is the same run.
    assert RunConfig.from_json(read.to_json()) == read
    with pytest.raises(ConfigError, match="version=6: expected 1 to 5; a newer one needs a newer version"):
        RunConfig.from_dict(new | {"version": 6})


def test_names_of_before_are_read():
    now = RunConfig(dataset="emblems", model=ModelConfig(**MODEL), sharpness=0.5,
                    sharpening=SharpeningConfig("run", 3, "judge"))
    then = now.to_dict()
    then["fine_tuning"], then["sharpening"] = then["sharpening"], then.pop("sharpness")
    assert RunConfig.from_dict(then) == now
