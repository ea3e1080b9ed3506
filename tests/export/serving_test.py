"""Laws of what a server gets: warm-up records, checks from the outside, and the C++ loader of TF Serving."""

import functools
import pathlib
import re
import shutil
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2, named_tensor_pb2
from tensorflow_serving.config import model_server_config_pb2

from attr2image_tf.signatures import serving
from attr2image_tf.signatures.publishing import publish, remove_old_versions
from export.check import check_version
from tests import processes
from tests.export import tiny_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder():
    return tiny_models.exported()


@pytest.fixture(scope="module")
def models():
    return tiny_models.local()


def test_every_signature_has_a_warm_up_record_that_it_answers(models):
    for name in serving.MODELS:
        records = dict(serving.read_warmup(models.newest(name)))
        assert set(records) == set(tiny_models.published(name))
        for signature, inputs in records.items():
            assert inputs and all(len(value) == 1 for value in inputs.values())
            assert models.call(name, signature, **inputs)


def test_the_server_finds_both_models(folder):
    config = text_format.Parse((folder / "models.config").read_text(), model_server_config_pb2.ModelServerConfig())
    found = {model.name: model.base_path for model in config.model_config_list.config}
    assert found == {name: f"/models/{name}" for name in serving.MODELS}


def test_the_servers_session_rewrites_no_graph(folder):
    config = text_format.Parse((folder / "session.config").read_text(), config_pb2.ConfigProto())
    assert config.graph_options.rewrite_options.disable_meta_optimizer


def test_batches_are_no_larger_than_what_every_model_takes(folder, models):
    lines = (folder / "batching.config").read_text().splitlines()
    values = dict(re.fullmatch(r"(\w+) \{ value: (\w+) \}", line).groups() for line in lines)
    limit = min(int(models.call(name, "describe", request=np.zeros(1, np.int32))["maximum_batch"].item())
                for name in serving.MODELS)
    assert int(values["max_execution_batch_size"]) <= int(values["max_batch_size"]) <= limit


def test_a_check_from_the_outside_tells_what_differs_and_finds_nothing_else_wrong(models):
    def other(signature, inputs, temperature):
        return {"images": np.zeros((1, 32, 32, 3))} if signature == "generate" else None

    problems, rows = check_version(models.newest("generator"), "generator", other)
    assert {row[1] for row in rows} == set(tiny_models.published("generator"))
    assert len(problems) == 1 and "generate: images differs from the run's own model by" in problems[0]


def test_a_check_tells_what_rows_do_to_each_other(tmp_path):
    def signature(compute):
        return tf.function(lambda latents: {"images": compute(latents)}, autograph=False, input_signature=[
            tf.TensorSpec([None, 2], tf.float32, "latents")]).get_concrete_function()

    module = tf.Module()
    functions = {"centred": signature(lambda x: x - tf.reduce_mean(x, 0)), "sorted": signature(lambda x: tf.sort(x, 0)),
                 "summed": signature(lambda x: x + tf.cumsum(x, 0)), "independent": signature(lambda x: 2.0 * x)}
    path = publish(module, functions, tmp_path / "generator", finish=functools.partial(
        serving.write_warmup, name="generator", functions=functions, vectors={"images": np.zeros((4, 4, 3))}))
    problems, _ = check_version(path, "generator")
    found = [re.search(r": (\w+)/(\d)/images: differs from batch 1", problem).groups() for problem in problems]
    assert sorted(found) == [(name, batch) for name in ("centred", "sorted", "summed") for batch in "38"]


def test_a_damaged_version_is_reported(models, tmp_path):
    broken = shutil.copytree(models.newest("generator"), tmp_path / "1")
    (broken / "saved_model.pb").write_bytes(b"\x00" * 10)
    problems, _ = check_version(broken, "generator")
    assert len(problems) == 1 and "cannot be served" in problems[0]


def test_old_versions_are_removed(tmp_path):
    for name in ("1", "2", "10", "notes"):
        (tmp_path / name).mkdir()
    remove_old_versions(tmp_path, 0)
    assert len(list(tmp_path.iterdir())) == 4
    remove_old_versions(tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"2", "10", "notes"}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The C++ program, compiled against TensorFlow's own headers and libraries."""
    compiler = shutil.which("g++")
    library = pathlib.Path(tf.sysconfig.get_lib())
    if compiler is None or not (library / "libtensorflow_cc.so.2").exists():
        pytest.skip("needs g++ and the libtensorflow_cc.so.2 of TensorFlow's Linux wheel")
    path = tmp_path_factory.mktemp("program") / "load_and_run"
    done = subprocess.run(
        [compiler, "-w", *tf.sysconfig.get_compile_flags(), str(pathlib.Path(__file__).with_name("load_and_run.cc")),
         "-o", str(path), f"-L{library}", "-Wl,--no-as-needed", "-l:libtensorflow_cc.so.2",
         "-l:libtensorflow_framework.so.2", f"-Wl,-rpath,{library}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.mark.parametrize("name", serving.MODELS)
def test_the_loader_of_tf_serving_gives_what_python_gives(program, models, name, tmp_path):
    path = models.newest(name)
    records = [(signature, inputs) for signature, inputs in serving.read_warmup(path)]
    with tf.io.TFRecordWriter(str(tmp_path / "requests")) as writer:
        for signature, inputs in records:
            for key, value in inputs.items():
                proto = named_tensor_pb2.NamedTensorProto(name=f"{signature}/{key}", tensor=tf.make_tensor_proto(value))
                writer.write(proto.SerializeToString())
    done = subprocess.run([program, path, tmp_path / "requests", tmp_path / "answers"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = {}
    for content in tf.data.TFRecordDataset(str(tmp_path / "answers")).as_numpy_iterator():
        proto = named_tensor_pb2.NamedTensorProto.FromString(content)
        answers[proto.name] = tf.make_ndarray(proto.tensor)
    for signature, inputs in records:
        for key, value in models.call(name, signature, **inputs).items():
            found = answers.pop(f"{signature}/{key}")
            if value.dtype == object:
                # Encoded pictures may differ in a level.
                assert found.shape == value.shape and all(len(one) > 10 or one for one in found.ravel())
            else:
                np.testing.assert_allclose(found, value, rtol=1e-3, atol=1e-3, err_msg=f"{signature} {key}")
    assert not answers


def test_a_folder_without_exports_cannot_be_checked(tmp_path):
    assert "has no exported model" in processes.run("export.check", tmp_path, expected=2).stderr
