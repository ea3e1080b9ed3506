"""Laws of the functions behind the page's tabs, on a tiny exported model."""

import dataclasses
import itertools
import json
import os
import socket
import sys
import types
import zipfile

import numpy as np
import pytest
import requests
from PIL import Image

from attr2image_tf.client import Client, ServerError
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.photos.reading import PictureError
from attr2image_tf.photos.square import Square
from export.studio import attributes, downloads, starting, subject
from tests import processes
from tests.export import tiny_models

pytestmark = pytest.mark.slow
gradio = pytest.importorskip("gradio", reason='the page needs Gradio: pip install ".[studio]"')

from export.studio import draw, errors, fill, page, walk  # noqa: E402
from export.studio import photo as photo_tab  # noqa: E402

SIZE = 32


@pytest.fixture(scope="module")
def client():
    return Client(tiny_models.local())


@pytest.fixture
def photo():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    return subject.Photo(pixels, (Square(5, 10, 32), Square(50, 10, 40)), ((8, 12, 30, 40), (55, 12, 85, 48)), "Two.")


@pytest.fixture
def seen(client, photo):
    return subject.look(client, photo, 1)


def schema_of(*names):
    values = np.random.default_rng(0).normal(size=(50, len(names)))
    values[:, -1] = 3.0
    return AttributeSchema.measure(names, values)


def test_every_attribute_that_varies_is_offered_once_and_groups_stay_together():
    schema = schema_of("Smiling", "Male", "Gray Hair", "Brown Eyes", "Bald", "has_bill_shape::hooked", "constant")
    labels, names = zip(*attributes.choices(schema), strict=True)
    assert sorted(names) == sorted(schema.names[:-1])
    groups = [label.partition(":")[0] for label in labels]
    assert len(set(groups)) == len(list(itertools.groupby(groups)))
    assert {"Hair: Gray Hair", "Hair: Bald", "Eyes: Brown Eyes", "Bill shape: hooked"} <= set(labels)


def test_attributes_of_other_data_have_no_invented_groups():
    assert attributes.choices(schema_of("Black", "Red", "constant")) == [("Black", "Black"), ("Red", "Red")]


def test_sliders_stay_within_what_training_has_seen():
    schema = schema_of("a", "b", "c")
    for name in "ab":
        least, most = attributes.seen(schema, name)
        values = [schema.value(name, amount) for amount in (least, most)]
        place = schema.index(name)
        assert schema.minimum[place] - 1e-3 <= values[0] < values[1] <= schema.maximum[place] + 1e-3
        assert least <= attributes.first_request(schema).get(name, least) <= most


def test_the_chart_has_the_largest_deviations_first_and_names_as_text():
    schema = schema_of("<b>", "small", "large", "constant")
    vector = schema.vector({"<b>": -1.0, "small": 0.5, "large": 2.0})
    chart = attributes.chart(schema, vector, count=2)
    assert "&lt;b&gt;" in chart and "<b>" not in chart and "small" not in chart and "constant" not in chart
    assert chart.index("+2.0") < chart.index("-1.0")


def test_drawing_gives_pictures_their_layers_and_all_of_it_as_a_file(client):
    arguments = {"seed": 3, "varied": True, "correlated": False, "temperature": 0.8}
    pictures, sheet, archive = draw.draw(client, {"Smiling": 1.0}, count=3, **arguments)
    assert [picture.shape for picture in pictures] == [(downloads.SHOWN, downloads.SHOWN, 3)] * 3
    assert sheet.shape[0] > 4 * SIZE and sheet.shape[1] > 3 * SIZE
    expected = client.generate({"Smiling": 1.0}, count=3, **arguments)
    with zipfile.ZipFile(archive) as file:
        assert json.loads(file.read("about.json")) == {"attributes": {"Smiling": 1.0}, **arguments}
        with file.open("02_picture.png") as content:
            np.testing.assert_array_equal(np.asarray(Image.open(content)), expected[1])
        assert {"03_foreground.png", "03_gate.png", "03_background.png"} <= set(file.namelist())


def test_a_model_without_layers_has_no_sheet_of_them(client):
    class Plain:
        def generate_layers(self, request, **others):
            return {"images": client.generate(request, **others)}

    pictures, sheet, _ = draw.draw(Plain(), {}, count=2, seed=0, varied=True, correlated=True, temperature=1.0)
    assert len(pictures) == 2 and sheet is None


def test_a_text_named_as_a_picture_is_refused_by_its_name_alone(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("no picture")
    with pytest.raises(PictureError, match=r"^'text.png' cannot be read as a picture"):
        subject.read(str(path))


def test_without_faces_the_middle_is_seen_and_a_sentence_says_why(monkeypatch):
    pixels = np.zeros((40, 60, 3), np.uint8)
    monkeypatch.setattr(subject, "check_installed", lambda: None)
    monkeypatch.setattr(subject, "find_faces", lambda picture: [])
    notes = {subject.make_photo(pixels, faces).note for faces in (True, False)}

    def missing():
        raise ValueError("finding faces needs mtcnn.")
    monkeypatch.setattr(subject, "check_installed", missing)
    made = subject.make_photo(pixels, True)
    assert "needs mtcnn" in made.note and made.regions == (Square(10, 0, 40),) and made.boxes == ((10, 0, 50, 40),)
    assert len(notes | {made.note}) == 3


def test_large_photos_are_made_smaller():
    made = subject.make_photo(np.zeros((10, 2 * subject.LARGEST_SIDE, 3), np.uint8), False)
    assert made.pixels.shape == (5, subject.LARGEST_SIDE, 3)
    # A visitor reads that, of this one alone.
    said = "The photo has 6,000 x 10 pixels; here, and in what can be downloaded, it has 3,000 x 5."
    assert made.note.endswith(f" {said}")
    assert "pixels" not in subject.make_photo(np.zeros((10, 20, 3), np.uint8), False).note


def test_the_chosen_face_has_a_frame_of_its_own_colour(photo):
    first, second = (subject.marked(photo, place) for place in (0, 1))
    for picture, chosen, other in ((first, (8, 12), (55, 12)), (second, (55, 12), (8, 12))):
        assert tuple(picture[chosen[1], chosen[0]]) == (255, 176, 0)
        assert tuple(picture[other[1], other[0]]) == (255, 255, 255)


def test_what_is_asked_for_as_it_was_found_changes_nothing(client, photo, seen):
    as_found = round(float(attributes.deviations(client.schema, seen.found.vector)[0]), 1)
    small, whole = subject.edit(client, seen, {"Smiling": as_found}, True)
    np.testing.assert_array_equal(small, seen.small)
    np.testing.assert_array_equal(whole, photo.pixels)


def test_an_edit_stays_in_its_part_of_the_photo_and_uses_what_was_found(client, photo, seen, monkeypatch):
    monkeypatch.setattr(client, "infer", lambda *_, **__: pytest.fail("the search was made again"))
    small, whole = subject.edit(client, seen, {"Smiling": 2.0, "Male": -2.0}, True)
    assert (small != seen.small).any()
    outside = np.ones(photo.pixels.shape[:2], bool)
    outside[10:50, 50:90] = False
    np.testing.assert_array_equal(whole[outside], photo.pixels[outside])
    assert (whole != photo.pixels).any()


def test_a_neighbour_keeps_its_face(client):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    regions = Square(5, 10, 40), Square(30, 10, 40)
    pair = subject.Photo(pixels, regions, ((5, 10, 45, 50), (30, 10, 70, 50)), "Two.")
    alone = dataclasses.replace(pair, regions=regions[:1], boxes=pair.boxes[:1])
    neighbour = regions[1].core((slice(0, 60), slice(0, 90))) == 1.0
    assert pair.others(regions[0]) == [regions[1]] and alone.others(regions[0]) == []
    hidden = np.zeros(pixels.shape[:2], bool)
    hidden[15:45, 8:42] = True
    for photo, kept in ((pair, True), (alone, False)):
        _, edited = subject.edit(client, subject.look(client, photo, 0), {"Smiling": 2.0, "Male": -2.0}, True)
        _, filled = next(fill.fill(client, photo, hidden, 1, 0))
        for whole in (edited, filled):
            assert (whole == pixels)[neighbour].all() == kept and (whole != pixels).any()


def test_filling_in_keeps_what_is_visible_and_gives_several_answers(client, photo):
    hidden = np.zeros(photo.pixels.shape[:2], bool)
    hidden[20:40, 60:80] = True
    assert fill.region_of(photo, hidden, SIZE) is photo.regions[1]
    smalls, wholes = zip(*fill.fill(client, photo, hidden, 3, 7), strict=True)
    for whole in wholes:
        np.testing.assert_array_equal(whole[~hidden], photo.pixels[~hidden])
        assert (whole[hidden] != photo.pixels[hidden]).any()
    assert len({small.tobytes() for small in smalls}) == 3
    again = list(fill.fill(client, photo, hidden, 2, 7))[1]
    np.testing.assert_array_equal(again[0], smalls[1])


def test_brush_strokes_are_scaled_to_the_photo():
    layer = np.zeros((30, 45, 4), np.uint8)
    layer[10:20, 15:30] = 255, 176, 0, 255
    hidden = fill.brushed({"layers": [layer]}, (60, 90))
    assert hidden[20:40, 30:60].all() and hidden.sum() == 20 * 30


@pytest.mark.parametrize("editor", [None, {"layers": []}, {"layers": [np.zeros((30, 45, 4), np.uint8)]}])
def test_nothing_brushed_over_is_said(editor):
    with pytest.raises(ValueError, match="Nothing is brushed over yet"):
        fill.brushed(editor, (60, 90))


def test_all_or_nothing_of_a_face_cannot_be_filled_in(client, photo):
    everything, corner = np.ones((2, *photo.pixels.shape[:2]), bool)
    corner[5:] = False
    for hidden, said in ((everything, "leave some of it"), (corner, "Nothing the model sees")):
        with pytest.raises(ValueError, match=said):
            next(fill.fill(client, photo, hidden, 1, 0))
    with pytest.raises(ValueError, match="seed=None: expected a whole number"):
        next(fill.fill(client, photo, corner, 1, None))


def test_a_walk_goes_from_the_least_to_the_most_of_training(client, seen):
    amounts = walk.amounts_of(client.schema, "Senior", 3)
    assert len(amounts) == 2 * walk.BETWEEN + 1 and amounts == sorted(amounts)
    assert (amounts[0], amounts[-1]) == attributes.seen(client.schema, "Senior")
    for frames in (walk.walk_drawn(client, "Senior", amounts, seed=1, correlated=False, temperature=1.0),
                   walk.walk_photo(client, seen, "Senior", amounts, correlated=False)):
        assert len(frames) == len(amounts) and (frames[0] != frames[-1]).any()
        with Image.open(downloads.animation(frames, "walk.webp")) as animated:
            assert animated.n_frames == 2 * len(frames) - 2 and animated.info["loop"] == 0


def test_a_tab_that_outlives_what_was_kept_for_it_is_told_to_give_the_photo_again():
    with pytest.raises(ValueError, match="give the photo again"):
        photo_tab.kept(None)


def test_events_of_sliders_that_the_server_has_forgotten_get_a_sentence():
    class Asked:
        url = types.SimpleNamespace(path="/gradio_api/queue/join")

    answer = page._say_that_it_is_forgotten(Asked, KeyError(7))
    assert answer.status_code == 410 and "give the photo again" in json.loads(answer.body)["detail"]
    Asked.url.path = "/gradio_api/upload"
    with pytest.raises(KeyError):
        page._say_that_it_is_forgotten(Asked, KeyError(7))


@pytest.mark.parametrize(("error", "said"), [
    (ValueError("seed='<x>': expected a number."), "seed=&#x27;&lt;x&gt;&#x27;: expected a number."),
    (ServerError("localhost is not available"), "localhost is not available"),
    (KeyError("/secret/path"), "The page made a mistake, of which its log says more.")])
def test_errors_are_sentences(error, said):
    def function():
        raise error

    def generator():
        yield 1
        raise error

    with pytest.raises(gradio.Error) as shown:
        errors.in_words(function)()
    assert shown.value.message == said
    results = errors.in_words(generator)()
    assert next(results) == 1
    with pytest.raises(gradio.Error) as shown:
        next(results)
    assert shown.value.message == said


def test_users_come_from_the_flag_the_environment_and_a_file(tmp_path):
    file = tmp_path / "users.txt"
    file.write_text("ann:with:colon\n\nbob:secret\n")
    assert starting.users(None, None, None) is None
    assert starting.users("eve:1", str(file), "joe:2") == [
        ("eve", "1"), ("joe", "2"), ("ann", "with:colon"), ("bob", "secret")]
    file.write_text("\n")
    with pytest.raises(ValueError, match="users.txt' is empty"):
        starting.users(None, str(file), None)
    file.write_text("ann:x\nsecret\n")
    with pytest.raises(ValueError, match="users.txt', line 2: expected USER:PASSWORD") as error:
        starting.users(None, str(file), None)
    assert "secret" not in str(error.value)


def test_without_gradio_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "export.studio.page", raising=False)
    monkeypatch.delattr("export.studio.page", raising=False)
    for name in ("draw", "fill", "photo", "walk", "controls", "errors"):
        monkeypatch.delitem(sys.modules, f"export.studio.{name}", raising=False)
    with pytest.raises(ValueError, match=r'pip install "\.\[studio,photos\]"'):
        starting.import_page()


@pytest.mark.parametrize("given", [None, "", "example.org, .local", "*"])
def test_the_page_asks_itself_past_all_proxies(monkeypatch, given):
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    if given is not None:
        monkeypatch.setenv("NO_PROXY", given)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    starting.keep_from_proxies("::1")
    for host in ("localhost", "127.0.0.1", "[::1]"):
        assert requests.utils.should_bypass_proxies(f"http://{host}:7860/", no_proxy=None)
    assert requests.utils.should_bypass_proxies("http://elsewhere.net/", no_proxy=None) == (given == "*")
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]
    assert not given or set(map(str.strip, given.split(","))) <= set(os.environ["no_proxy"].split(","))


@pytest.mark.parametrize("name", ["ALL_PROXY", "all_proxy", "https_proxy"])
def test_a_proxy_that_gradio_has_nothing_for_is_said(monkeypatch, name):
    monkeypatch.setattr(starting.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv(name, "socks5h://user:secret@127.0.0.1:9")
    with pytest.raises(ValueError, match=f"{name} is a SOCKS proxy.*pip install socksio") as error:
        starting.keep_from_proxies("127.0.0.1")
    assert "secret" not in str(error.value)


def test_an_address_that_cannot_be_listened_at_is_refused_at_once():
    starting.check_address("127.0.0.1", None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match=r"port=\d+ of host='127.0.0.1' is taken or not this machine's"):
            starting.check_address("127.0.0.1", taken.getsockname()[1])
    for host in ("192.0.2.1", "no.such.host.invalid", "2001:db8::1"):
        with pytest.raises(ValueError, match="is taken or not this machine's"):
            starting.check_address(host, None)
    assert all(map(starting.is_loopback, ("127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]")))
    assert not any(map(starting.is_loopback, ("0.0.0.0", "::", "192.0.2.1", "example.org")))


def test_folders_of_killed_pages_go_and_those_of_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(starting.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    killed = tmp_path / "attr2image_studio_killed"
    (killed / "visitor").mkdir(parents=True)
    (killed / "visitor" / "photo.jpg").write_bytes(b"a photo")
    (killed / ".lock").touch()
    unlocked, other = tmp_path / "attr2image_studio_new", tmp_path / "another"
    for folder in (unlocked, other):
        folder.mkdir()
    with starting.temporary_folder() as first:
        assert not killed.exists() and os.environ["GRADIO_TEMP_DIR"] == str(first)
        assert first.stat().st_mode & 0o077 == 0
        with starting.temporary_folder() as second:
            assert first.exists() and second.exists()
        assert first.exists() and not second.exists()
    assert sorted(tmp_path.iterdir()) == sorted([unlocked, other])


def test_where_nothing_can_be_locked_no_folder_is_taken_for_that_of_a_killed_page(tmp_path, monkeypatch):
    monkeypatch.setattr(starting.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    monkeypatch.setattr(starting, "lock", lambda path: open(path, "a"))  # noqa: SIM115
    with starting.temporary_folder() as first, starting.temporary_folder():
        assert first.exists()


def test_visitors_do_not_read_where_models_lie():
    assert starting.title("/home/ann/secret/models") == "models"
    assert starting.title("pretrained:faces") == "faces"
    assert "ann" not in starting.title("grpc://ann.internal:8500")


def test_the_main_complains_before_any_work():
    said = processes.run("export.studio", "--auth=nobody", expected=2).stderr
    assert "--auth: expected USER:PASSWORD" in said
