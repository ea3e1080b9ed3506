"""Laws of the client: a folder, REST and gRPC answer alike, and refusals come through in the model's own words."""

import concurrent.futures

import numpy as np
import pytest
from PIL import Image

import attr2image_tf
from attr2image_tf.client import ServerError, Square, TurnedSquare, checks, connect, remote, verbs
from attr2image_tf.client.local import LocalModels
from attr2image_tf.photos.hiding import parse_hidden
from attr2image_tf.trained import TrainedModel
from tests.export import tiny_models
from trainers.jobs import Job, solve

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


def test_a_folder_of_exports_is_loaded_as_a_run_is(folder, clients):
    loaded = attr2image_tf.load(folder)
    np.testing.assert_array_equal(loaded.generate({"Male": "max"}, seed=3),
                                  clients["folder"].generate({"Male": "max"}, seed=3))


@pytest.fixture(scope="module")
def local(clients):
    """The folder's, for what a client decides or a model does, whatever lies between them."""
    return clients["folder"]


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def test_a_client_needs_to_know_nothing_but_the_address(client):
    assert client.schema.names == tiny_models.NAMES and client.image_size == 32


@pytest.fixture(scope="module")
def asked(clients, picture):
    """What the folder answers to the questions of `answers`."""
    return answers(clients["folder"], picture)


def answers(client, picture):
    """One of each verb."""
    hidden = np.zeros((40, 60), bool)
    hidden[10:20, 25:40] = True
    found = client.infer(picture)
    layers = client.generate_layers({"Male": -1}, seed=5, count=2, temperature=0.5)
    return {**{f"{name} of layers": values for name, values in layers.items()},
            "walked": client.progression("Senior", [-1, "max"], seed=7),
            "given": client.infer(picture, {"Smiling": "max"}, hidden=hidden).latents,
            "drawn": client.generate({"Smiling": +1, "Male": "max"}, seed=7, count=3),
            "latents": found.latents, "attributes": found.vector, "reconstruction": found.reconstruction,
            "edited": client.edit(picture, {"Smiling": "max"}, found=found),
            "likeliest": client.complete(picture, hidden), "sampled": client.complete(picture, hidden, seed=1),
            "sampled with attributes": client.complete(picture, hidden, seed=1, attributes={})}


@pytest.mark.parametrize("way", ["rest", "grpc", "run"])
def test_all_ways_give_the_same_answers(way, clients, asked, picture):
    client = (TrainedModel(tiny_models.model("discvae"), tiny_models.SCHEMA, tiny_models.INFERENCE) if way == "run" else
              clients[way])
    for name, answer in answers(client, picture).items():
        expected = asked[name]
        assert answer.dtype == expected.dtype and answer.shape == expected.shape, name
        within = 2 if answer.dtype == np.uint8 else 2e-3
        np.testing.assert_allclose(answer.astype(float), expected, atol=within, err_msg=name)
    assert (asked["drawn"][0] != asked["drawn"][1]).any() and (asked["likeliest"] != asked["sampled"]).any()


def test_batches_lists_and_commands_give_the_clients_answers(clients, asked, picture, tmp_path):
    models, hide = clients["folder"].models, "25,10,40,20"
    Image.fromarray(picture).save(tmp_path / "a.png")
    hidden = parse_hidden(hide)(picture)
    job = Job.make("a", tmp_path / "a.png", picture, Square.central(40, 60), 32, hidden, None)
    result, = solve(models, [job], None, 2, 1)
    np.testing.assert_array_equal(result.columns["completed"], asked["likeliest"])
    np.testing.assert_array_equal(result.columns["or"], asked["sampled"])
    open_job = Job.make("a", tmp_path / "a.png", picture, Square.central(40, 60), 32, None, None)
    changed, = solve(models, [open_job], lambda before: models.describe()[0].request("Smiling=max", base=before), 0, 0)
    np.testing.assert_array_equal(changed.image, asked["edited"])
    found = verbs.infer(models, np.stack([job.small] * 2))
    np.testing.assert_allclose(found["latents"][1], verbs.infer(models, job.small[np.newaxis])["latents"][0], atol=1e-3)


def test_exports_of_before_complete_as_they_did(clients, picture, monkeypatch):
    client, called = clients["folder"], []
    call = client.models.call
    monkeypatch.setattr(client.models, "has", lambda model, signature: False)
    monkeypatch.setattr(client.models, "call", lambda model, signature, **inputs: called.append(signature) or call(
        model, signature, **inputs))
    hidden = np.zeros((40, 60), bool)
    hidden[10:20, 25:40] = True
    filled = client.complete(picture, hidden, seed=1)
    assert called == ["infer_attributes_bytes", "complete_bytes", "complete_sample_bytes"]
    assert filled.shape == (32, 32, 3)


def test_attributes_can_be_given(local, picture):
    found = local.infer(picture, {"Smiling": "max"})
    assert found.attributes["Smiling"] == pytest.approx(float(local.schema.maximum[0]))
    assert found.reconstruction.shape == (32, 32, 3) and np.isfinite(found.energy)


def test_mistakes_are_refused_before_anything_is_sent(local, picture):
    with pytest.raises(ValueError, match="unknown attribute 'Smilng'. Did you mean"):
        local.generate({"Smilng": 1})
    with pytest.raises(ValueError, match="picture: expected uint8"):
        local.infer(picture / 255.0)
    with pytest.raises(ValueError, match="hidden: expected bool"):
        local.infer(picture, hidden=np.zeros((3, 3), bool))
    for empty in (picture[:0], picture[:, :0]):
        for ask in (local.infer, lambda it: local.edit(it, {"Smiling": 1}),
                    lambda it: local.complete(it, np.zeros(it.shape[:2], bool))):
            with pytest.raises(ValueError, match="picture: expected uint8 .* with at least one pixel"):
                ask(empty)


@pytest.mark.parametrize("seed", [-1, 2**31, 2**32 + 7, 1.5, "7", True])
def test_seeds_that_would_be_cast_are_refused(local, picture, seed):
    for ask in (lambda: local.generate(seed=seed),
                lambda: local.complete(picture, np.zeros((40, 60), bool), seed=seed, attributes={})):
        with pytest.raises(ValueError, match=f"seed={seed!r}: expected a whole number from 0 to 2147483647"):
            ask()
    with pytest.raises(ValueError, match="count=0: expected a whole number from 1"):
        local.generate(count=0)


def test_whole_numbers_of_numpy_are_whole_numbers(local):
    np.testing.assert_array_equal(local.generate(seed=np.int64(7), count=np.int32(1)), local.generate(seed=7))


def test_layers_are_those_of_the_pictures(local):
    arguments = {"seed": 7, "count": 2, "varied": False}
    drawn = local.generate_layers({"Smiling": 1}, **arguments)
    np.testing.assert_array_equal(drawn["images"], local.generate({"Smiling": 1}, **arguments))
    # In [-1, 1] the picture is x_F + g * x_B; each of the three is rounded to a level.
    fore, back = (drawn[name] / 127.5 - 1.0 for name in ("foregrounds", "backgrounds"))
    composed = np.clip(fore + drawn["gates"] / 255.0 * back, -1.0, 1.0)
    clipped = (drawn["foregrounds"] % 255 == 0) | (drawn["backgrounds"] % 255 == 0)
    np.testing.assert_allclose(np.where(clipped, 0.0, composed),
                               np.where(clipped, 0.0, drawn["images"] / 127.5 - 1.0), atol=0.02)


def test_at_temperature_0_all_seeds_draw_the_same(local):
    cold, same = (local.generate(seed=seed, varied=False, temperature=0)[0] for seed in (1, 2))
    np.testing.assert_array_equal(cold, same)
    warm, other = (local.generate(seed=seed, varied=False, temperature=1.0)[0] for seed in (1, 2))
    assert (warm != other).any()
    np.testing.assert_allclose(warm.astype(int), local.generate(seed=1, varied=False)[0], atol=1)
    for wrong in (-1, float("nan"), "warm"):
        with pytest.raises(ValueError, match=f"temperature={wrong!r}: expected a number of at least 0"):
            local.generate(temperature=wrong)


def test_a_progression_is_one_picture_at_several_amounts(local):
    walked = local.progression("Senior", [-1, 0.5, "max"], seed=7, varied=False)
    for picture, amount in zip(walked, (-1, 0.5, "max"), strict=True):
        alone = local.generate({"Senior": amount}, seed=7, varied=False, correlated=False)[0]
        np.testing.assert_allclose(picture.astype(int), alone, atol=1)
    along = local.progression("Senior", [2.0], seed=7, varied=False, correlated=True)
    np.testing.assert_allclose(along[0].astype(int), local.generate({"Senior": 2.0}, seed=7, varied=False)[0], atol=1)
    with pytest.raises(ValueError, match=r"amounts=\[\]: expected at least one"):
        local.progression("Senior", [])


def test_what_is_not_correlated_is_drawn_as_if_nothing_had_been_asked(clients, monkeypatch):
    client, sent = clients["folder"], []
    call = client.models.call
    monkeypatch.setattr(client.models, "call", lambda *names, **inputs: sent.append(inputs) or call(*names, **inputs))
    client.generate(seed=3, count=2)
    client.generate({"Male": 2.0}, seed=3, count=2, correlated=False)
    free, asked = (inputs["attributes"] for inputs in sent)
    np.testing.assert_array_equal(free[:, [0, 2]], asked[:, [0, 2]])
    np.testing.assert_allclose(asked[:, 1], client.schema.value("Male", 2.0), rtol=1e-6)


def test_inputs_of_another_type_are_converted_or_refused_by_name_everywhere(client):
    right = {"attributes": np.full((2, 3), 0.5, np.float32), "seed": np.array([[7, 0], [7, 1]], np.int32)}
    expected = client.models.call("generator", "generate", **right)["images"]
    found = client.models.call("generator", "generate", attributes=right["attributes"].astype(float).tolist(),
                               seed=right["seed"].astype(np.int64))["images"]
    np.testing.assert_array_equal(found, expected)
    for inputs, message in (({"seed": np.array([[7, 0], [2**32 + 7, 1]])}, "seed: expected numbers from .*4294967303"),
                            ({"seed": np.zeros((2, 2))}, "seed: expected whole numbers, got float64"),
                            ({"seed": np.zeros((2, 2), bool)}, "seed: expected whole numbers, got bool"),
                            ({"attributes": np.full((2, 3), 1e300)}, "attributes: expected numbers from .*1e.300"),
                            ({"attributes": np.full((2, 3), "a")}, "attributes: expected numbers, got <U1")):
        with pytest.raises(ValueError, match=message):
            client.models.call("generator", "generate", **right | inputs)


def test_pictures_of_pillow_are_taken_by_all_methods(local, picture):
    hidden = np.zeros((40, 60), bool)
    hidden[10:20, 25:40] = True
    of_pillow = Image.fromarray(picture)
    found, expected = local.infer(of_pillow, {}), local.infer(picture, {})
    np.testing.assert_array_equal(found.reconstruction, expected.reconstruction)
    np.testing.assert_array_equal(local.edit(of_pillow, {"Smiling": 1}, found=found),
                                  local.edit(picture, {"Smiling": 1}, found=expected))
    for seed in (1, 2):
        np.testing.assert_array_equal(local.complete(of_pillow, hidden, seed=seed, attributes={}),
                                      local.complete(picture, hidden, seed=seed, attributes={}))
    grey = Image.fromarray(picture[..., 0])
    np.testing.assert_array_equal(local.infer(grey, {}).latents,
                                  local.infer(np.repeat(picture[..., :1], 3, -1), {}).latents)


def test_a_region_is_what_the_model_sees(clients, picture, monkeypatch):
    client, turned = clients["folder"], TurnedSquare(30.0, 20.0, 25.0, 20.0)
    hidden = np.zeros((40, 60), bool)
    hidden[15:22, 25:34] = True
    small = turned.cut(picture, 32)
    # A picture of the model's size is seen as it is.
    np.testing.assert_array_equal(client.infer(picture, {}, region=turned).latents, client.infer(small, {}).latents)
    np.testing.assert_array_equal(client.edit(picture, {"Smiling": "max"}, region=turned),
                                  client.edit(small, {"Smiling": "max"}))
    filled = client.complete(picture, hidden, seed=1, attributes={}, region=turned)
    visible = ~turned.touched(hidden, 32)
    np.testing.assert_allclose(filled[visible].astype(int), turned.cut(picture, 32, hidden)[visible], atol=1)
    np.testing.assert_array_equal(client.infer(picture, {}, region=Square(10, 0, 40)).latents,
                                  client.infer(picture, {}).latents)
    monkeypatch.setattr(checks, "find_faces", lambda picture: [])
    for ask in (lambda: client.infer(picture, region="face"), lambda: client.put_back(picture, small, region="face"),
                lambda: client.edit(picture, {"Smiling": 1}, region="face"),
                lambda: client.complete(picture, hidden, region="face")):
        with pytest.raises(ValueError, match="region='face': no face was found"):
            ask()


def test_a_change_is_put_back_into_the_whole_photo(clients, picture):
    client, turned = clients["folder"], TurnedSquare(30.0, 20.0, 25.0, 20.0)
    small = turned.cut(picture, 32)
    np.testing.assert_array_equal(client.put_back(picture, small, region=turned), picture)
    changed = client.put_back(picture, 255 - small, region=turned)
    assert changed.shape == picture.shape and (changed[20, 30] != picture[20, 30]).any()
    assert (changed[:, :12] == picture[:, :12]).all() and (changed[:, 48:] == picture[:, 48:]).all()
    central = client.put_back(Image.fromarray(picture), client.infer(picture, {}).reconstruction)
    assert (central[:, :10] == picture[:, :10]).all() and (central[:, 10:50] != picture[:, 10:50]).any()
    for wrong in (picture, small / 255.0):
        with pytest.raises(ValueError, match=r"changed: expected uint8 \[32, 32, 3\], as `edit` and"):
            client.put_back(picture, wrong)


def test_what_is_hidden_is_not_sent(local, picture):
    hidden = np.zeros((40, 60), bool)
    hidden[10:21, 25:38] = True
    black, white = (local.infer(np.where(hidden[..., np.newaxis], np.uint8(level), picture), {}, hidden=hidden)
                    for level in (0, 255))
    np.testing.assert_array_equal(black.latents, white.latents)


@pytest.mark.parametrize(("inputs", "message"), [
    ({"attributes": np.zeros((2, 5), np.float32)}, "(?s)attributes.*shape|shape.*attributes"),
    ({"attributes": np.full((2, 3), np.nan, np.float32)}, "attributes: expected finite numbers"),
    ({"attributes": np.zeros((300, 3), np.float32), "seed": np.zeros((300, 2), np.int32)}, "from 1 to 256 rows")])
def test_refusals_name_the_input(client, inputs, message):
    with pytest.raises(ValueError, match=message):
        client.models.call("generator", "generate",
                           **{"attributes": np.zeros((2, 3), np.float32), "seed": np.zeros((2, 2), np.int32)} | inputs)
    assert client.generate(count=1).shape == (1, 32, 32, 3)  # it lives on


def test_what_is_not_there_is_reported(client):
    with pytest.raises(ValueError, match="paint"):
        client.models.call("generator", "paint", attributes=np.zeros((1, 3), np.float32))


def test_requests_of_the_same_moment_do_not_mix(client):
    seeds = range(16)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: client.generate(seed=seed, count=1, varied=False), seeds))
    for seed, drawn in zip(seeds, together, strict=True):
        np.testing.assert_allclose(drawn.astype(int), client.generate(seed=seed, count=1, varied=False), atol=1)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "grpc://127.0.0.1:9"])
def test_a_server_that_is_not_there_is_tried_and_reported(address, monkeypatch):
    pauses = []
    monkeypatch.setattr(remote.time, "sleep", pauses.append)
    with pytest.raises(ServerError, match="is not available after 5 attempts"):
        connect(address)
    assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.6])


def test_addresses_are_taken_with_a_slash_and_distinguished_from_folders(addresses):
    for kind in ("rest", "grpc"):
        assert connect(f"{addresses[kind]}/").image_size == 32
        assert connect(addresses[kind].replace("http", "HTTP").replace("grpc", "GRPC")).image_size == 32
    for address in ("localhost:8501", "127.0.0.1:8500/", "ftp://localhost:8501"):
        server = address.removeprefix("ftp://")
        with pytest.raises(ValueError, match=f"'{address}': expected .*'http://{server}' .* 'grpc://{server}'"):
            connect(address)


def test_a_new_version_is_served_when_the_folder_is_opened_anew(tmp_path):
    for version in ("1", "2"):
        (tmp_path / "generator" / version).mkdir(parents=True)
        assert LocalModels(tmp_path).newest("generator").name == version
