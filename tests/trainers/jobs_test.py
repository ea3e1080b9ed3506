"""What `python -m trainers.infer` makes of its flags, and of pictures. The command itself: tests/lfw_path_test.py."""

import json
import pathlib
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from attr2image_tf.client.local import LocalModels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.photos import faces
from attr2image_tf.photos.hiding import parse_hidden, parse_numbers
from attr2image_tf.photos.reading import PictureError
from attr2image_tf.photos.square import Square
from tests import processes
from tests.export import tiny_models
from trainers.infer_flags import NoFaceError, find_pictures, known_attributes, parse_region
from trainers.jobs import NUMBERS, Job, Result, batches, read_jobs, solve
from trainers.results import Results, name_results


@pytest.fixture
def folder(tmp_path):
    for name in ("b.JPG", "a.png", "deep/er/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), "white").save(tmp_path / name, "png")
    return tmp_path


def named(names, output="out", inputs=(), **options):
    """What `main` makes of --images and --output."""
    output = pathlib.Path(output)
    return name_results(find_pictures(names, output), output, inputs, **options)


def face(x, y, side):
    """A face whose region has a middle and a side."""
    points = (np.array(faces.PLACES) - 0.5) * side + [x, y]
    return faces.Face((x - side / 3, y - side / 3, x + side / 3, y + side / 3), tuple(map(tuple, points.tolist())), 0.9)


@pytest.fixture
def found(monkeypatch):
    """The faces that are found in every picture, to be filled."""
    result = []
    monkeypatch.setattr(faces, "check_installed", lambda: None)
    monkeypatch.setattr(faces, "find_faces", lambda picture: result)
    return result


@pytest.fixture(scope="module")
def schema():
    return AttributeSchema.measure(("Round", "Red"), np.random.default_rng(0).random((50, 2)))


def test_folders_are_searched_in_order(folder):
    assert list(named([folder])) == ["a", "b", "deep_er_c"]
    assert named([folder / "b.JPG"]) == {"b": folder / "b.JPG"}
    # A picture that is named twice is one.
    assert list(named([folder / "b.JPG", folder])) == ["b", "a", "deep_er_c"]
    [search] = find_pictures([folder], folder / "out")
    assert search.others == ["notes.txt"]


def test_a_tilde_is_the_home_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert named(["~/a.png"]) == {"a": folder / "a.png"}


@pytest.mark.parametrize(("names", "message"), [([], "--images is missing"),
                                                (["nowhere"], "images='nowhere' does not exist")])
def test_what_is_no_list_of_pictures_is_refused(names, message):
    with pytest.raises(ValueError, match=message):
        find_pictures(names, "out")


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no picture there; expected files such as .jpg"):
        find_pictures([tmp_path], "out")
    (tmp_path / "a.xyz").write_bytes(b"")
    with pytest.raises(ValueError, match="no picture there; .*; 1 other files were not read, such as a.xyz"):
        find_pictures([tmp_path], "out")


@pytest.mark.parametrize(("first", "second", "result"), [
    ("photo.jpg", "photo_result.jpg", "photo_result.png"), ("photo.jpg", "photo.bmp", "photo.png"),
    ("a/b.jpg", "a_b.jpg", "a_b.png")])
def test_two_results_are_never_one_file(tmp_path, first, second, result):
    for name in (first, second):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=f"of '.*' and of '.*' would both be written to 'out/{result}'; rename one"):
        named([tmp_path])
    (tmp_path / second).rename(tmp_path / "sheet.jpg")
    with pytest.raises(ValueError, match="sheet.jpg' and of the sheet of all would both be written to 'out/sheet.png'"):
        named([tmp_path])


def test_no_result_is_written_over_a_file_that_is_read(folder):
    for output in (folder, folder / "deep" / ".."):
        with pytest.raises(ValueError, match="result of '.*a.png' would overwrite '.*a.png', which is read"):
            named([folder / "a.png"], output)
        with pytest.raises(ValueError, match="is both the folder of pictures and that of results"):
            named([folder], output)
    # b.JPG gives b.png.
    assert list(named([folder / "b.JPG"], folder)) == ["b"]
    with pytest.raises(ValueError, match="would overwrite '.*b.png', which is read"):
        named([folder / "b.JPG"], folder, [folder / "b.png"])


def test_the_command_refuses_before_anything_is_opened(folder):
    before = (folder / "a.png").read_bytes()
    done = processes.run("trainers.infer", "--images=a.png", "--output=.", "--models=none", folder=folder, expected=2)
    assert "error: the result of 'a.png' would overwrite 'a.png', which is read" in done.stderr
    assert (folder / "a.png").read_bytes() == before


def test_results_within_the_folder_of_pictures_are_not_eaten(folder):
    before = list(named([folder], folder / "out"))
    (folder / "out").mkdir()
    for name in ("a.png", "a_result.png", "sheet.png"):
        Image.new("RGB", (6, 4)).save(folder / "out" / name)
    assert list(named([folder], folder / "out")) == before


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
    assert job.observed[5, 5] == 0 and (job.observed == 0).sum() == 1
    assert (job.shown()[5, 5] == 128).all()


def known(text, schema, *images):
    return known_attributes(text if text is None else str(text), schema, find_pictures(images, "out"))


@pytest.mark.parametrize("filling", [0, 255])
def test_what_is_hidden_is_not_seen(filling):
    picture = np.full((160, 160, 3), 90, np.uint8)
    hidden = np.zeros((160, 160), bool)
    hidden[40:99, 33:98] = True
    picture[hidden] = filling
    job = Job.make("a", "a.png", picture, Square(0, 0, 160), 64, hidden, None)
    assert (job.small[job.observed] == 90).all()


@pytest.mark.parametrize("broken", [[], [5], [4, 5], [0], [0, 1, 2, 3, 4, 5]])
def test_no_time_is_left_after_the_last_picture(tmp_path, broken):
    for number in range(6):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
        if number in broken:
            (tmp_path / f"{number}.png").write_bytes(b"no picture")
    pictures = {f"{number}": tmp_path / f"{number}.png" for number in range(6)}
    left_out = []
    jobs = read_jobs(pictures, 8, parse_region([], None), parse_hidden(None), lambda path: None, left_out)
    done = [([job.name for job in batch], left) for batch, left in batches(pictures, jobs, 2)]
    assert [name for names, _ in done for name in names] == [str(n) for n in range(6) if n not in broken]
    lefts = [left for _, left in done]
    assert lefts == sorted(lefts, reverse=True) and (not lefts or lefts[-1] == 0)
    assert len(left_out) == len(broken)


def read_faces(folder, number=None, hide=None):
    """The jobs of the faces of two pictures of 60 x 40 pixels, and what was left out."""
    for name in ("a", "b"):
        Image.new("RGB", (60, 40)).save(folder / f"{name}.png")
    pictures, left_out = {name: folder / f"{name}.png" for name in ("a", "b")}, []
    jobs = read_jobs(pictures, 8, parse_region(["face"], number), parse_hidden(hide), lambda path: None, left_out)
    return [job for _, job in jobs], left_out


def test_every_face_has_a_result_and_a_number_where_there_are_several(tmp_path, found):
    found.append(face(30, 20, 12))
    done, left_out = read_faces(tmp_path)
    assert [job.name for job in done] == ["a", "b"] and not left_out
    found.append(face(45, 20, 10))
    done, left_out = read_faces(tmp_path)
    assert [job.name for job in done] == ["a_1", "a_2", "b_1", "b_2"] and not left_out
    for job in done:
        number = job.about["face"]["number"]
        assert job.region == found[number - 1].region
        assert job.about["face"]["box"] == pytest.approx(found[number - 1].box, abs=0.01)
        assert job.about["face"]["of"] == 2
    done, left_out = read_faces(tmp_path, number=2)
    assert [job.name for job in done] == ["a", "b"] and all(job.region == found[1].region for job in done)


def test_photos_without_the_face_are_left_out(tmp_path, found):
    done, left_out = read_faces(tmp_path)
    assert not done and all(isinstance(error, NoFaceError) for error in left_out) and len(left_out) == 2
    found.append(face(30, 20, 12))
    done, left_out = read_faces(tmp_path, number=2)
    assert not done and [str(error) for error in left_out] == 2 * ["face=2: faces found in the photo: 1."]


def test_a_face_of_which_nothing_is_hidden_is_left_out_alone(tmp_path, found):
    found += [face(15, 20, 12), face(45, 20, 12)]
    done, left_out = read_faces(tmp_path, hide="42,18,48,22")
    assert [job.name for job in done] == ["a_2", "b_2"]
    assert len(left_out) == 2 and all("covers nothing of the region" in str(error) for error in left_out)


@pytest.mark.parametrize(("values", "number", "message"), [
    (["faces"], None, "region='faces': expected face, or left,top,side"),
    (["1", "2"], None, "region='1,2': expected face, or left,top,side"),
    ([], 2, "face=2: choosing a face needs --region=face"),
    (["1", "2", "3"], 1, "face=1: choosing a face needs --region=face")])
def test_regions_that_are_none_are_refused(values, number, message):
    with pytest.raises(ValueError, match=message):
        parse_region(values, number)


def test_without_what_finds_faces_nothing_is_begun(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(ValueError, match="pip install"):
        parse_region(["face"], None)


def test_the_record_says_where_a_face_was():
    job = Job.make("a", "a.png", np.zeros((40, 60, 3), np.uint8), face(30, 20, 12).region, 8, None, None)
    said = json.loads(json.dumps(job.region.as_json()))
    assert said["middle"] == pytest.approx([30, 20]) and said["side"] == pytest.approx(12)
    assert said["degrees"] == pytest.approx(0, abs=1e-6)
    assert Square(1, 2, 3).as_json() == [1, 2, 3]


@pytest.mark.parametrize("other", ["a_1.jpg", "a_12_result.jpg"])
def test_no_face_of_a_photo_gets_the_name_of_another_result(tmp_path, other):
    for name in ("a.png", other):
        Image.new("RGB", (6, 4)).save(tmp_path / name)
    assert len(named([tmp_path])) == 2
    with pytest.raises(ValueError, match=f"{other}' has the name that the result of a face of '.*a.png' may get"):
        named([tmp_path], numbered=True)


def test_no_face_goes_over_a_mask_that_is_read(folder):
    assert named([folder / "b.JPG"], folder, [folder / "b_1.png"])
    with pytest.raises(ValueError, match="b_1.png' has the name that the result of a face of '.*b.JPG' may get"):
        named([folder / "b.JPG"], folder, [folder / "b_1.png"], numbered=True)
    # Elsewhere it is in nobody's way.
    assert named([folder / "b.JPG"], folder / "out", [folder / "b_1.png"], numbered=True)


def test_attributes_come_from_a_request_or_a_table(folder, schema):
    np.testing.assert_array_equal(known("Red=max", schema, folder)(folder / "a.png"), schema.request("Red=max"))
    assert known(None, schema, folder)(folder / "a.png") is None
    table = folder / "table.csv"
    table.write_text("file,red,round\na.png,0.25,0.5\n")
    of = known(table, schema, folder)
    np.testing.assert_array_equal(of(folder / "a.png"), [0.5, 0.25])
    with pytest.raises(ValueError, match="no row for 'b.JPG'"):
        of(folder / "b.JPG")


@pytest.mark.parametrize("text", [
    "file;red;round\na.png;1;0.5\n\n", "file,red,shop,round\na.png,yes,X 7,0.5\n",
    "\ufefffile,Red,ROUND\nA.PNG,true,0.5\n", "file,red,round\n./a,1,0.5\n", "file,red,round\r\n{}\\a.png,1,0.5\r\n"])
def test_a_table_that_prepare_takes_is_taken(folder, schema, text):
    table = folder / "table.csv"
    table.write_text(text.format(folder.name), encoding="utf-8")
    for images in (folder, folder / "a.png"):
        np.testing.assert_array_equal(known(table, schema, images)(folder / "a.png"), [0.5, 1.0])


def test_missing_values_are_at_the_mean(folder, schema):
    (folder / "table.csv").write_text("file,red,round\na.png,,nan\nb,1,\n")
    of = known(folder / "table.csv", schema, folder)
    np.testing.assert_array_equal(of(folder / "a.png"), schema.mean)
    np.testing.assert_array_equal(of(folder / "b.JPG"), [schema.mean[0], 1.0])


@pytest.mark.parametrize(("text", "message"), [
    ("file,red\na.png,1\n", "has no column for Round"),
    ("file,red,round\na.png,1\n", "line 2: expected 3 columns"),  # the others of its reader: tests/data/folder_test.py
    ("file,read\na.png,1\n", "has no column for Round, Red"),
    ("file,red,round\na.png,1,1\na,2,2\n", "line 3: 'a.png' already has a row, line 2"),
    ("file,red,round,Round!\na.png,1,1,1\n", "two columns have the same attribute"),
    ("file,red,round\n1.png,1,1\n", "line 2: '1.png' may be 'p/1.png' or 'q/1.png'; write the path")])
def test_tables_that_do_not_fit_are_refused(folder, schema, text, message):
    (folder / "table.csv").write_text(text)
    for name in ("p/1.png", "q/1.png"):
        (folder / name).parent.mkdir()
        Image.new("RGB", (6, 4)).save(folder / name)
    with pytest.raises(ValueError, match=message):
        known(folder / "table.csv", schema, folder)


def test_a_folder_without_exports_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no generator; expected the folder that"):
        LocalModels(tmp_path)


class InProcess:
    """Calls the traced signatures, without an export."""

    def has(self, model, signature):
        return signature in tiny_models.functions("discvae")[model]

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
        numbers = result.numbers
        assert numbers["energy"] == pytest.approx(numbers["reconstruction_energy"] + numbers["prior_energy"], rel=1e-5)
        assert (result.attributes >= schema.minimum).all() and (result.attributes <= schema.maximum).all()


@pytest.mark.slow
def test_what_is_hidden_is_filled_in_and_the_rest_kept(optimizer):
    hidden = np.zeros((50, 70), bool)
    hidden[10:20, 10:30] = True
    batch = jobs(hidden)
    results = solve(optimizer, batch, None, 2, 0)
    for job, result in zip(batch, results, strict=True):
        assert len(result.columns) == 4
        visible = job.observed
        for column in list(result.columns.values())[1:]:
            np.testing.assert_array_equal(column[visible], job.small[visible])
        answers = [column[~visible].tolist() for column in list(result.columns.values())[1:]]
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


def made(job, level):
    """What `solve` might find for a job: the picture in another light."""
    numbers = dict(zip(NUMBERS, (1.0, 1.0, 0.0, 1, 1, 0), strict=True))
    return Result(np.full_like(job.small, level), {"recon-\nstruction": job.small}, np.zeros(2, np.float32), numbers)


def write_all(output, folder, schema, overwrite=False):
    """One command's results for the faces of the pictures in a folder; their names."""
    searches = find_pictures([folder], output)
    pictures = name_results(searches, output, [], numbered=True)
    results = Results(output, list(pictures), numbered=True, overwrite=overwrite)
    everything = parse_hidden(None)
    for _, job in read_jobs(pictures, 8, parse_region(["face"], None), everything, lambda path: None, []):
        results.write(job, made(job, 40 if job.name.endswith("1") else 220), schema, {}, everything)
    results.write_sheet()
    results.finish()
    return sorted(path.name for path in output.iterdir() if not path.name.startswith("."))


def test_faces_are_changed_each_alone_and_all_together(tmp_path, found, schema):
    photo = np.full((80, 120, 3), (100, 120, 140), np.uint8)
    (tmp_path / "in").mkdir()
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0112: 3, 0x0132: "2026:01:02 03:04:05"})
    Image.fromarray(photo).save(tmp_path / "in" / "a.jpg", exif=exif, quality=100)
    found += [face(30, 40, 40), face(90, 40, 40)]
    names = write_all(tmp_path / "out", tmp_path / "in", schema)
    assert names == ["a_1.json", "a_1.png", "a_1_result.png", "a_2.json", "a_2.png", "a_2_result.png", "a_result.png",
                     "sheet.png"]
    one, two, both = (Image.open(tmp_path / "out" / f"a{name}_result.png") for name in ("_1", "_2", ""))
    assert both.getexif().get(0x0132) == "2026:01:02 03:04:05" and both.getexif().get(0x0112) in (None, 1)
    one, two, both = (np.asarray(each).astype(int) for each in (one, two, both))
    assert (one[40, 30] < 60).all() and (two[40, 90] > 200).all()
    np.testing.assert_array_equal(both[:, :60], one[:, :60])
    np.testing.assert_array_equal(both[:, 60:], two[:, 60:])
    # One face the next time: nothing of the second is left, as if it were of now.
    found.pop()
    assert write_all(tmp_path / "out", tmp_path / "in", schema) == ["a.json", "a.png", "a_result.png", "sheet.png"]


@pytest.mark.parametrize("theirs", ["a.png", "a_result.png", "a.json", "sheet.png", "a_2.png", "a_1_result.png"])
def test_files_of_the_user_are_not_written_over(tmp_path, found, schema, theirs):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "in" / "a.jpg")
    found.append(face(30, 20, 12))
    output = tmp_path / "out"
    output.mkdir()
    (output / theirs).write_text("mine")
    with pytest.raises(ValueError, match=f"{theirs}' would be overwritten, and this command did not write it; name"):
        write_all(output, tmp_path / "in", schema)
    assert [path.name for path in output.iterdir()] == [theirs] and (output / theirs).read_text() == "mine"
    write_all(output, tmp_path / "in", schema, overwrite=True)
    write_all(output, tmp_path / "in", schema)
    assert not (output / theirs).exists() or (output / theirs).read_bytes() != b"mine"


def test_long_names_have_results(tmp_path, found, schema):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (60, 40)).save(tmp_path / "in" / f"{'n' * 250}.jpg")
    found.append(face(30, 20, 12))
    names = write_all(tmp_path / "out", tmp_path / "in", schema)
    assert len(names) == 4 and max(map(len, names)) <= 255
