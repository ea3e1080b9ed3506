"""Laws of the main that sharpens a run, as a user starts it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.run_folder import RunFolder
from tests import processes
from tests.evaluation import tiny

pytestmark = pytest.mark.slow

SMALL = ("--epochs=1", "--batch_size=1000", "--discriminator_width=0.0625", "--threads=1")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """An untrained run of the emblems and a regressor."""
    path, schema = tmp_path_factory.mktemp("runs"), open_emblems(image_size=32).schema
    folder = RunFolder(path / "run")
    tiny.write_run(folder, "cvae", schema)
    folder.load_model().prior.save(folder.prior, step=1)
    tiny.write_regressor(path / "regressor", schema)
    return path


def arguments(source, output, *others):
    return (f"--run={source / 'run'}", f"--output={output}", f"--regressor={source / 'regressor'}", *SMALL, *others)


def sharpen(*given, expected=0):
    done = processes.run("trainers.sharpen", *given, expected=expected)
    assert "Traceback" not in done.stderr
    return done.stdout if expected == 0 else done.stderr.strip().splitlines()[-1]


def weights(path):
    model = RunFolder(path).load_model()
    return {part: [variable.numpy() for variable in getattr(model, part).variables]
            for part in ("encoder", "decoder")}


@pytest.mark.nightly
def test_a_sharpened_run_is_a_run_like_any_other(source, tmp_path):
    printed = sharpen(*arguments(source, tmp_path / "once"))
    assert printed.strip().splitlines()[-1] == str(tmp_path / "once" / "sheet.png")
    folder = RunFolder(tmp_path / "once")
    tuning = json.loads((folder.path / "config.json").read_text())["sharpening"]
    assert tuning["source"] == str(source / "run") and tuning["source_step"] == 1
    row, = folder.read_log()
    assert {"train_change_loss", "train_patch_loss", "train_real_logit", "validation_lower_bound"} <= set(row)
    # A CVAE has no background, and one step may be one without a penalty.
    assert not [name for name in row if name.startswith("train_") and float(row[name]) == 0.0
                and name not in ("train_gradient_penalty", "train_hidden_background_loss")]

    # Encoders and prior are those of before, decoders are not, and the export draws what the run draws.
    before, after = weights(source / "run"), weights(folder.path)
    for part in before:
        same = [np.array_equal(*pair) for pair in zip(before[part], after[part], strict=True)]
        assert all(same) if part == "encoder" else not all(same)
    assert folder.prior.read_bytes() == RunFolder(source / "run").prior.read_bytes()
    request = {"attributes": tf.constant(np.tile(folder.read_schema().mean, (2, 1))),
               "seed": tf.constant([[0, 1], [0, 2]])}
    version = max((folder.models / "generator").iterdir(), key=lambda path: path.name)
    exported = tf.saved_model.load(str(version)).signatures["generate"](**request)["images"]
    drawn = folder.load_model().generate(*request.values())["images"]
    np.testing.assert_allclose(exported, 0.5 * (np.clip(drawn, -1, 1) + 1), atol=1e-3)


def test_what_cannot_be_sharpened_is_refused_in_one_sentence(source, tmp_path):
    for given, message in (
            ((f"--output={tmp_path / 'new'}",), "--run is missing; name the folder of a trained run"),
            ((f"--run={source / 'run'}",), "--output is missing; name the folder of the result"),
            (arguments(source, source / "run"), "--output is the same folder as --run; name a new one"),
            (arguments(source, tmp_path / "new", "--batch_size=3"), "batch_size=3: expected a multiple of 2"),
            (arguments(source, tmp_path / "new", "--regressor="), "expected the folder of a regressor"),
            (arguments(source, tmp_path / "new", f"--regressor={tmp_path}"), "has no config.json"),
            (arguments(source, tmp_path / "new", "--largest_change=0"), "largest_change=0.0: expected at least 0.5")):
        assert message in sharpen(*given, expected=2)
    assert not (tmp_path / "new").exists()
