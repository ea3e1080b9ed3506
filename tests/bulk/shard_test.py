"""Laws of bulk work without Beam: the client's answers, whatever the order, and whole shards or none."""

import csv
import errno
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import attr2image_tf
from attr2image_tf import bulk
from attr2image_tf.bulk.config import BulkConfig
from attr2image_tf.bulk.versions import fingerprint, load_models
from attr2image_tf.client import Client
from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.photos.reading import read
from attr2image_tf.photos.square import Square
from attr2image_tf.pixels import from_png, to_png
from tests.bulk import inputs
from tests.bulk.inputs import CONFIG, NAMES, contents, do, rows
from tests.evaluation import tiny
from tests.export import tiny_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models():
    return tiny_models.exported()


@pytest.fixture(scope="module")
def client(models):
    # Of the very models that the runs load: the first call of a signature takes long.
    return Client(load_models("edit", str(models), fingerprint("edit", models)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return inputs.write_pictures(tmp_path_factory.mktemp("photos") / "photos")


@pytest.fixture(scope="module")
def regressor(tmp_path_factory):
    path = tmp_path_factory.mktemp("regressor")
    tiny.write_regressor(path, tiny.make_dataset().schema)
    return path


def test_infer_attributes_is_the_clients_answer(models, client, folder, tmp_path):
    plan = do(BulkConfig(task="infer_attributes", shard_size=3, batch_size=1), models, [folder], tmp_path / "out")
    found = rows(plan)
    assert found["path"] == [str(folder / name) for name in NAMES]
    for row, picture in enumerate(inputs.pictures(folder)):
        expected = client.infer(picture)
        np.testing.assert_array_equal(np.float32(found["latents"][row]), expected.latents)
        np.testing.assert_array_equal(np.float32(found["attributes"][row]), expected.vector)
        assert np.float32(found["energy"][row]) == np.float32(expected.energy)
        np.testing.assert_array_equal(read(plan.output / found["picture"][row]), expected.reconstruction)
        small = Square.central(*picture.shape[:2]).cut(picture, 32)
        error = np.square(expected.reconstruction / 255.0 - small / 255.0).mean()
        assert found["reconstruction_error"][row] == pytest.approx(error, rel=1e-5)
        assert found["stopped"][row] in ("converged", "step limit reached", "no further descent", "diverged")


def test_infer_takes_the_attributes_of_a_list_or_of_a_request(models, client, folder, tmp_path):
    values = inputs.write_list(tmp_path / "list.csv", [str(folder / name) for name in NAMES])
    config = BulkConfig(task="infer", shard_size=3, batch_size=1, pictures="none")
    of_list = rows(do(config, models, [tmp_path / "list.csv"], tmp_path / "list"))
    np.testing.assert_array_equal(np.float32(of_list["attributes"]), values)
    request = BulkConfig(task="infer", shard_size=3, batch_size=1, pictures="none", attributes="Smiling=max")
    of_request = rows(do(request, models, [folder], tmp_path / "request"))
    for row, picture in enumerate(inputs.pictures(folder)):
        expected = client.infer(picture, {"Smiling": "max"})
        np.testing.assert_array_equal(np.float32(of_request["latents"][row]), expected.latents)
    assert "picture" not in of_list and not (tmp_path / "list" / "pictures").exists()
    assert (np.float32(of_list["latents"]) != np.float32(of_request["latents"])).any()


def test_edit_is_the_clients_answer(models, client, folder, tmp_path):
    config = BulkConfig(task="edit", set="Smiling=+2,Male=min", correlated=True, shard_size=4, batch_size=1)
    plan = do(config, models, [folder], tmp_path / "out")
    for row, picture in enumerate(inputs.pictures(folder)):
        expected = client.edit(picture, {"Smiling": "+2", "Male": "min"}, correlated=True)
        np.testing.assert_array_equal(read(plan.output / rows(plan)["picture"][row]), expected)


@pytest.mark.parametrize("seed", [3, None])
def test_complete_is_the_clients_answer(models, client, folder, tmp_path, seed):
    config = BulkConfig(task="complete", hide="10,5,22,20", seed=seed, shard_size=4, batch_size=1)
    plan = do(config, models, [folder], tmp_path / "out")
    for row, picture in enumerate(inputs.pictures(folder)):
        hidden = np.zeros(picture.shape[:2], bool)
        hidden[5:20, 10:22] = True
        np.testing.assert_array_equal(read(plan.output / rows(plan)["picture"][row]),
                                      client.complete(picture, hidden, seed=seed))


def test_models_that_come_with_the_package_are_known_by_name(tmp_path):
    (tmp_path / "requests.csv").write_text("request,seed\nStar=max,3\n")
    plan = do(BulkConfig(task="generate", shard_size=1, batch_size=1), "pretrained:emblems-32",
              [tmp_path / "requests.csv"], tmp_path / "out")
    expected = attr2image_tf.load("pretrained:emblems-32").generate({"Star": "max"}, seed=3)
    np.testing.assert_array_equal(read(plan.output / rows(plan)["picture"][0]), expected[0])


def test_generate_is_the_clients_answer(models, client, tmp_path):
    asked = [("Smiling=+2,Male=min", 7, 3), ("", 8, 1)]
    with open(tmp_path / "requests.csv", "w", newline="") as file:
        csv.writer(file).writerows([("request", "seed", "count"), *asked])
    plan = do(BulkConfig(task="generate", shard_size=2, batch_size=4), models, [tmp_path / "requests.csv"],
              tmp_path / "out")
    found = rows(plan)
    expected = [picture for request, seed, count in asked
                for picture in client.generate(client.schema.parse(request), seed=seed, count=count)]
    assert found["number"] == [0, 1, 2, 0] and found["seed"] == [7, 7, 7, 8]
    for name, picture in zip(found["picture"], expected, strict=True):
        np.testing.assert_allclose(read(plan.output / name).astype(int), picture, atol=1)
    single = do(BulkConfig(task="generate", shard_size=2, batch_size=1), models, [tmp_path / "requests.csv"],
                tmp_path / "single")
    np.testing.assert_array_equal(read(single.output / found["picture"][3]), expected[3])


def test_encode_is_the_signatures_answer(models, client, folder, tmp_path):
    values = inputs.write_list(tmp_path / "list.csv", [str(folder / name) for name in NAMES])
    found = rows(do(BulkConfig(task="encode", shard_size=4, batch_size=1), models, [tmp_path / "list.csv"],
                    tmp_path / "out"))
    for row, picture in enumerate(inputs.pictures(folder)):
        small = Square.central(*picture.shape[:2]).cut(picture, 32)
        expected = client.models.call("generator", "encode", images=small[None] / np.float32(255),
                                      masks=np.ones((1, 32, 32, 1), np.float32), attributes=values[row][None])
        np.testing.assert_array_equal(np.float32(found["latents"][row]), expected["latents_mean"][0])
        np.testing.assert_array_equal(np.float32(found["latents_log_variance"][row]),
                                      expected["latents_log_variance"][0])


def test_score_is_the_regressors_answer(regressor, folder, tmp_path):
    found = rows(do(BulkConfig(task="score", shard_size=4, batch_size=1), regressor, [folder], tmp_path / "out"))
    scorer = attribute_regressor.load(regressor)
    for row, picture in enumerate(inputs.pictures(folder)):
        small = Square.central(*picture.shape[:2]).cut(picture, 32)
        np.testing.assert_array_equal(np.float32(found["attributes"][row]), scorer(small[None])[0][0])


def test_the_order_of_shards_does_not_matter(models, folder, tmp_path):
    config = BulkConfig(task="edit", set="Smiling=+2", pictures="shards", **CONFIG)
    one, other = (do(config, models, [folder], tmp_path / name, order) for name, order in
                  (("one", list), ("other", lambda numbers: [*reversed(numbers), numbers[0]])))
    assert contents(one.output) == contents(other.output) and len(one.missing()) == 0
    with tarfile.open(one.output / "pictures" / "00000-of-00003.tar") as archive:
        assert archive.getnames() == ["a/one.png", "a/two.png", "b.png"]
        assert from_png(archive.extractfile("b.png").read()).shape == (32, 32, 3)


def test_a_shard_is_there_whole_or_not_at_all(models, folder, tmp_path):
    config = BulkConfig(task="infer_attributes", **CONFIG)
    whole = do(config, models, [folder], tmp_path / "whole")
    plan = bulk.begin(config, models, [str(folder)], tmp_path / "out")

    def interrupt(done):
        raise KeyboardInterrupt

    for number in plan.missing():
        with pytest.raises(KeyboardInterrupt):
            bulk.do_shard(plan.output, number, progress=interrupt)
        assert plan.missing()[0] == number
        bulk.do_shard(plan.output, number)
    plan.finish(["test"])
    assert contents(plan.output) == contents(whole.output)
    manifest = json.loads((plan.output / "manifest.json").read_text())
    assert (manifest["inputs"], manifest["done"], manifest["unreadable"], manifest["shards"]) == (7, 7, 0, 3)
    assert manifest["models"]["generator"]["version"] == "1" and manifest["command"] == ["test"]


def test_a_folder_that_is_the_users_too_keeps_what_is_theirs(regressor, folder, tmp_path):
    output, config = tmp_path / "out", BulkConfig(task="score", **CONFIG)
    (output / ".Trash-1000").mkdir(parents=True)
    theirs = (output / ".pre-commit-config.yaml", output / ".abcdefgh-notes.json", output / ".Trash-1000" / "a-b.png")
    for path in theirs:
        path.write_text("mine")
    plan = bulk.begin(config, regressor, [str(folder)], output)
    (output / "shards").mkdir()
    ours = (output / ".abcdefgh-plan.json", output / "shards" / ".tmp_abc0-00000-of-00003.parquet")
    for path in ours:
        path.write_bytes(b"half")
    with plan.alone():
        assert all(path.exists() for path in theirs) and not any(path.exists() for path in ours)
        ours[1].write_bytes(b"being written")
        with pytest.raises(ValueError, match="another process is working there"), bulk.begin(
                config, regressor, [str(folder)], output).alone():
            raise AssertionError("begun twice")
        assert ours[1].exists()


def test_what_cannot_be_read_is_named_and_counted(regressor, folder, tmp_path):
    photos = inputs.write_pictures(tmp_path / "photos", [f"{number:02}.png" for number in range(12)])
    for name in ("03.png", "05.png", "11.png"):
        (photos / name).write_bytes((photos / name).read_bytes()[:200])
    config = BulkConfig(task="score", shard_size=4, batch_size=2)
    plan = do(config, regressor, [photos], tmp_path / "out")
    found = rows(plan)["path"]
    listed = [row for path in sorted((plan.output / "unreadable").iterdir())
              for row in csv.reader(path.read_text().splitlines())]
    failed = [row for row in listed if row != ["path", "reason"]]
    assert [row[0] for row in failed] == [str(photos / name) for name in ("03.png", "05.png", "11.png")]
    assert all("cannot be read as a picture" in row[1] for row in failed)
    assert sorted(found + [row[0] for row in failed]) == [str(photos / f"{number:02}.png") for number in range(12)]
    (photos / "06.png").write_bytes(b"")
    with pytest.raises(ValueError, match="4 of 12 pictures cannot be used, more than 2%; the first: .*03.png"):
        do(config, regressor, [photos], tmp_path / "more")


def test_records_of_a_prepared_set_bring_masks_and_attributes(models, client, tmp_path):
    generator = np.random.default_rng(2)
    pictures = generator.integers(0, 256, (5, 32, 32, 3), np.uint8)
    masks = generator.integers(0, 256, (5, 32, 32), np.uint8)
    values = generator.random((5, 3)).astype(np.float32)
    place = tmp_path / "set"
    place.mkdir()
    (place / "dataset_info.json").write_text("{}")
    with tf.io.TFRecordWriter(str(place / "set-train.tfrecord-00000-of-00001")) as writer:
        for picture, mask, vector, name in zip(pictures, masks, values, "edcba", strict=True):
            def of_bytes(value):
                return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
            writer.write(tf.train.Example(features=tf.train.Features(feature={
                "image": of_bytes(to_png(picture)), "mask": of_bytes(to_png(mask)), "name": of_bytes(name.encode()),
                "attributes": tf.train.Feature(float_list=tf.train.FloatList(value=vector))})).SerializeToString())
    found = rows(do(BulkConfig(task="encode", shard_size=2, batch_size=1), models, [place], tmp_path / "out"))
    assert [path.rsplit(":", 1)[1] for path in found["path"]] == list("abcde")
    expected = [client.models.call("generator", "encode", images=picture[None] / np.float32(255),
                                   attributes=vector[None], masks=mask[None, ..., None] / np.float32(255)
                                   )["latents_mean"][0]
                for picture, mask, vector in zip(pictures, masks, values, strict=True)]
    np.testing.assert_array_equal(np.float32(found["latents"]), expected[::-1])


def test_results_are_inputs(models, folder, tmp_path):
    first = do(BulkConfig(task="infer_attributes", **CONFIG), models, [folder], tmp_path / "first")
    second = do(BulkConfig(task="infer", **CONFIG), models, [tmp_path / "first" / "shards" / "*.parquet"],
                tmp_path / "second")
    assert rows(second)["attributes"] == rows(first)["attributes"]
    assert rows(second)["path"] == rows(first)["path"]


@pytest.mark.parametrize("change", ["task", "models", "inputs", "square"])
def test_another_run_over_a_folder_is_refused(models, regressor, folder, tmp_path, change):
    config = BulkConfig(task="score", **CONFIG)
    do(config, regressor, [folder], tmp_path / "out")
    before = contents(tmp_path / "out")
    inputs_of, others = [str(folder)], regressor
    if change == "task":
        config, others = BulkConfig(task="infer_attributes", **CONFIG), models
    elif change == "square":
        config = BulkConfig(task="score", square=(0, 0, 16), **CONFIG)
    elif change == "models":
        others = tmp_path / "regressor"
        tiny.write_regressor(others, tiny.make_dataset().schema, seed=5)
    else:
        inputs_of.append(str(inputs.write_pictures(tmp_path / "more", ["new.png"])))
    with pytest.raises(ValueError, match=r"was begun with (other|task=|square=).*; name another --output, or delete"):
        bulk.begin(config, others, inputs_of, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_models_that_change_or_go_meanwhile_are_reported(regressor, folder, tmp_path):
    others = tmp_path / "regressor"
    tiny.write_regressor(others, tiny.make_dataset().schema, seed=6)
    plan = bulk.begin(BulkConfig(task="score", **CONFIG), others, [str(folder)], tmp_path / "out")
    tiny.write_regressor(others, tiny.make_dataset().schema, seed=7)
    with pytest.raises(ValueError, match="the files of regressor have changed since the run began"):
        bulk.do_shard(plan.output, 0)
    (others / "regressor.weights.h5").unlink()
    with pytest.raises(ValueError, match="has no regressor.weights.h5; expected the folder of a finished"):
        bulk.do_shard(plan.output, 0)
    assert len(plan.missing()) == plan.shards


def test_a_full_disk_is_reported_and_leaves_no_half_shard(regressor, folder, tmp_path, monkeypatch):
    plan = bulk.begin(BulkConfig(task="score", **CONFIG), regressor, [str(folder)], tmp_path / "out")

    def full(table, path):
        pathlib.Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full)
        with pytest.raises(ValueError, match="No space left on the disk while writing .*out; free some, or .*--output"):
            bulk.do_shard(plan.output, 0)
    assert not list((plan.output / "shards").iterdir()) and 0 in plan.missing()


def test_without_beam_one_sentence_says_what_to_install(tmp_path):
    code = ("import runpy, sys; sys.modules['apache_beam'] = None; "
            "sys.argv[1:] = ['--input=photos', '--output=out']; runpy.run_module('trainers.bulk', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, timeout=300,
                          env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == ("error: bulk work needs Apache Beam, which is not installed here; pip "
                                            'install ".[bulk]" brings it.')


@pytest.mark.parametrize(("settings", "message"), [
    ({"task": "edit"}, "set=None: expected a request"), ({"task": "infer", "set": "A=1"}, "belongs to --task=edit"),
    ({"task": "complete"}, "hide=None: expected left,top"), ({"task": "score", "seed": 1}, "seed=1: expected nothing"),
    ({"task": "complete", "hide": "5,5,2,2"}, "expected left < right"),
    ({"task": "paint"}, "task='paint': expected one of"),
    ({"square": (1, 2)}, "square=.*left,top,side"), ({"shard_size": 0}, "shard_size=0: expected at least 1"),
    ({"task": "score", "attributes": "Male=1"}, "attributes='Male=1': expected nothing")])
def test_what_makes_no_sense_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BulkConfig(**settings)


def test_refusals_name_the_input_before_any_work(models, folder, tmp_path):
    def refused(message, inputs_of, output=tmp_path / "out", **settings):
        with pytest.raises(ValueError, match=message):
            bulk.begin(BulkConfig(**{"task": "infer_attributes"} | settings), models, [str(each) for each in inputs_of],
                       output)
        assert not (tmp_path / "out").exists()

    refused("input='nowhere' does not exist; expected a folder", ["nowhere"])
    refused("no picture there", [tmp_path])
    refused("is listed twice; list it once", [folder, folder])
    copy = inputs.write_pictures(tmp_path / "copy", ["d.jpg"])
    refused("would both be called 'd'; rename", [folder, copy])
    refused("task=infer needs the attributes of the pictures", [folder], task="infer")
    refused("batch_size=65: infer_attributes takes at most 64", [folder], batch_size=65)
    refused("unknown attribute 'Smilng'. Did you mean", [folder], task="edit", set="Smilng=1")
    refused("all workers can reach, not an address", [folder], "gs://bucket/out")
    refused("holds other files, such as 'd.jpg'", [folder], copy)
    inputs.write_list(tmp_path / "list.csv", ["x.png"])
    refused("1 of 8 pictures come with attributes and the others", [folder, tmp_path / "list.csv"], task="edit",
            set="Male=1")
    pq.write_table(pa.table({"path": ["x.png"], "attributes": [[1.0, 2.0]]}), tmp_path / "list.parquet")
    refused("'x.png': expected 3 finite numbers as attributes", [tmp_path / "list.parquet"], task="infer")
    (tmp_path / "requests.csv").write_text("request,seed\nMale=+1,-3\n")
    refused("requests.csv, line 2: seed='-3': expected a whole number from 0", [tmp_path / "requests.csv"],
            task="generate")
    (tmp_path / "requests.csv").write_text("request,seed\nMan=+1,3\n")
    refused("requests.csv, line 2: unknown attribute 'Man'", [tmp_path / "requests.csv"], task="generate")
    (tmp_path / "requests.csv").write_text("request,sed\n")
    refused("line 1: expected the columns request and seed", [tmp_path / "requests.csv"], task="generate")
    (tmp_path / "a.tfrecord").write_bytes(b"no record at all, but long enough for one")
    refused("is not a whole TFRecord file", [tmp_path / "a.tfrecord"])
