"""Laws of files that will be written, and of paths that TensorFlow would misread."""

import pytest
import tensorflow as tf

from attr2image_tf import files
from attr2image_tf.client import connect
from attr2image_tf.data.folder.table import read_table
from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.evaluation.workspace import Workspace
from attr2image_tf.files import as_path, check_no_pattern, check_outputs, leftovers, shortened, write_text
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.publishing import export_run


def test_no_output_is_an_input_however_it_is_spelled(tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path)
    for spelled in (photo, tmp_path / "link" / "photo.png", tmp_path / "none" / ".." / "photo.png"):
        with pytest.raises(ValueError, match="the result of a would overwrite '.*photo.png', which is read"):
            check_outputs([("a", spelled)], [photo])
    check_outputs([("a", tmp_path / "other.png")], [photo])


def test_no_two_outputs_are_one(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="results of a and of b would both be written to '.*x.png'; rename one"):
        check_outputs([("a", tmp_path / "x.png"), ("b", tmp_path / "link" / "x.png")], [])
    check_outputs([("a", tmp_path / "x.png"), ("a", tmp_path / "x.png"), ("b", tmp_path / "y.png")], [])


@pytest.mark.parametrize("character", ["[", "]", "*", "?"])
def test_paths_that_are_patterns_are_refused_by_all_that_give_them_to_tensorflow(tmp_path, character):
    path = tmp_path / f"a{character}b"
    message = rf"a\{character}b': TensorFlow treats \{character} in a path as wildcards; rename the folder"
    for refuse in (lambda: check_no_pattern(path, "run"), lambda: connect(path), lambda: RunFolder(path),
                   lambda: export_run(path, tmp_path / "models"), lambda: export_run(tmp_path / "run", path)):
        with pytest.raises(ValueError, match=message):
            refuse()
    assert not path.exists()
    check_no_pattern(tmp_path / "a b {c} (d)", "run")


def test_what_is_refused_is_what_tensorflow_does_not_find(tmp_path):
    """When this fails TensorFlow has learned to read such paths, and they need not be refused any more."""
    folder = tmp_path / "a[1]b"
    tf.train.CheckpointManager(tf.train.Checkpoint(step=tf.Variable(1)), str(folder), 1).save()
    assert list(folder.glob("*.index")) and not tf.train.latest_checkpoint(str(folder))


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path("~/x") == tmp_path / "x" and as_path("x/~y") == as_path("x") / "~y"
    with pytest.raises(ValueError, match=f"models='{tmp_path}/models' has no generator"):
        connect("~/models")
    with pytest.raises(ValueError, match=f"'{tmp_path}/regressor' has no config.json"):
        attribute_regressor.load("~/regressor")
    with pytest.raises(ValueError, match=f"{tmp_path}/attributes.csv is missing"):
        read_table("~/attributes.csv")
    assert Workspace("~/evaluation", {}).path == tmp_path / "evaluation"


def test_a_home_folder_that_nobody_knows_is_refused():
    with pytest.raises(ValueError, match="^'~nosuch/x': this home folder is not known; write the path without ~"):
        as_path("~nosuch/x")


def test_a_lock_is_held_by_one_until_it_ends(tmp_path):
    path = tmp_path / "lock"
    with files.lock(path):
        assert files.lock(path) is None
    # What a process leaves that was killed.
    assert path.exists()
    with files.lock(path, wait=True) as held:
        assert held is not None


def test_a_file_takes_its_place_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "weights.tar.gz"
    with files.replacing(path) as beside:
        # Libraries go by the ending.
        assert beside.name.endswith(path.name) and not path.exists()
        beside.write_text("whole")
    assert path.read_text() == "whole" and list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_file_as_it_was_and_nothing_beside_it(tmp_path):
    files.write_text(tmp_path / "a.txt", "before")
    with pytest.raises(OSError, match="disk"), files.replacing(tmp_path / "a.txt") as beside:
        beside.write_text("ha")
        raise OSError("disk")
    assert (tmp_path / "a.txt").read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_takes_the_place_of_another_or_leaves_it(tmp_path):
    place = tmp_path / "set[1]"
    for content in "ab":
        (tmp_path / ".set[1]-killed").mkdir()
        with files.replacing_folder(place) as beside:
            (beside / content).write_text(content)
    with pytest.raises(ValueError, match="no"), files.replacing_folder(place) as beside:
        (beside / "c").write_text("c")
        raise ValueError("no")
    assert [path.name for path in place.iterdir()] == ["b"] and list(tmp_path.iterdir()) == [place]


def test_long_names_are_written_and_shortened_alike(tmp_path):
    name = "ü" * 125 + ".json"
    write_text(tmp_path / name, "{}")
    assert (tmp_path / name).read_text() == "{}" and not leftovers(tmp_path)
    long = ["a" * 300 + ending for ending in (".png", "b.png")]
    for each in long:
        short = shortened(each)
        assert len(short.encode()) <= 255 and short.endswith(".png") and short == shortened(each)
    assert shortened(long[0]) != shortened(long[1]) and shortened(name) == name
