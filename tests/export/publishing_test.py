"""Laws of publication: whoever looks at the folder at any moment finds whole versions only."""

import functools
import shutil
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2, saved_model_pb2

from attr2image_tf.client.remote import GrpcModels, RestModels
from attr2image_tf.signatures import serving
from attr2image_tf.signatures.publishing import make_modules, publish, remove_old_versions
from tests.export import model_server, tiny_models

pytestmark = pytest.mark.slow

REQUEST = {"attributes": np.full((1, 3), 0.5, np.float32), "seed": np.zeros((1, 2), np.int32)}


@pytest.fixture
def folder(tmp_path):
    """A generator's version 1 of its own."""
    shutil.copytree(tiny_models.exported() / "generator", tmp_path / "generator")
    return tmp_path


def version(models):
    """The version that a server says it serves."""
    return models._ask("GET", "/v1/models/generator")["model_version_status"][0]["version"]


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


def test_a_version_published_under_load_costs_no_request(folder):
    failed, answered, done = [], [0, 0], threading.Event()

    def load(place, models):
        while not done.is_set():
            try:
                assert models.call("generator", "generate", **REQUEST)["images"].shape == (1, 32, 32, 3)
                answered[place] += 1
            except Exception as error:
                failed.append(repr(error))
                return

    module, functions = tiny_models.modules("discvae")["generator"], tiny_models.functions("discvae")["generator"]
    vectors = serving.plausible_rows(module.generate, tiny_models.SCHEMA)
    # It looks so often that it would load half a version, if there ever were one.
    with model_server.serve(folder, poll_seconds=0.001) as (rest, grpc):
        ways = [RestModels(rest, attempts=1), GrpcModels(grpc.removeprefix("grpc://"), attempts=1)]
        workers = [threading.Thread(target=load, args=each) for each in enumerate(ways)]
        for worker in workers:
            worker.start()
        try:
            wait_for(lambda: min(answered) > 0)
            publish(module, functions, folder / "generator", finish=functools.partial(
                serving.write_warmup, name="generator", functions=functions, vectors=vectors))
            wait_for(lambda: version(ways[0]) == "2" or failed)
            remove_old_versions(folder / "generator", 1)
            before = list(answered)
            wait_for(lambda: all(now > then + 5 for now, then in zip(answered, before, strict=True)) or failed)
        finally:
            done.set()
            for worker in workers:
                worker.join()
    assert failed == []
    assert [path.name for path in (folder / "generator").iterdir()] == ["2"]


def test_an_export_that_fails_leaves_nothing(folder):
    module, functions = tiny_models.modules("discvae")["generator"], tiny_models.functions("discvae")["generator"]

    def fail(path):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        publish(module, functions, folder / "generator", finish=fail)
    assert [path.name for path in (folder / "generator").iterdir()] == ["1"]


def test_each_model_is_folded_for_what_it_does():
    def whole_kernels(function):
        return sum(len(variable.shape) == 4 and variable.shape[0] == 5 for variable in function.graph.variables)

    parts = tiny_models.functions("discvae")
    # The decoders' last convolutions; of upsampled ones only the parts of kernels.
    assert whole_kernels(parts["generator"]["generate"]) == 2
    # The encoders' four besides, and for gradients those of the decoders' four upsampled convolutions.
    assert whole_kernels(parts["latent_optimizer"]["infer_bytes"]) == 10


@pytest.mark.parametrize(("model", "signature"), [("generator", "generate"),
                                                  ("latent_optimizer", "infer_attributes_bytes")])
def test_a_start_rewrites_no_graph(tmp_path, model, signature):
    # In tests nothing is rewritten anyway (tests/processes.py).
    option = "disable_meta_optimizer"
    tf.config.optimizer.set_experimental_options({option: False})
    try:
        module = make_modules(functools.partial(tiny_models.model, "discvae"), tiny_models.SCHEMA,
                              tiny_models.INFERENCE)[model]
        getattr(module, "_generator", module).track(chosen := {signature: module.trace(signature)})
        folder = publish(module, chosen, tmp_path)
        assert not tf.config.optimizer.get_experimental_options()[option]
    finally:
        tf.config.optimizer.set_experimental_options({option: True})
    graph = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    functions = {function.signature.name: function for function in graph.library.function}
    called = []
    for function in functions.values():
        for node in function.node_def:
            if node.op.endswith("PartitionedCall"):
                options = config_pb2.ConfigProto.FromString(node.attr["config_proto"].s).graph_options
                assert options.rewrite_options.disable_meta_optimizer, node.name
                if "signature_wrapper" in function.signature.name:
                    called.append(functions[node.attr["f"].func.name])
    assert [function.attr["_noinline"].b for function in called] == [True]
