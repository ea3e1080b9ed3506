"""Files and folders are there complete or not at all."""

import pytest

from attr2image_tf import files


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


def test_the_home_folder_is_meant_by_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.as_path("~/runs") == tmp_path / "runs" and str(files.as_path("runs/~")) == "runs/~"
