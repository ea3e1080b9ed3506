"""Laws of exports whose kernels are stored in 16 bits."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.folding import fold
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures import publishing
from attr2image_tf.signatures.generator import Generator
from tests.evaluation import tiny

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = RunFolder(tmp_path_factory.mktemp("stored") / "run")
    tiny.write_run(folder, "cvae", tiny.make_dataset().schema)
    return folder


def export(folder, path, storage):
    model = folder.load_model()
    fold(model, storage, gradients=False)
    module = Generator(model, folder.read_schema())
    return publishing.publish(module, module.signatures(), path)


@pytest.fixture(scope="module")
def versions(folder, tmp_path_factory):
    return {storage: export(folder, tmp_path_factory.mktemp("exports") / "generator", storage)
            for storage in (None, tf.float16)}


def test_half_the_bits_take_half_the_space_and_draw_nearly_the_same(folder, versions):
    mean, largest = publishing.picture_difference(folder.path, versions[tf.float16], samples=3)
    assert 0.0 < mean < largest < 1.0
    half, full = ((versions[storage] / "variables" / "variables.data-00000-of-00001").stat().st_size
                  for storage in (tf.float16, None))
    assert half < 0.6 * full


def test_kernels_are_cast_when_loaded_and_not_when_used(versions):
    generate = tf.saved_model.load(str(versions[tf.float16])).signatures["generate"]
    kernels = [node for function in [generate.graph, *generate.graph._functions.values()]
               for node in getattr(function, "graph", function).as_graph_def().node
               if node.op == "Cast" and node.attr["SrcT"].type == tf.float16.as_datatype_enum]
    assert not kernels


def test_a_session_runs_the_initialisers_too(versions):
    """As the loaders of TF Serving and of C++ do."""
    loaded = tf.saved_model.load(str(versions[tf.float16]))
    about = loaded.signatures["describe"](request=tf.constant([0]))
    inputs = {"attributes": about["mean"].numpy(), "seed": np.array([[1, 2]], np.int32)}
    expected = loaded.signatures["generate"](**{name: tf.constant(value) for name, value in inputs.items()})["images"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], str(versions[tf.float16]))
        signature = graph.signature_def["generate"]
        found = session.run(signature.outputs["images"].name,
                            {signature.inputs[name].name: value for name, value in inputs.items()})
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
