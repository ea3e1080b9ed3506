"""Laws of the mains that train a regressor and measure runs, as a user starts them."""

import json

import pytest

from attr2image_tf.run_folder import RunFolder
from tests import processes
from tests.evaluation import tiny

pytestmark = pytest.mark.slow

SMALL = ["--experiments=faithfulness,bounds", "--test_pictures=12", "--training_pictures=4", "--bounded=4",
         "--batch_size=2", "--threads=1"]


def evaluate(*arguments, expected=0):
    done = processes.run("trainers.evaluate", *arguments, expected=expected)
    assert "Traceback" not in done.stderr
    return done.stdout if expected == 0 else done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An untrained run and a regressor."""
    path, schema = tmp_path_factory.mktemp("runs"), tiny.make_dataset().schema
    tiny.write_run(RunFolder(path / "discvae"), "discvae", schema)
    tiny.write_regressor(path / "regressor", schema)
    return path


def arguments(runs, output, *others):
    return [f"--run={runs / 'discvae'}", f"--regressors={runs / 'regressor'}", f"--output={output}", *SMALL, *others]


def estimates(output):
    return {path.relative_to(output): json.loads(path.read_text())["figures"] for path in output.glob("*/*.json")}


@pytest.mark.nightly
def test_a_killed_evaluation_goes_on_and_estimates_come_out_the_same_twice(runs, tmp_path):
    printed = evaluate(*arguments(runs, tmp_path / "once"))
    assert printed.strip().splitlines()[-1] == str(tmp_path / "once" / "report.html")
    assert sorted(map(str, estimates(tmp_path / "once"))) == [
        "discvae/bounds.json", "discvae/faithfulness.json", "real/faithfulness.json"]
    record = json.loads((tmp_path / "once" / "discvae" / "bounds.json").read_text())
    assert record["command"].startswith("python -m trainers.evaluate --run=") and record["checkpoint_step"] == 1
    assert record["versions"]["tensorflow"] and record["settings"]["bounded"] == 4
    assert record["figures"]["terms"]["lower_bound"]["n"] == 4

    first = tmp_path / "killed" / "discvae" / "partial" / "bounds-000000.npz"
    processes.kill_when(processes.Process("trainers.evaluate", *arguments(runs, tmp_path / "killed")), first.exists)
    assert not (tmp_path / "killed" / "report.html").exists()
    written = first.stat().st_mtime_ns
    evaluate(*arguments(runs, tmp_path / "killed"))
    assert first.stat().st_mtime_ns == written
    assert estimates(tmp_path / "killed") == estimates(tmp_path / "once")

    error = evaluate(*arguments(runs, tmp_path / "once", "--seed=1"), expected=2)
    assert "holds an evaluation with other settings (seed: 0 before, 1 now)" in error


def test_what_cannot_be_is_reported_in_one_sentence_before_any_work(runs, tmp_path):
    error = evaluate(*arguments(runs, tmp_path / "new", "--attributes=Circel"), expected=2)
    assert "error: unknown attribute 'Circel'. Did you mean 'Circle'" in error
    assert not (tmp_path / "new").exists()
    before = sorted(runs.rglob("*"))
    error = evaluate(*arguments(runs, runs), expected=2)
    assert f"error: the result of run 'discvae' would overwrite '{runs / 'discvae'}', which is read" in error
    assert sorted(runs.rglob("*")) == before
