"""Laws of what an evaluation has written: nothing finished is computed again, nothing half-written is read."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.evaluation import pictures
from attr2image_tf.evaluation.context import estimate, evenly_spaced
from attr2image_tf.evaluation.workspace import Workspace


def test_rows_are_computed_once_and_go_on_after_a_kill(tmp_path):
    done = []

    def compute(rows):
        if rows.start == 4 and len(done) < 3:
            done.append("killed")
            raise KeyboardInterrupt
        done.append(rows.start)
        places = np.arange(rows.start, rows.stop)
        return {"squares": places**2, "texts": places.astype(str)}

    with pytest.raises(KeyboardInterrupt):
        Workspace(tmp_path, {}).rows("work", 7, 2, compute)
    (tmp_path / "partial" / ".work-000004.npz.new").write_bytes(b"half")
    rows = Workspace(tmp_path, {}).rows("work", 7, 2, compute)
    np.testing.assert_array_equal(rows["squares"], np.arange(7) ** 2)
    assert list(rows["texts"]) == list("0123456")
    assert done == [0, 2, "killed", 4, 6]


def test_what_is_written_is_read_again(tmp_path):
    workspace = Workspace(tmp_path, {"command": "evaluate", "seed": 3})
    assert workspace.read("work") is None and workspace.examples("work") == {} and workspace.pictures("work") == {}
    values, people = [1.0, np.nan, 2.0], ["a", "b", "a"]
    picture = np.arange(300, dtype=np.uint8).reshape(10, 10, 3)
    workspace.write("work", {"all": {"error": estimate(values, people)}}, {"a sheet": picture}, 1.0)

    again = Workspace(tmp_path, {})
    assert again.read("work") == {"all": {"error": {"value": 1.5, "low": 1.5, "high": 1.5, "n": 2}}}
    np.testing.assert_array_equal(again.examples("work")["all/error"]["values"], values)
    np.testing.assert_array_equal(again.examples("work")["all/error"]["people"], people)
    assert again.pictures("work")["a sheet"].read_bytes()[:4] == b"\x89PNG"
    record = json.loads((tmp_path / "work.json").read_text())
    assert record["command"] == "evaluate" and record["seed"] == 3 and record["experiment"] == "work"


def test_pictures_of_one_person_belong_together_where_people_are_known():
    dataset = open_emblems(image_size=16, train=2, validation=1, test=2)
    names = [b"Aaron_Eckhart_0001", b"Abdel_Nasser_Assidi_0002"]

    def examples(split):
        return tf.data.Dataset.zip(dataset.examples(split), tf.data.Dataset.from_tensor_slices(names)).map(
            lambda example, name: example | {"name": name})

    faces = dataclasses.replace(dataset, name="lfw", examples=examples)
    assert list(pictures.read(faces, "test").people) == ["Aaron_Eckhart", "Abdel_Nasser_Assidi"]


def test_pictures_are_evenly_spaced_over_the_split_and_keep_their_order():
    dataset = open_emblems(image_size=16, train=2, validation=1, test=11)
    every, some = pictures.read(dataset, "test"), pictures.read(dataset, "test", 3)
    assert len(every) == 11 and len(pictures.read(dataset, "test", 50)) == 11
    np.testing.assert_array_equal(some.images, every[[0, 5, 10]].images)
    assert list(some.names) == list(every.names[[0, 5, 10]])
    assert list(every.people) == list(every.names)  # scenes are independent of each other
    assert list(evenly_spaced(11, 3)) == [0, 5, 10] and list(evenly_spaced(2, 9)) == [0, 1]
