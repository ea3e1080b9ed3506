"""Laws of the main that trains the second stage of a run, as a user starts it."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import ConfigError
from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.publishing import export_run
from tests import processes
from tests.evaluation import tiny

pytestmark = pytest.mark.slow

SMALL = ("--output_size=64", "--width=4", "--batch_size=1000", "--steps=2", "--threads=1", "--schedule=constant")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An untrained run of the emblems."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "run")
    tiny.write_run(folder, "cvae", open_emblems(image_size=32).schema)
    folder.load_model().prior.save(folder.prior, step=1)
    return folder


def train(source, output, *given, expected=0):
    done = processes.run("trainers.detail", f"--run={source.path}", f"--output={output}", *SMALL, *given,
                         expected=expected)
    assert "Traceback" not in done.stderr
    return done.stdout if expected == 0 else done.stderr.strip().splitlines()[-1]


def weights(variables):
    return [variable.numpy() for variable in variables]


@pytest.mark.nightly
def test_a_run_with_detail_is_a_run_like_any_other_and_goes_on_as_if_never_stopped(source, tmp_path):
    printed = train(source, tmp_path / "twice", "--epochs=1")
    assert printed.strip().splitlines()[-1] == str(tmp_path / "twice" / "sheet.png")
    first = weights(RunFolder(tmp_path / "twice").load_model().detail.weights)
    train(source, tmp_path / "twice", "--epochs=2")
    train(source, tmp_path / "once", "--epochs=2")
    folder = RunFolder(tmp_path / "once")
    model, again = folder.load_model(), RunFolder(tmp_path / "twice").load_model()
    for one, other in zip(weights(model.detail.weights), weights(again.detail.weights), strict=True):
        np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(weights(model.detail.weights), first, strict=True))
    assert [{"train_flow_loss", "validation_flow_loss"} <= set(row) for row in folder.read_log()] == [True, True]

    # The model is that of before, and so is its prior.
    for one, other in zip(weights(model.variables), weights(source.load_model().variables), strict=True):
        np.testing.assert_array_equal(one, other)
    assert folder.prior.read_bytes() == source.prior.read_bytes()
    request = {"attributes": tf.constant(np.tile(folder.read_schema().mean, (2, 1))),
               "seed": tf.constant([[0, 1], [0, 2]])}
    version = max((folder.models / "generator").iterdir(), key=lambda path: path.name)
    exported = tf.saved_model.load(str(version)).signatures["generate"](**request)["images"]
    drawn = model.generate(*request.values())["images"]
    assert exported.shape == (2, 64, 64, 3)
    np.testing.assert_allclose(exported, 0.5 * (np.clip(drawn, -1, 1) + 1), atol=2e-3)

    # Exports may draw in another way than the run, and leave detail out.
    cold = export_run(folder.path, tmp_path / "cold", detail={"steps": 1, "temperature": 0.0})["generator"]
    plain = export_run(folder.path, tmp_path / "plain", detail=None)["generator"]
    steady, coarse = (tf.saved_model.load(str(version)).signatures["generate"](**request) for version in (cold, plain))
    assert steady["images"].shape == (2, 64, 64, 3) and np.abs(steady["images"] - exported).max() > 0.01
    assert coarse["images"].shape == (2, 32, 32, 3) and "coarse_images" not in coarse
    with pytest.raises(ConfigError, match="^detail_steps: the run .* has no detail"):
        export_run(source.path, tmp_path / "none", detail={"steps": 1})

    for main, flag in (("trainers.detail", "--output_size=64"), ("trainers.sharpen", "--attribute_weight=0")):
        refused = processes.run(main, f"--run={folder.path}", f"--output={tmp_path / 'more'}", flag, expected=2).stderr
        assert "has detail" in refused and str(source.path) in refused.strip().splitlines()[-1]
    assert not (tmp_path / "more").exists()


def test_what_cannot_be_is_refused_in_one_sentence(source, tmp_path):
    for given, message in (("--output_size=65", "output_size=65: expected a positive multiple of 32"),
                           ("--attribute_dropout=1", "attribute_dropout=1.0: expected at least 0 and below 1")):
        assert message in train(source, tmp_path / "new", given, expected=2)
    assert "is the same folder as --run" in train(source, source.path, expected=2)
    assert not (tmp_path / "new").exists()
