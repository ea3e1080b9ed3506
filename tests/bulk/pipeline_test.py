"""Laws of bulk work on Apache Beam: the same files whatever the workers, killed or not, and what is refused."""

import io
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from attr2image_tf.bulk import plan as plans
from attr2image_tf.bulk.config import BulkConfig
from tests.bulk import inputs
from tests.bulk.inputs import contents, do, rows
from tests.evaluation import tiny
from tests.export import tiny_models

beam = pytest.importorskip("apache_beam", reason='Apache Beam is not installed; pip install ".[bulk]" brings it')

from attr2image_tf.bulk import pipeline  # noqa: E402

pytestmark = pytest.mark.nightly
ROOT = pathlib.Path(__file__).parents[2]
WITHOUT_BEAM = """
import sys
from attr2image_tf.bulk.config import BulkConfig
from tests.bulk.inputs import do
models, photos, output = sys.argv[1:]
do(BulkConfig(task="infer_attributes", shard_size=7, batch_size=4), models, [photos], output)
"""
TWO_WORKERS = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture(scope="module")
def models():
    return tiny_models.exported()


@pytest.fixture(scope="module")
def regressor(tmp_path_factory):
    path = tmp_path_factory.mktemp("regressor")
    tiny.write_regressor(path, tiny.make_dataset().schema)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    names = [f"{number:03}.png" for number in range(40)]
    folder = inputs.write_pictures(tmp_path_factory.mktemp("photos") / "photos", names)
    (folder / "017.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def many(photos, tmp_path_factory):
    """So many that no machine is through them before something is killed."""
    folder = tmp_path_factory.mktemp("many")
    for copy in range(10):
        for path in sorted(photos.glob("*.png")):
            if not copy or path.name != "017.png":
                shutil.copy(path, folder / f"{copy}_{path.name}")
    return folder


def start(*arguments):
    # A session of its own, so that its workers can be killed with it.
    return subprocess.Popen([sys.executable, "-m", "trainers.bulk", *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
                            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(ROOT)})


def run(*arguments, expected=0):
    process = start(*arguments)
    out, output = process.communicate(timeout=600)
    assert process.returncode == expected, out[-1000:] + output[-4000:]
    if expected:
        assert output.splitlines()[-1].startswith("error: ") and "Traceback" not in output.splitlines()[-1]
        return output.splitlines()[-1]
    return output


def test_one_worker_two_and_none_give_the_same_files(models, photos, tmp_path):
    flags = ("--task=infer_attributes", f"--models={models}", f"--input={photos}/*.png", "--shard_size=7",
             "--batch_size=4")
    output = run(*flags, f"--output={tmp_path / 'one'}")
    assert "Beam's counters: " in output and "done 39" in output and "failed 1" in output and "read 40" in output
    assert "microseconds_a_picture_mean" in output
    run(*flags, f"--output={tmp_path / 'two'}", *TWO_WORKERS)
    # In a process of its own: graphs that the tests leave as they are round otherwise.
    subprocess.run([sys.executable, "-c", WITHOUT_BEAM, models, f"{photos}/*.png", tmp_path / "none"], check=True,
                   cwd=ROOT)
    plan = plans.load(tmp_path / "none")
    without = contents(plan.output)
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == without
    assert len(rows(plan)["path"]) == 39
    assert json.loads((tmp_path / "two" / "manifest.json").read_text())["done"] == 39


def test_killed_and_started_again_is_as_never_killed(regressor, many, tmp_path):
    flags = ("--task=score", f"--models={regressor}", f"--input={many}", "--shard_size=1", "--batch_size=2")
    run(*flags, f"--output={tmp_path / 'whole'}")
    plan = tmp_path / "killed" / "plan.json"
    generator, times = np.random.default_rng(), []
    for _ in range(3):
        process = start(*flags, f"--output={tmp_path / 'killed'}", *TWO_WORKERS)
        before = len(list((tmp_path / "killed" / "shards").glob("0*"))) if plan.exists() else 0
        limit = time.monotonic() + 300
        # Somewhere between the start of the work and its end.
        wanted = before + int(generator.integers(0, 10))
        while process.poll() is None and time.monotonic() < limit and not (
                plan.exists() and len(list((tmp_path / "killed" / "shards").glob("0*"))) >= wanted):
            time.sleep(0.01)
        time.sleep(generator.uniform(0, 0.1))
        # All at once, as when the machine goes down.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        shards = tmp_path / "killed" / "shards"
        times.append({path.name: path.stat().st_mtime_ns for path in shards.glob("0*")} if shards.exists() else {})
        assert not (tmp_path / "killed" / "manifest.json").exists()
    run(*flags, f"--output={tmp_path / 'killed'}", *TWO_WORKERS)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    # What was finished was not done again.
    for each in times:
        assert all((tmp_path / "killed" / "shards" / name).stat().st_mtime_ns == when for name, when in each.items())


def test_a_worker_that_is_killed_is_reported_and_the_run_goes_on(regressor, many, tmp_path):
    flags = ("--task=score", f"--models={regressor}", f"--input={many}", "--shard_size=1", "--batch_size=2",
             f"--output={tmp_path / 'out'}", *TWO_WORKERS)
    process = start(*flags)
    shards, limit = tmp_path / "out" / "shards", time.monotonic() + 300
    while time.monotonic() < limit and process.poll() is None and not (shards.exists() and any(shards.iterdir())):
        time.sleep(0.01)
    workers = [int(each) for each in subprocess.run(["pgrep", "-g", str(process.pid), "-f", "sdk_worker_main"],
                                                    text=True, capture_output=True).stdout.split()]
    assert workers
    os.kill(max(workers), signal.SIGKILL)
    _, output = process.communicate(timeout=300)
    assert process.returncode == 2 and "a worker process was killed" in output.splitlines()[-1], output[-3000:]
    run(*flags)
    assert len(list(shards.glob("0*"))) == len(list(many.iterdir()))


@pytest.fixture
def job_server():
    """The address of Beam's own portable job server."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main",
                               f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 120
        while time.monotonic() < limit and server.poll() is None:
            with socket.socket() as tried:
                if tried.connect_ex(("localhost", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        server.kill()
        server.wait()


def test_a_job_server_gives_the_same_files_and_the_same_refusals(regressor, photos, job_server, tmp_path):
    portable = ("--runner=PortableRunner", f"--job_endpoint={job_server}", "--environment_type=LOOPBACK")
    run("--task=score", f"--models={regressor}", f"--input={photos}", "--shard_size=7", "--batch_size=4",
        f"--output={tmp_path / 'portable'}", *portable)
    plan = do(BulkConfig(task="score", shard_size=7, batch_size=4), regressor, [photos], tmp_path / "none")
    assert contents(tmp_path / "portable") == contents(plan.output)
    bad = inputs.write_pictures(tmp_path / "bad", [f"{number}.png" for number in range(5)])
    for path in bad.iterdir():
        path.write_bytes(b"none")
    output = run("--task=score", f"--models={regressor}", f"--input={bad}", f"--output={tmp_path / 'out'}", *portable,
                 expected=2)
    assert output.startswith("error: 5 of 5 pictures cannot be used, more than 2%; the first: ")


def test_refusals_of_workers_come_back_in_one_sentence(regressor, tmp_path):
    photos = inputs.write_pictures(tmp_path / "photos", [f"{number}.png" for number in range(8)])
    for number in range(5):
        (photos / f"{number}.png").write_bytes(b"none")
    output = run("--task=score", f"--models={regressor}", f"--input={photos}", f"--output={tmp_path / 'out'}",
                 "--shard_size=4", *TWO_WORKERS, expected=2)
    # Of the second shard alone, or of both where it is the later one.
    assert "4 of 8 pictures cannot be used, more than 2%" in output or "5 of 8 pictures cannot be used" in output
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.parametrize(("flags", "message"), [
    (["--output=out", "--input=nowhere"], "input='nowhere' does not exist"),
    (["--output=out", "--input=.", "--direct_num_wokers=2"], "unknown flag '--direct_num_wokers=2': neither"),
    (["--input=."], "--output is missing; name a folder"), (["--output=out"], "--input is missing; name a folder"),
    (["--output=out", "--input=.", "--task=edit"], "set=None: expected a request")])
def test_the_command_refuses_before_any_work(flags, message, regressor, tmp_path):
    if "--output=out" in flags:
        flags = [*flags, f"--output={tmp_path / 'out'}"]
    output = run(f"--models={regressor}", *(["--task=score"] if "--task=edit" not in flags else []), *flags, expected=2)
    assert message in output
    assert not (tmp_path / "out").exists()


def test_no_flag_of_ours_is_one_of_beams():
    # In a process of its own: other mains that this one has imported may have flags of the same names.
    listed = ("from absl import flags; import trainers.bulk; "
              "print(*(flag.name for flag in flags.FLAGS.get_flags_for_module('trainers.bulk')))")
    ours = set(subprocess.run([sys.executable, "-c", listed], check=True, capture_output=True, text=True,
                              cwd=ROOT).stdout.split())
    assert {"task", "models", "input", "output", "shard_size"} <= ours
    for name in sorted(ours):
        with pytest.raises(ValueError, match="unknown flag|ambiguous|expected"):
            pipeline.parse_options([f"--{name}=1"])
    options = pipeline.parse_options(["--direct_num_workers=2", "--direct_running_mode", "multi_processing"])
    assert options.get_all_options()["direct_num_workers"] == 2


def test_file_systems_of_beam_find_and_open(photos):
    files = pipeline.BeamFiles(pipeline.parse_options([]))
    assert sorted(files.find(f"{photos}/*.png")) == sorted(str(path) for path in photos.iterdir())
    assert files.read(str(photos / "000.png")) == (photos / "000.png").read_bytes()
    with files.open(str(photos / "000.png")) as file:
        file.seek(4)
        assert file.read(2) == (photos / "000.png").read_bytes()[4:6]


@pytest.fixture
def bucket(photos):
    """Flags for a server of S3 on this machine, whose bucket "bucket" holds the photos in a folder of that name."""
    wanted = 'a server of S3 is not installed; pip install "apache-beam[aws]" "moto[server]" brings one'
    boto3 = pytest.importorskip("boto3", reason=wanted)
    server = pytest.importorskip("moto.server", reason=wanted).ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=address, **keys)
        client.create_bucket(Bucket="bucket")
        for path in sorted(photos.iterdir())[:10]:
            client.upload_file(str(path), "bucket", f"photos/{path.name}")
        yield [f"--s3_endpoint_url={address}", *(f"--s3_{name.removeprefix('aws_')}={value}"
                                                 for name, value in keys.items())]
    finally:
        server.stop()


def test_pictures_of_a_bucket_are_as_those_of_a_folder(regressor, photos, bucket, tmp_path):
    flags = ("--task=score", f"--models={regressor}", "--shard_size=4", "--batch_size=2")
    for path in sorted(photos.iterdir())[:10]:
        (tmp_path / "photos").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "photos")
    run(*flags, f"--input={tmp_path / 'photos'}", f"--output={tmp_path / 'here'}")
    expected = (tmp_path / "here" / "shards" / "00001-of-00003.parquet").read_bytes()
    scores = pq.read_table(io.BytesIO(expected)).drop_columns("path")
    # Workers of their own get no options from Beam's runner.
    for name, workers in (("one", ()), ("two", TWO_WORKERS)):
        run(*flags, "--input=s3://bucket/photos", f"--output={tmp_path / name}", *bucket, *workers)
        found = pq.read_table(tmp_path / name / "shards" / "00001-of-00003.parquet")
        assert found.drop_columns("path").equals(scores)
        assert found["path"].to_pylist()[0].startswith("s3://bucket/photos/")
