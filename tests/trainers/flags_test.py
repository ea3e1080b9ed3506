"""A flag a field: what a configuration says is what the command line takes."""

import dataclasses
import pathlib

import pytest
from absl import flags as absl_flags

from attr2image_tf.config import Config, ConfigError, choice
from trainers import flags


@dataclasses.dataclass(frozen=True)
class Kitchen(Config):
    """A toy.

    Attributes:
        kitchen_place: where it is; it has no
            default.
        kitchen_cooks: how many cooks there
            are, at least 1.
        kitchen_heat: one of two.
        kitchen_open: whether it is open.
        kitchen_sizes: of the pots.
    """

    kitchen_place: str
    kitchen_cooks: int = 2
    kitchen_heat: str = choice("low", ("low", "high"))
    kitchen_open: bool = True
    kitchen_sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self):
        super().__post_init__()
        self.require(self.kitchen_cooks >= 1, "kitchen_cooks", "at least 1")


flags.define_config(Kitchen)
flags.define_path("kitchen_door", None, "A path.")
flags.define_path_list("kitchen_doors", "Paths.")


@pytest.fixture
def parse():
    def parsed(*arguments):
        before = {name: (flag.value, flag.present) for name, flag in absl_flags.FLAGS._flags().items()}
        try:
            absl_flags.FLAGS(["test", *arguments])
            return flags.config_from_flags(Kitchen, absl_flags.FLAGS, kitchen_place="home"), {
                name: absl_flags.FLAGS[name].value for name in ("kitchen_door", "kitchen_doors")}
        finally:
            for name, (value, present) in before.items():
                absl_flags.FLAGS[name].value, absl_flags.FLAGS[name].present = value, present

    return parsed


def test_flags_have_the_defaults_of_the_fields(parse):
    assert parse()[0] == Kitchen("home")


def test_flags_are_of_the_fields_types(parse):
    config, _ = parse("--kitchen_cooks=5", "--kitchen_heat=high", "--nokitchen_open", "--kitchen_sizes=3,4,5")
    assert config == Kitchen("home", 5, "high", False, (3, 4, 5))


def test_the_help_is_the_fields_documentation():
    assert absl_flags.FLAGS["kitchen_cooks"].help == "How many cooks there are, at least 1."
    assert "kitchen_place" not in absl_flags.FLAGS


def test_unknown_choices_and_values_out_of_range_are_refused(parse):
    with pytest.raises(absl_flags.IllegalFlagValueError, match="low|high"):
        parse("--kitchen_heat=middle")
    with pytest.raises(ConfigError, match="kitchen_cooks=0: expected at least 1"):
        parse("--kitchen_cooks=0")
    with pytest.raises(ConfigError, match="kitchen_heat='middle': expected one of low, high"):
        Kitchen("home", kitchen_heat="middle")


def test_paths_know_the_home_folder(parse, monkeypatch):
    monkeypatch.setenv("HOME", "/home/cook")
    _, paths = parse("--kitchen_door=~/door", "--kitchen_doors=~/a,b/~c")
    assert paths == {"kitchen_door": str(pathlib.Path("/home/cook/door")), "kitchen_doors": ["/home/cook/a", "b/~c"]}
