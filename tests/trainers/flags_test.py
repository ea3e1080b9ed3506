"""A flag a field: what a configuration says is what the command line takes."""

import dataclasses
import json
import pathlib
import types

import pytest
from absl import flags as absl_flags
from google.protobuf import json_format

from attr2image_tf.config import Config, ConfigError, choice
from attr2image_tf.data.schema import AttributeSchema
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
absl_flags.DEFINE_float("kitchen_warmth", 1.0, "A number.")


@pytest.fixture
def parse():
    def parsed(*arguments, check=False):
        before = {name: (flag.value, flag.present) for name, flag in absl_flags.FLAGS._flags().items()}
        try:
            absl_flags.FLAGS(["test", *arguments])
            if check:
                flags._check_values(absl_flags.FLAGS)
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


def test_flag_files_are_read_as_they_are_meant(tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("--d='~/\u00fc b'\n", encoding="utf-8")
    outer.write_text("# a comment\n//another\n\n  --a=\"x\" \r\n--b='y z'\n--c=\"size, in cm\"=+1\n--noe\n"
                     f"--flagfile={inner}\n", encoding="utf-8-sig")
    expected = ["--a=x", "--b=y z", '--c="size, in cm"=+1', "--noe", "--d=~/\u00fc b"]
    for given in ([f"--flagfile={outer}"], ["-flagfile", str(outer)]):
        assert flags.expand_flag_files(["--first", *given, '--last="x"']) == ["--first", *expected, '--last="x"']
    assert flags.expand_flag_files(["--", f"--flagfile={outer}"]) == ["--", f"--flagfile={outer}"]
    assert flags.expand_flag_files(["--flagfile="]) == []


@pytest.mark.parametrize(("encoding", "message"), [
    ("latin-1", "is no text in UTF-8; save it as that"), ("utf-16", "is no text in UTF-8"),
    ("utf-16-le", "is no text in UTF-8"), ("utf-32", "is no text in UTF-8"), (None, "cannot be read: No such file")])
def test_flag_files_that_cannot_be_read_are_refused(tmp_path, encoding, message):
    path = tmp_path / "a.flags"
    if encoding:
        path.write_text("--run=f\u00fcr\n", encoding=encoding)
    with pytest.raises(ValueError, match=f"^--flagfile='{path}' {message}"):
        flags.expand_flag_files([f"--flagfile={path}"])


def test_a_flag_file_that_reads_itself_is_refused(tmp_path):
    path = tmp_path / "a.flags"
    path.write_text(f"--flagfile={path}\n")
    with pytest.raises(ValueError, match="reads itself"):
        flags.expand_flag_files([f"--flagfile={path}"])


@pytest.mark.parametrize(("given", "message"), [
    ("--kitchen_warmth=nan", "kitchen_warmth=nan: expected a finite number"),
    ("--kitchen_warmth=-inf", "kitchen_warmth=-inf: expected a finite number"),
    ("--kitchen_door=~nosuch/x", "kitchen_door='~nosuch/x': this home folder is not known"),
    ("--kitchen_doors=a,~nosuch/x", "kitchen_doors='~nosuch/x': this home folder is not known")])
def test_what_no_flag_can_be_is_refused_before_the_main_begins(parse, given, message):
    with pytest.raises(ValueError, match=message):
        parse(given, check=True)
    parse("--kitchen_warmth=2", "--kitchen_door=x", check=True)


@pytest.mark.parametrize("error", [KeyError("schema"), json.JSONDecodeError("Expecting value", "", 0),
                                   json_format.ParseError("line 1")])
def test_a_prepared_set_that_is_damaged_is_named(monkeypatch, error):
    def load(*_, **__):
        raise error

    monkeypatch.setattr(flags.data, "load", load)
    values = types.SimpleNamespace(dataset="folder:prepared/shoes", image_size=32, data_dir=None, prepared_dir=None)
    with pytest.raises(ValueError, match="data set 'folder:prepared/shoes' cannot be opened, .* again") as said:
        flags.load_dataset(values)
    assert "\n" not in str(said.value)


def test_answers_that_no_picture_has_together_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(flags.logging, "warning", lambda text, *values: told.append(text % values))
    schema = AttributeSchema.measure(["Bald", "Bangs"], [[1, 0], [0, 1], [0, 0], [0, 0]])
    flags.warn_of_unseen(schema, "Bald=yes,Bangs=no")
    assert told == []
    flags.warn_of_unseen(schema, "Bald=yes,Bangs=max")
    assert told == ["No training picture has both Bald=yes and Bangs=yes; what is drawn for them is made up."]
