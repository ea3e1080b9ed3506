"""Models that come with the package: what unpacks, what is refused, and that a wheel has them."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from tensorflow.core.protobuf import saved_model_pb2

import attr2image_tf
from attr2image_tf import pretrained
from attr2image_tf.client import connect
from attr2image_tf.signatures.serving import MODELS, read_warmup
from export.packing import pack

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A shelf of models of its own, with a tiny one that is no model, and an empty cache."""
    (tmp_path / "files" / "generator" / "1").mkdir(parents=True)
    (tmp_path / "files" / "generator" / "1" / "saved_model.pb").write_bytes(b"a graph")
    monkeypatch.setenv("ATTR2IMAGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pretrained, "_HERE", tmp_path)
    monkeypatch.setattr(pretrained, "SUMS", tmp_path / "sums.json")
    pack(tmp_path / "files", pretrained.archive("tiny"))
    pretrained.SUMS.write_text(json.dumps({"tiny": pretrained.sum_of(pretrained.archive("tiny"))}))
    return tmp_path


def test_warm_up_records_of_their_own_are_unpacked_beside_the_model(shelf):
    before, records = pretrained.path("tiny"), shelf / "records" / "generator" / "1" / "assets.extra"
    records.mkdir(parents=True)
    (records / "tf_serving_warmup_requests").write_bytes(b"requests")
    part = "tiny" + pretrained.WARMUP
    pack(shelf / "records", pretrained.archive(part))
    pretrained.SUMS.write_text(json.dumps(json.loads(pretrained.SUMS.read_text()) | {
        part: pretrained.sum_of(pretrained.archive(part))}))
    # A model that was unpacked without them stays as it is.
    folder = pretrained.path("tiny")
    assert folder != before and pretrained.names() == ["tiny"]
    assert (folder / "generator" / "1" / "assets.extra" / "tf_serving_warmup_requests").read_bytes() == b"requests"
    assert (folder / "generator" / "1" / "saved_model.pb").read_bytes() == b"a graph"


def test_a_model_without_detail_lies_in_the_archive_of_the_one_with(shelf, monkeypatch):
    monkeypatch.setattr(pretrained, "PLAIN", {"bare": "tiny", "other": "gone"})
    assert pretrained.names() == ["bare", "tiny"]
    assert pretrained.path("pretrained:bare") == pretrained.path("tiny") / "bare"


def test_a_model_is_unpacked_once(shelf):
    folder = pretrained.path("tiny")
    assert (folder / "generator" / "1" / "saved_model.pb").read_bytes() == b"a graph"
    assert folder.parent == shelf / "cache" and pretrained.path("pretrained:tiny") == folder
    pretrained.archive("tiny").unlink()
    assert pretrained.path("tiny") == folder and list((shelf / "cache").iterdir()) == [folder]


@pytest.mark.parametrize("damage", ["cut", "changed", "lost", "unreadable sums", "older version"])
def test_an_unpacked_model_that_is_damaged_is_unpacked_anew(shelf, damage):
    folder = pretrained.path("tiny")
    graph, sums = folder / "generator" / "1" / "saved_model.pb", folder / ".sums.json"
    {"cut": lambda: graph.write_bytes(b"a g"), "changed": lambda: graph.write_bytes(b"a grapH"), "lost": graph.unlink,
     "unreadable sums": lambda: sums.write_text("{"), "older version": sums.unlink}[damage]()
    (folder / "stray").touch()
    assert pretrained.path("tiny") == folder and graph.read_bytes() == b"a graph" and not (folder / "stray").exists()
    assert list((shelf / "cache").iterdir()) == [folder]
    (folder / "stray").touch()
    pretrained.path("tiny")
    assert (folder / "stray").exists()  # what is whole is left alone


def test_without_a_place_for_unpacked_models_a_sentence_names_the_variable(shelf, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATTR2IMAGE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ValueError, match="nothing can be written to '.*cache'.* in ATTR2IMAGE_CACHE"):
        pretrained.path("tiny")
    for name in ("ATTR2IMAGE_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)

    def unknown(self):
        raise RuntimeError("Could not determine home directory.")
    monkeypatch.setattr(pretrained.pathlib.Path, "expanduser", unknown)
    with pytest.raises(ValueError, match="no home folder for unpacked models.* in ATTR2IMAGE_CACHE"):
        pretrained.path("tiny")


def test_what_is_packed_is_a_function_of_the_files(shelf):
    os.utime(shelf / "files" / "generator", (1, 1))
    pack(shelf / "files", shelf / "again.tar.xz")
    assert (shelf / "again.tar.xz").read_bytes() == pretrained.archive("tiny").read_bytes()


def test_what_is_damaged_or_unknown_gets_one_sentence(shelf):
    with open(pretrained.archive("tiny"), "ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="not the published file.*Install the package again"):
        pretrained.path("tiny")
    assert not (shelf / "cache").exists()
    with pytest.raises(ValueError, match="pretrained:faces: there is no such model; expected one of pretrained:tiny"):
        connect("pretrained:faces")


def test_those_of_the_package_are_whole_small_and_have_cards():
    assert "emblems-32" in pretrained.names()
    sums = json.loads(pretrained.SUMS.read_text())
    for part, expected in sums.items():
        assert pretrained.sum_of(pretrained.archive(part)) == expected
    for name in pretrained.names():
        assert pretrained.card(name).startswith(f"# {name}\n")
    assert sum(pretrained.archive(part).stat().st_size for part in sums) < 24 * 2**20


def test_those_of_the_package_have_a_warm_up_record_for_each_signature():
    pytest.importorskip("tensorflow_serving")
    for name in pretrained.names():
        for model in MODELS:
            version = pretrained.path(name) / model / "1"
            graph = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes()).meta_graphs[0]
            recorded = {signature for signature, _ in read_warmup(version)}
            assert recorded == {signature for signature in graph.signature_def if not signature.startswith("__")}


@pytest.mark.nightly
def test_a_wheel_draws(tmp_path):
    # Of a copy, since a build leaves files beside its sources.
    for part in ("attr2image_tf", "trainers", "export"):
        shutil.copytree(os.path.join(ROOT, part), tmp_path / "sources" / part)
    for part in ("setup.py", "README.md"):
        shutil.copy(os.path.join(ROOT, part), tmp_path / "sources")
    subprocess.run([sys.executable, "-m", "pip", "wheel", tmp_path / "sources", "--no-deps",
                    "--no-build-isolation", "--quiet", f"--wheel-dir={tmp_path}"], check=True)
    with zipfile.ZipFile(*tmp_path.glob("*.whl")) as wheel:
        wheel.extractall(tmp_path / "installed")
    code = ("import attr2image_tf, numpy as np; client = attr2image_tf.load('pretrained:emblems-32'); "
            "np.save('drawn.npy', client.generate({'Star': 'max'}, count=2, seed=3)); print(attr2image_tf.__file__)")
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True,
                           env=os.environ | {"PYTHONPATH": str(tmp_path / "installed"),
                                             "ATTR2IMAGE_CACHE": str(tmp_path / "cache")})
    assert str(tmp_path / "installed") in found.stdout
    drawn = np.load(tmp_path / "drawn.npy")
    assert drawn.shape == (2, 32, 32, 3) and drawn.std() > 10
    # The same model and seed, here.
    np.testing.assert_array_equal(drawn, attr2image_tf.load("pretrained:emblems-32").generate(
        {"Star": "max"}, count=2, seed=3))
