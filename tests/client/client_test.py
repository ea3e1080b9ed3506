"""Laws of the client: a folder, REST and gRPC answer alike, and refusals come through in the model's own words."""

import concurrent.futures

import numpy as np
import pytest

from attr2image_tf.client import ServerError, connect, remote
from attr2image_tf.client.local import LocalModels
from tests.export import tiny_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder():
    return tiny_models.exported()


@pytest.fixture(scope="module")
def addresses(folder):
    return dict(zip(("folder", "rest", "grpc"), (str(folder), *tiny_models.served()), strict=True))


@pytest.fixture(scope="module")
def clients(addresses):
    return {name: connect(address) for name, address in addresses.items()}


@pytest.fixture(params=["folder", "rest", "grpc"])
def client(request, clients):
    return clients[request.param]


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_a_client_needs_to_know_nothing_but_the_address(client):
    assert client.schema.names == tiny_models.NAMES and client.image_size == 32


def test_all_ways_give_the_same_pictures(client, clients, picture):
    reference = clients["folder"]
    request = {"Smiling": +1, "Male": "max"}
    drawn = client.generate(request, seed=7, count=3)
    assert drawn.dtype == np.uint8 and drawn.shape == (3, 32, 32, 3) and (drawn[0] != drawn[1]).any()
    np.testing.assert_allclose(drawn.astype(int), reference.generate(request, seed=7, count=3), atol=1)
    found, expected = client.infer(picture), reference.infer(picture)
    assert found.attributes == pytest.approx(expected.attributes, abs=1e-3)
    np.testing.assert_allclose(found.latents, expected.latents, atol=1e-3)
    edited = client.edit(picture, {"Smiling": "max"}, found=found)
    np.testing.assert_allclose(edited.astype(int), reference.edit(picture, {"Smiling": "max"}, found=expected), atol=2)
    hidden = np.zeros((40, 60), bool)
    hidden[10:20, 25:40] = True
    filled = client.complete(picture, hidden, seed=1, attributes={})
    np.testing.assert_allclose(filled.astype(int), reference.complete(picture, hidden, seed=1, attributes={}), atol=2)


def test_attributes_can_be_given(client, picture):
    found = client.infer(picture, {"Smiling": "max"})
    assert found.attributes["Smiling"] == pytest.approx(float(client.schema.maximum[0]))
    assert found.reconstruction.shape == (32, 32, 3) and np.isfinite(found.energy)


def test_mistakes_are_told_before_anything_is_sent(client, picture):
    with pytest.raises(ValueError, match="unknown attribute 'Smilng'. Did you mean"):
        client.generate({"Smilng": 1})
    with pytest.raises(ValueError, match="picture: expected uint8"):
        client.infer(picture / 255.0)
    with pytest.raises(ValueError, match="hidden: expected bool"):
        client.infer(picture, hidden=np.zeros((3, 3), bool))


@pytest.mark.parametrize(("inputs", "message"), [
    ({"attributes": np.zeros((2, 5), np.float32)}, "(?s)attributes.*shape|shape.*attributes"),
    ({"attributes": np.full((2, 3), np.nan, np.float32)}, "attributes: expected finite numbers"),
    ({"attributes": np.zeros((300, 3), np.float32), "seed": np.zeros((300, 2), np.int32)}, "from 1 to 256 rows")])
def test_refusals_name_the_input(client, inputs, message):
    with pytest.raises(ValueError, match=message):
        client.models.call("generator", "generate",
                           **{"attributes": np.zeros((2, 3), np.float32), "seed": np.zeros((2, 2), np.int32)} | inputs)
    assert client.generate(count=1).shape == (1, 32, 32, 3)  # it lives on


def test_what_is_not_there_is_told(client):
    with pytest.raises(ValueError, match="paint"):
        client.models.call("generator", "paint", attributes=np.zeros((1, 3), np.float32))


def test_requests_of_the_same_moment_do_not_mix(client):
    seeds = range(16)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: client.generate(seed=seed, count=1, varied=False), seeds))
    for seed, drawn in zip(seeds, together, strict=True):
        np.testing.assert_allclose(drawn.astype(int), client.generate(seed=seed, count=1, varied=False), atol=1)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "grpc://127.0.0.1:9"])
def test_a_server_that_is_not_there_is_tried_and_told(address, monkeypatch):
    pauses = []
    monkeypatch.setattr(remote.time, "sleep", pauses.append)
    with pytest.raises(ServerError, match="is not available after 5 attempts"):
        connect(address)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6])


def test_a_new_version_is_served_when_the_folder_is_opened_anew(folder):
    assert LocalModels(folder).newest("generator").name == "1"
    (folder / "generator" / "2").mkdir()
    assert LocalModels(folder).newest("generator").name == "2"
    (folder / "generator" / "2").rmdir()
