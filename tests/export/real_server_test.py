"""The exports in a real tensorflow_model_server, where one is on PATH."""

import pathlib
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest

from attr2image_tf.client import ServerError, connect
from tests.export import tiny_models

SERVE = pathlib.Path(__file__).parents[2] / "export" / "deploy" / "serve.sh"

pytestmark = [pytest.mark.nightly, pytest.mark.skipif(not shutil.which("tensorflow_model_server"),
                                                      reason="no tensorflow_model_server on PATH")]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy, since a version is published into it."""
    return shutil.copytree(tiny_models.exported(), tmp_path_factory.mktemp("served") / "models")


@pytest.fixture(scope="module")
def server(folder):
    rest, grpc = free_port(), free_port()
    process = subprocess.Popen([str(SERVE), str(folder), str(rest), str(grpc)], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    addresses = {"rest": f"http://127.0.0.1:{rest}", "grpc": f"grpc://127.0.0.1:{grpc}"}
    end = time.monotonic() + 120
    while True:
        assert process.poll() is None, process.stdout.read()
        try:
            connect(addresses["rest"])
            break
        except (ServerError, ValueError):
            assert time.monotonic() < end, "the server did not become available"
            time.sleep(1.0)
    yield addresses
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize("way", ["rest", "grpc"])
def test_every_way_gives_what_the_folder_gives(server, folder, way):
    client, reference = connect(server[way]), connect(folder)
    np.testing.assert_allclose(client.generate({"Smiling": 1}, seed=3, count=2).astype(int),
                               reference.generate({"Smiling": 1}, seed=3, count=2), atol=1)
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    found = client.infer(picture)
    np.testing.assert_allclose(found.latents, reference.infer(picture).latents, atol=1e-2)
    assert client.edit(picture, {"Smiling": "max"}, found=found).shape == (32, 32, 3)
    with pytest.raises(ValueError, match="attributes: expected rows of shape"):
        client.models.call("generator", "generate", attributes=np.zeros((1, 5), np.float32),
                           seed=np.zeros((1, 2), np.int32))


def test_a_version_published_under_load_costs_no_request(server, folder):
    client, failed, done = connect(server["grpc"]), [], threading.Event()

    def load():
        while not done.is_set():
            try:
                client.generate(count=1)
            except (ValueError, ServerError) as error:
                failed.append(str(error))

    workers = [threading.Thread(target=load) for _ in range(4)]
    for worker in workers:
        worker.start()
    beside = shutil.copytree(folder / "generator" / "1", folder / "generator" / ".version-2")
    beside.rename(folder / "generator" / "2")
    time.sleep(20.0)  # the server looks every 5 seconds
    done.set()
    for worker in workers:
        worker.join()
    assert failed == []
