"""Laws of training: killed and resumed equals uninterrupted; many devices equal one."""

import csv
import json
import pathlib
import signal
import socket

import numpy as np
import pytest

from attr2image_tf.run_folder import RunFolder
from tests import processes
from tests.evaluation import tiny

pytestmark = pytest.mark.slow

HERE = pathlib.Path(__file__).parent
TIMED = ("pictures_per_second",)


def start(run, *arguments, **environment):
    return processes.Process(HERE / "tiny_run.py", run, *arguments, **environment)


def finish(process, expected=0):
    output, errors = process.communicate()
    assert process.returncode == expected, output[-1000:] + errors[-3000:]
    return output + errors


def weights(run):
    with np.load(run / "weights.npz") as file:
        return dict(file)


def log(run):
    with open(run / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
        assert all(float(row[name]) > 0.0 for row in rows for name in TIMED)
        return [{name: float(value) for name, value in row.items() if name not in TIMED}
                for row in rows]


def saved_steps(run):
    return max((int(path.stem.split("-")[1]) for path in (run / "checkpoints").glob("ckpt-*.index")), default=0)


def assert_same_run(run, reference, tolerance):
    assert log(run) and len(log(run)) == len(log(reference))
    for row, other in zip(log(run), log(reference), strict=True):
        assert row == pytest.approx(other, rel=tolerance)
    ours, theirs = weights(run), weights(reference)
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """An uninterrupted run on one device."""
    run = tmp_path_factory.mktemp("runs") / "reference"
    finish(start(run))
    return run


def test_training_improves_the_bound(reference):
    first, last = log(reference)
    assert last["train_lower_bound"] > first["train_lower_bound"]
    assert last["skipped_steps"] == 0


@pytest.mark.nightly
def test_a_run_killed_then_terminated_and_resumed_equals_an_uninterrupted_one(tmp_path, reference):
    run = tmp_path / "stopped"
    process = start(run)
    processes.kill_when(process, lambda: saved_steps(run) >= 2)
    assert process.returncode == -signal.SIGKILL and not (run / "log.csv").exists()
    # Whoever is asked to end saves first and says that there is more to do.
    process = start(run, "--sleep=2")
    processes.kill_when(process, lambda: (run / "log.csv").exists(), signal.SIGTERM)
    assert process.returncode == 3 and not (run / "weights.npz").exists()
    finish(start(run))
    assert_same_run(run, reference, 1e-5)


@pytest.mark.nightly
def test_two_mirrored_devices_equal_one(tmp_path, reference):
    run = tmp_path / "mirrored"
    finish(start(run, "--strategy=mirrored", "--devices=2"))
    assert_same_run(run, reference, 2e-3)


@pytest.mark.nightly
def test_two_devices_equal_one_with_the_optimiser_that_ships(tmp_path):
    """But for the biases before batch normalisation, whose gradients are rounding alone, and what takes them away."""
    runs = [tmp_path / "one", tmp_path / "two"]
    for process in [start(run, "--model=cvae", "--epochs=1", "--epsilon=0", *devices) for run, devices in zip(
            runs, ((), ("--strategy=mirrored", "--devices=2")), strict=True)]:
        finish(process)
    one, two = map(weights, runs)
    normalised = {name.split("/batch_normalization")[0] for name in one if "/batch_normalization" in name}
    free = [name for name in one if name.endswith("/moving_mean")
            or name.endswith("/bias") and any(name.startswith(f"{block}/") for block in normalised)]
    assert 10 < len(free) < len(one) / 2
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=1e-5, atol=0.1 if name in free else 1e-5, err_msg=name)
    [row], [other] = map(log, runs)
    for name, value in row.items():
        assert value == pytest.approx(other[name], rel=1e-5 if name.startswith("train") else 1e-2, abs=1e-6), name


@pytest.mark.nightly
def test_two_workers_equal_one_device_and_survive_the_loss_of_one(tmp_path, reference):
    run = tmp_path / "workers"

    def cluster(*arguments):
        addresses = []
        for _ in range(2):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                addresses.append(f"127.0.0.1:{probe.getsockname()[1]}")
        return [start(run, "--strategy=multi_worker", *arguments, TF_CONFIG=json.dumps(
            {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})) for index in range(2)]

    workers = cluster("--sleep=3")
    processes.kill_when(workers[1], (run / "log.csv").exists)
    workers[0].communicate()
    assert workers[0].returncode not in (0, 3)
    for worker in cluster():
        finish(worker)
    assert_same_run(run, reference, 2e-3)


@pytest.mark.nightly
def test_sharpening_obeys_the_same_laws(tmp_path):
    source = RunFolder(tmp_path / "source")
    tiny.write_run(source, "cvae", tiny.make_dataset().schema)

    def sharpen(name, *arguments):
        return start(tmp_path / name, f"--sharpened={source.path}", "--epochs=1", *arguments)

    finish(sharpen("once"))
    process = sharpen("stopped")
    processes.kill_when(process, lambda: saved_steps(tmp_path / "stopped") >= 2)
    finish(sharpen("stopped"))
    assert_same_run(tmp_path / "stopped", tmp_path / "once", 1e-5)
    finish(sharpen("mirrored", "--strategy=mirrored", "--devices=2"))
    assert_same_run(tmp_path / "mirrored", tmp_path / "once", 2e-3)


def test_a_run_of_another_configuration_is_refused(reference):
    output = finish(start(reference, "--learning_rate=0.5"), expected=1)
    assert "learning_rate: 0.001 before, 0.5 now" in output
