"""What `python -m trainers.infer` makes of its flags, and of pictures. The command itself: tests/lfw_path_test.py."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from attr2image_tf.client.local import LocalModels
from attr2image_tf.client.photos import PictureError, Square
from attr2image_tf.data.schema import AttributeSchema
from tests.export import tiny_models
from trainers.jobs import Job, find_pictures, known_attributes, parse_hidden, parse_numbers, solve


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), "white").save(tmp_path / name, "png")
    return tmp_path


@pytest.fixture(scope="module")
def schema():
    return AttributeSchema.measure(("Round", "Red"), np.random.default_rng(0).random((50, 2)))


def test_folders_are_searched_in_order(folder):
    assert list(find_pictures([folder])) == ["a", "b", "deep_er_c"]
    assert find_pictures([folder / "b.JPG"]) == {"b": folder / "b.JPG"}


@pytest.mark.parametrize(("names", "message"), [
    ([], "--images is missing"), (["nowhere"], "images='nowhere' does not exist"),
    (["{}/a.png", "{}"], "would both be written as a.png")])
def test_what_is_no_list_of_pictures_is_refused(folder, names, message):
    with pytest.raises(ValueError, match=message):
        find_pictures([name.format(folder) for name in names])


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no picture there; expected files ending in .jpg"):
        find_pictures([tmp_path])


def test_boxes_hide_what_they_say():
    hidden = parse_hidden("1,0,3,2")(np.zeros((4, 6, 3)))
    assert hidden.shape == (4, 6) and hidden.sum() == 4 and hidden[:2, 1:3].all()
    assert parse_hidden(None)(np.zeros((4, 6, 3))) is None


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,x", "3,0,1,2", "-1,0,2,2", "1.5,0,2,2"])
def test_boxes_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match=f"hide='{text}': expected left"):
        parse_hidden(text)


def test_a_mask_of_another_size_is_refused(folder):
    hidden = parse_hidden(str(folder / "a.png"))
    assert hidden(np.zeros((4, 6, 3))).all()
    with pytest.raises(PictureError, match="has 6 x 4 pixels, the picture 5 x 5"):
        hidden(np.zeros((5, 5, 3)))


def test_numbers_are_whole_and_as_many_as_expected():
    assert parse_numbers(["4", " 5"], 2, "region", "two") == [4, 5]
    with pytest.raises(ValueError, match="region='4,y': expected two, whole numbers"):
        parse_numbers(["4", "y"], 2, "region", "two")


def test_a_pixel_is_hidden_when_any_part_of_it_is():
    hidden = np.zeros((40, 40), bool)
    hidden[11, 11] = True
    job = Job.make("a", "a.png", np.zeros((40, 40, 3), np.uint8), Square(0, 0, 40), 20, hidden, None)
    assert job.observed[5, 5, 0] == 0 and (job.observed == 0).sum() == 1
    assert (job.shown()[5, 5] == 128).all()


@pytest.mark.parametrize("everything", [True, False])
def test_hiding_all_or_nothing_is_refused(everything):
    with pytest.raises(ValueError, match="covers all" if everything else "covers nothing"):
        Job.make("a", "a.png", np.zeros((40, 40, 3), np.uint8), Square(0, 0, 20), 10, np.full((40, 40), everything),
                 None)


def test_attributes_come_from_a_request_or_a_table(tmp_path, schema):
    np.testing.assert_array_equal(known_attributes("Red=max", schema)(tmp_path / "a.png"), schema.request("Red=max"))
    assert known_attributes(None, schema)(tmp_path / "a.png") is None
    table = tmp_path / "table.csv"
    table.write_text("file,red,round\na.png,0.25,0.5\n")
    known = known_attributes(str(table), schema)
    np.testing.assert_array_equal(known(tmp_path / "a.png"), [0.5, 0.25])
    with pytest.raises(ValueError, match="no row for 'b.png'"):
        known(tmp_path / "b.png")


@pytest.mark.parametrize(("text", "message"), [
    ("file,red\na.png,1\n", "has no column for Round"), ("file,red,round\na.png,1,x\n", "line 2: expected a file name"),
    ("file,red,round\na.png,1\n", "line 2: expected a file name and 2 numbers"), ("file,read\n", "unknown attribute")])
def test_tables_that_do_not_fit_are_refused(tmp_path, schema, text, message):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        known_attributes(str(tmp_path / "table.csv"), schema)


def test_a_folder_without_exports_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no generator; expected the folder that"):
        LocalModels(tmp_path)


class InProcess:
    """Calls the traced signatures, without an export."""

    def call(self, model, signature, **inputs):
        function = tiny_models.functions("discvae")[model][signature]
        return {name: value.numpy() for name, value in function(**{
            name: tf.constant(value) for name, value in inputs.items()}).items()}


@pytest.fixture(scope="module")
def optimizer():
    return InProcess()


def jobs(hidden=None, attributes=None):
    pictures = np.random.default_rng(1).integers(0, 256, (2, 50, 70, 3), np.uint8)
    return [Job.make(f"{number}", f"{number}.png", picture, Square(5, 4, 40), 32, hidden, attributes)
            for number, picture in enumerate(pictures)]


@pytest.mark.slow
def test_pictures_are_explained(optimizer):
    schema = tiny_models.SCHEMA
    for job, result in zip(jobs(), solve(optimizer, jobs(), None, 0, 0), strict=True):
        assert list(result.columns) == ["recon-\nstruction"] and result.image.shape == job.small.shape
        assert result.energy == pytest.approx(result.reconstruction_energy + result.prior_energy, rel=1e-5)
        assert (result.attributes >= schema.minimum).all() and (result.attributes <= schema.maximum).all()


@pytest.mark.slow
def test_what_is_hidden_is_filled_in_and_the_rest_kept(optimizer):
    hidden = np.zeros((50, 70), bool)
    hidden[10:20, 10:30] = True
    batch = jobs(hidden)
    results = solve(optimizer, batch, None, 2, 0)
    for job, result in zip(batch, results, strict=True):
        assert len(result.columns) == 4
        kept = job.observed[..., 0] > 0
        for column in list(result.columns.values())[1:]:
            np.testing.assert_array_equal(column[kept], job.small[kept])
        answers = [column[~kept].tolist() for column in list(result.columns.values())[1:]]
        assert answers[0] != answers[1] != answers[2]
    again = solve(optimizer, batch, None, 2, 0)
    for one, other in zip(results, again, strict=True):
        assert all((one.columns[title] == other.columns[title]).all() for title in one.columns)


@pytest.mark.slow
def test_setting_what_is_so_already_changes_nothing(optimizer):
    schema = tiny_models.SCHEMA
    batch = jobs(attributes=schema.mean)
    same, other = (solve(optimizer, batch, lambda before, text=text: schema.request(text, base=before), 0, 0)
                   for text in ("Male=mean", "Male=max"))
    for job, one, two in zip(batch, same, other, strict=True):
        np.testing.assert_array_equal(one.attributes, schema.mean)
        np.testing.assert_allclose(one.image.astype(int), job.small, atol=1)
        assert (two.image != one.image).any()
