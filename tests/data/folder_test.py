"""The user's own pictures: what is read, joined, complained about, scaled and written."""

import io
import pathlib
import signal
import sys
import textwrap

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image, ImageDraw

from attr2image_tf import data
from attr2image_tf.data.dataset import SPLITS
from attr2image_tf.data.errors import DataError
from attr2image_tf.data.folder import builder as folder
from attr2image_tf.data.folder import check as folder_check
from attr2image_tf.data.folder import chunks as folder_chunks
from attr2image_tf.data.folder import report as folder_report
from attr2image_tf.data.folder.check import check_folder
from attr2image_tf.data.folder.table import read_table
from attr2image_tf.photos import faces, reading
from tests import processes

SIZE = 32
ENDINGS = ("jpg", "png", "webp", "bmp", "gif", "tif")


class Own:
    """A user's folder: 30 pictures of several formats and sizes, two attributes, a group for each three."""

    def __init__(self, place):
        self.images, self.masks, self.csv = place / "images", place / "masks", place / "attributes.csv"
        (self.images / "more").mkdir(parents=True)
        self.masks.mkdir()
        self.output = place / "prepared" / "own"
        self.names, self.rows = [], {}
        for index in range(30):
            name = f"{'more/' if index % 4 == 0 else ''}picture {index:02d}.{ENDINGS[index % 6]}"
            self.names.append(name)
            inside = np.zeros([60 + index, 80], np.uint8)
            inside[20:50, 20:50] = 255
            shade = np.where(inside[..., None] > 0, [255, 8 * index, 255], [0, 8 * index, 0]).astype(np.uint8)
            Image.fromarray(shade).save(self.images / name)
            Image.fromarray(inside).save(self.masks / f"picture {index:02d}.png")
            self.rows[name] = [f"{index / 10}", "yes" if index % 2 else "no", f"group {index // 3}"]
        self.header = ["file", "shade", "odd", "group"]

    def write(self, separator=","):
        lines = [self.header, *([name, *row] for name, row in self.rows.items())]
        self.csv.write_text("".join(separator.join(line) + "\n" for line in lines))
        return self

    def table(self, group="group"):
        return read_table(self.csv, group)

    def found(self, masks=True):
        return check_folder(self.images, self.table(), self.masks if masks else None)

    def prepared(self, masks=True, fit="mask", **options):
        return folder.prepare_folder(self.found(masks), self.table(), self.output, image_size=SIZE, fit=fit, **options)


@pytest.fixture
def own(tmp_path):
    return Own(tmp_path).write()


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """(user's folder, open data set, its examples by split and name)."""
    its = Own(tmp_path_factory.mktemp("own")).write()
    dataset = its.prepared()
    return its, dataset, read(dataset)


def oval(size):
    """A mask of some size with a shape in its middle."""
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).ellipse((size[0] // 4, size[1] // 4, 3 * size[0] // 4, 3 * size[1] // 4), fill=255)
    return mask


def read(dataset):
    return {split: {example["name"].decode(): example for example in dataset.examples(split).as_numpy_iterator()}
            for split in SPLITS}


def index_of(name):
    return int(name.rpartition(".")[0][-2:])


@pytest.mark.slow
class TestFolderBuilder(tfds.testing.DatasetBuilderTestCase):
    """What tfds asks of every builder."""

    DATASET_CLASS = folder.FolderPictures
    SPLITS = {"train": 24, "validation": 3, "test": 3}
    CONFIG = folder.FolderConfig(name=str(SIZE), image_size=SIZE, attribute_count=2)
    BUILDER_CONFIG_NAMES_TO_TEST = [CONFIG]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        place = pathlib.Path(tfds.testing.make_tmp_dir())
        cls.addClassCleanup(tfds.testing.rm_tmp_dir, str(place))
        cls.EXAMPLE_DIR = place
        its = Own(place).write()
        chunks = folder_chunks.Chunks(place / "chunks", its.found().pictures, image_size=SIZE, fit="mask")
        cls.SOURCE = folder.make_source(its.found(), its.table(), chunks, chunks.make())

    def _make_builder(self, config=None):
        return folder.FolderPictures(source=self.SOURCE, data_dir=self.tmp_dir, config=config or self.CONFIG)


def test_every_picture_is_in_one_split_and_no_group_in_two(ready):
    its, dataset, examples = ready
    groups = {split: {its.rows[name][2] for name in examples[split]} for split in SPLITS}
    assert sorted(name for split in SPLITS for name in examples[split]) == sorted(its.names)
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == 10
    assert dataset.counts == {"train": 24, "validation": 3, "test": 3}


def test_pictures_attributes_and_masks_belong_together(ready):
    its, dataset, examples = ready
    assert dataset.schema.names == ("shade", "odd") and dataset.has_masks
    for split in SPLITS:
        for name, example in examples[split].items():
            index = index_of(name)
            np.testing.assert_allclose(example["attributes"], [index / 10, index % 2], rtol=1e-6)
            assert abs(np.median(example["image"][..., 1]) - 8 * index) <= 8
            bright, mask = example["image"][..., 0] > 127, example["mask"][..., 0] > 127
            assert (bright == mask).mean() > 0.97 and mask.mean() == pytest.approx(0.64, abs=0.06)


def test_its_name_opens_it_again_and_other_sizes_are_refused(ready):
    its, dataset, examples = ready
    again = data.load(dataset.name, image_size=SIZE)
    assert dataset.name == f"folder:{its.output}" and set(read(again)["test"]) == set(examples["test"])
    with pytest.raises(DataError, match="prepared for --image_size=32, not 64"):
        data.load(dataset.name, image_size=64)
    with pytest.raises(DataError, match=r"holds no prepared pictures; make them with python -m trainers.prepare"):
        data.load(f"folder:{its.images}")
    with pytest.raises(ValueError, match="folder:PATH"):
        data.load("folder:")


def test_missing_values_become_the_mean_of_the_training_split(own):
    own.rows[own.names[3]][0] = ""
    own.rows[own.names[4]][0] = "n/a"
    own.write()
    examples = read(own.prepared())
    known = [index_of(name) / 10 for name in examples["train"] if index_of(name) not in (3, 4)]
    for name, example in {name: each for split in SPLITS for name, each in examples[split].items()}.items():
        expected = np.mean(known) if index_of(name) in (3, 4) else index_of(name) / 10
        assert example["attributes"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_rows_find_their_pictures(own, separator):
    # By path, by file name, without an ending, with the folder's name and with another system's separators.
    own.rows = {{0: name, 1: name.rpartition("/")[2], 2: name.rpartition(".")[0], 3: f"images/{name}",
                 4: name.replace("/", "\\")}[index % 5]: row for index, (name, row) in enumerate(own.rows.items())}
    own.write(separator)
    table = own.table()
    assert {picture.name: table.values[picture.row, 0] for picture in own.found().pictures} == {
        name: np.float32(index_of(name) / 10) for name in own.names}


def test_what_does_not_belong_together_is_named(own):
    del own.rows[own.names[1]]
    own.rows["gone.jpg"] = ["1", "no", "group 1"]
    (own.masks / "picture 02.png").unlink()
    (own.images / own.names[3]).write_bytes(b"no picture")
    (own.images / own.names[6]).write_bytes((own.images / own.names[12]).read_bytes())
    (own.masks / "picture 06.png").write_bytes((own.masks / "picture 12.png").read_bytes())
    oval((10, 10)).save(own.masks / "picture 07.png")
    for name in ("notes.txt", "more/IMG_1.psd.txt"):
        (own.images / name).write_text("not a picture")
    own.write()
    problems = own.found().problems
    assert problems["files of other endings, which were not read"] == ["more/IMG_1.psd.txt", "notes.txt"]
    assert problems["pictures without a row"] == [own.names[1]]
    assert problems["rows without a picture"] == ["gone.jpg (line 31)"]
    assert problems["pictures without a mask"] == [own.names[2]]
    unusable = sorted(problems["pictures that cannot be used"])
    assert unusable[0] == f"{own.names[3]} does not decode (it is in no known format)"
    assert unusable[1].startswith(f"{own.names[7]} is 80 x 67, its mask 10 x 10") and len(unusable) == 2
    # "more/..." comes first.
    assert problems["copies of a picture, of which the first is used"] == [f"{own.names[6]} is {own.names[12]}"]
    text = folder_report.report(own.found(), own.table(), folder.make_source(
        own.found(), own.table(), folder_chunks.Chunks("x", own.found().pictures, image_size=SIZE, fit="mask"), {}))
    for words in ("25 pictures can be used", "1 rows without a picture: gone.jpg (line 31)", "none in two splits"):
        assert words in text


def test_a_picture_that_breaks_off_is_left_out_and_named(own):
    path = own.images / own.names[1]
    noise = np.random.default_rng(0).integers(0, 255, [200, 200, 3], np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:-5000])
    oval((200, 200)).save(own.masks / "picture 01.png")
    [problem] = own.found().problems["pictures that cannot be used"]
    assert problem.startswith(f"{own.names[1]} does not decode")
    dataset = own.prepared()
    assert sum(dataset.counts.values()) == 29
    [text] = [each.read_text() for each in own.output.rglob("skipped.txt")]
    assert f"{own.names[1]} does not decode" in text


@pytest.mark.parametrize(("lowest", "largest", "reason"), [
    (0, 1, "has a mask without foreground (its largest value is 1; expected 255 on the object)"),
    (0, 0, "has a mask without foreground (its largest value is 0; expected 255 on the object)"),
    (128, 255, "has a mask that is foreground everywhere (its smallest value is 128; expected 0 around the object)")])
def test_masks_without_a_shape_stop_the_check(own, lowest, largest, reason):
    for index in range(30):
        path = own.masks / f"picture {index:02d}.png"
        if index < 3 or index % 2:
            shape = np.asarray(Image.open(path)) > 0
            Image.fromarray(np.where(shape, largest, lowest).astype(np.uint8)).save(path)
    found = own.found()
    assert f"{own.names[1]} {reason}" in found.problems["pictures that cannot be used"]
    with pytest.raises(DataError, match="17 of 30 pictures cannot be used, more than 2%; the first: .*Repair them"):
        own.prepared()
    assert not own.output.exists()


def test_too_many_that_cannot_be_scaled_stop_the_run(own, monkeypatch):
    found, table = own.found(), own.table()
    for name in own.names[:4]:
        (own.images / name).write_bytes(b"damaged since")
    with pytest.raises(DataError, match="4 of 30 pictures cannot be used"):
        folder.prepare_folder(found, table, own.output, image_size=SIZE, fit="mask")
    assert not list(own.output.rglob("*.tfrecord*"))


def test_names_that_look_alike_are_the_same(own):
    # As Windows and macOS take them: whatever the case, and "ö" in one character or two.
    Image.new("RGB", (50, 50), "red").save(own.images / "Gro\u0308\u00dfe.JPG", "jpeg")
    own.rows = {name.upper(): row for name, row in own.rows.items()} | {
        "gr\u00f6\u00dfe.jpg": ["7", "no", "group 1"]}
    own.write()
    found = own.found(masks=False)
    assert len(found.pictures) == 31 and not found.problems
    [picture] = [picture for picture in found.pictures if picture.name not in own.names]
    assert own.table().values[picture.row, 0] == 7.0
    # Rows that differ in nothing else are two.
    own.rows["GR\u00d6\u00dfE.jpg"] = ["8", "no", "group 1"]
    with pytest.raises(DataError, match="already has a row, line 32"):
        own.write().found(masks=False)
    del own.rows["GR\u00d6\u00dfE.jpg"]
    own.write()
    # But a picture of that very name comes first.
    Image.new("RGB", (50, 50), "blue").save(own.images / "gr\u00f6\u00dfe.jpg")
    assert own.found(masks=False).problems["pictures without a row"] == ["Gro\u0308\u00dfe.JPG"]


def test_a_mask_that_fits_by_its_letters_alone_goes_to_one_picture_or_none(own):
    (own.masks / "picture 01.png").rename(own.masks / "PICTURE 01.png")
    assert "pictures without a mask" not in own.found().problems
    # An ending within a name is a part of it.
    (own.images / own.names[3]).rename(own.images / "shoe.jpg.bmp")
    (own.masks / "picture 03.png").rename(own.masks / "shoe.jpg.png")
    own.rows["shoe.jpg.bmp"] = own.rows.pop(own.names[3])
    assert not own.write().found().problems
    # The mask of `lone.png` is not that of `LONE.png`; and nobody knows whose that of `pair.png` is.
    for name in ("lone.png", "LONE.png", "d/Pair.png", "e/pAIR.png"):
        (own.images / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (50, 50), (len(own.rows), 9, 9)).save(own.images / name)
        own.rows[name] = ["1", "no", "group 1"]
    for name in ("lone.png", "pair.png"):
        oval((50, 50)).save(own.masks / name)
    found = own.write().found()
    assert found.problems == {"pictures without a mask": ["LONE.png", "d/Pair.png", "e/pAIR.png"]}
    assert {picture.name: picture.mask.name for picture in found.pictures}["lone.png"] == "lone.png"
    # The row of the one is not that of the other, either.
    (own.images / "LONE.png").unlink()
    assert own.found().problems["rows without a picture"] == ["LONE.png (line 33)"]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "CMYK", "I;16"])
def test_a_tiff_is_turned_once(tmp_path, mode):
    levels = np.arange(40 * 20).reshape(20, 40) % 256
    stored = Image.fromarray((levels * 257).astype(np.uint16)) if mode == "I;16" else Image.fromarray(
        levels.astype(np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    stored.save(tmp_path / "images" / "a.tif", exif=exif)
    oval((20, 40)).save(tmp_path / "masks" / "a.png")
    (tmp_path / "attributes.csv").write_text("file,red\na.tif,1\n")
    [picture] = check_folder(tmp_path / "images", read_table(tmp_path / "attributes.csv"), tmp_path / "masks").pictures
    assert picture.size == (20, 40)
    expected = np.rot90(levels, -1)
    with Image.open(io.BytesIO(picture.path.read_bytes())) as opened:
        np.testing.assert_allclose(np.asarray(reading.as_seen(opened))[..., 0], expected, atol=1)
    np.testing.assert_allclose(reading.read(picture.path)[..., 0], expected, atol=1)
    small, _ = folder_chunks.make_small(picture.path, picture.mask, 20, "middle")
    np.testing.assert_allclose(small[..., 0], expected[10:30], atol=1)


def test_a_mask_of_16_bits_has_the_foreground_that_it_shows(tmp_path):
    levels = np.full([40, 40], 300, np.uint16)
    levels[:10, :10] = 65535
    Image.fromarray(levels).save(tmp_path / "mask.png")
    assert (np.asarray(folder_check.read_mask(tmp_path / "mask.png")) > 0).sum() == 100
    assert reading.read_hidden(tmp_path / "mask.png").sum() == 100


def test_a_table_of_other_pictures_is_reported_with_examples(own):
    own.rows = {f"other {name}": row for name, row in own.rows.items()}
    own.write()
    with pytest.raises(DataError, match="none can be used: 30 pictures without a row: more/picture 00.jpg, .*; 30 rows "
                                        "without a picture: other more/picture 00.jpg .line 2., "):
        own.found()
    own.rows[own.names[0]] = ["1", "no", "group 1"]
    with pytest.raises(DataError, match="1 pictures can be used, in 1 groups.*Not used: 29 pictures without a row"):
        own.write().prepared()


def test_pictures_are_turned_as_their_camera_says_and_transparency_is_white(tmp_path):
    picture = np.zeros([40, 80, 3], np.uint8)
    picture[:, :40] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(picture).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    image, mask = folder_chunks.make_small(tmp_path / "turned.jpg", None, 32, "whole")
    assert image[:14].min() > 240 and image[18:].max() < 15 and mask is None
    Image.fromarray(np.zeros([40, 40, 4], np.uint8)).save(tmp_path / "clear.png")
    assert folder_chunks.make_small(tmp_path / "clear.png", None, 32, "middle")[0].min() == 255


@pytest.mark.parametrize(("fit", "share"), [("middle", (0.5, 0.5)), ("whole", (0.25, 0.5)), ("mask", (0.8, 0.8))])
def test_what_is_kept_of_a_picture(tmp_path, fit, share):
    inside = np.zeros([400, 800], np.uint8)
    inside[100:300, 300:500] = 255
    Image.fromarray(inside).convert("RGB").save(tmp_path / "a.jpg", quality=95)
    # A mask of another scale; `share` is what it takes of the width and the height of what is kept.
    Image.fromarray(inside[::2, ::2]).save(tmp_path / "a.png")
    image, mask = folder_chunks.make_small(tmp_path / "a.jpg", tmp_path / "a.png", 40, fit)
    assert ((mask[..., 0] > 127).any(0).mean(), (mask[..., 0] > 127).any(1).mean()) == pytest.approx(share, abs=0.03)
    assert ((image.mean(-1) > 127) == (mask[..., 0] > 127)).mean() > 0.98


@pytest.fixture
def faced(monkeypatch):
    """Faces are found where a picture is bright or red, upright and 60 pixels large."""
    def find(picture):
        rows, columns = np.nonzero(picture[..., 0] > 200)
        if not len(rows):
            return []
        points = (np.array(faces.PLACES) - 0.5) * 60 + [columns.mean() + 0.5, rows.mean() + 0.5]
        return [faces.Face((0.0, 0.0, 1.0, 1.0), tuple(map(tuple, points.tolist())), 0.9)]

    monkeypatch.setattr(faces, "check_installed", lambda: None)
    monkeypatch.setattr(faces, "find_faces", find)


def test_a_face_and_its_mask_are_cut_by_one_region(tmp_path, faced):
    inside = np.zeros([400, 800], np.uint8)
    inside[120:150, 500:530] = 255
    Image.fromarray(inside).convert("RGB").save(tmp_path / "a.png")
    Image.fromarray(inside[::2, ::2]).save(tmp_path / "mask.png")
    image, mask = folder_chunks.make_small(tmp_path / "a.png", tmp_path / "mask.png", 40, "face")
    # Half of 60 pixels, which are 40 now.
    for small in (image.mean(-1), mask[..., 0]):
        assert (small[12:28, 12:28] > 200).all() and (small[:8] < 9).all() and (small[:, 32:] < 9).all()
    with pytest.raises(ValueError, match="has no face that can be detected"):
        folder_chunks.make_small(save(tmp_path / "dark.png", np.zeros((40, 40, 3), np.uint8)), None, 40, "face")


def test_pictures_without_a_face_are_counted_and_named(own, faced, caplog):
    for number, name in enumerate(own.names[:2]):
        save(own.images / name, np.full((70, 70, 3), 10 * number, np.uint8))
    prepared = own.prepared(masks=False, fit="face")
    assert sum(prepared.counts.values()) == 28
    skipped = (own.output / "folder_pictures" / str(SIZE) / "1.0.0" / "skipped.txt").read_text()
    none = "has no face that can be detected"
    assert all(f"{name} {none}" in skipped and f"Left out {name}: it has no face" in caplog.text
               for name in own.names[:2])
    # The same files framed otherwise are another set.
    with pytest.raises(DataError, match="prepared from other files or settings"):
        own.prepared(masks=False, fit="middle")


def test_a_folder_with_few_faces_is_refused(own, faced):
    for number, name in enumerate(own.names[:5]):
        save(own.images / name, np.full((70, 70, 3), 10 * number, np.uint8))
    with pytest.raises(DataError, match="5 of 30 pictures cannot be used.*has no face that can be detected"):
        own.prepared(masks=False, fit="face")


def test_without_what_finds_faces_nothing_is_begun(own, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(ValueError, match="finding faces needs mtcnn.*pip install"):
        own.prepared(masks=False, fit="face")
    assert not own.output.exists()


def save(path, picture):
    """Writes a picture; the path."""
    Image.fromarray(picture).save(path)
    return path


def test_masks_whose_shape_is_in_their_opacity_are_prepared_as_drawn_ones(own):
    drawn = read(own.prepared())
    for index in range(30):
        path = own.masks / f"picture {index:02d}.png"
        shape = np.asarray(Image.open(path))
        # Those that may have several pictures stay open otherwise.
        with Image.open(own.images / own.names[index]) as file:
            picture = np.asarray(file.convert("RGB"))
        layers = {0: [255 + 0 * shape, shape], 1: [255 + 0 * shape] * 3 + [shape], 2: [picture, shape]}[index % 3]
        Image.fromarray(np.dstack(layers)).save(path)
    assert not own.found().problems
    own.output = own.output.with_name("opacity")
    for split, examples in read(own.prepared()).items():
        for name, example in examples.items():
            np.testing.assert_array_equal(example["mask"], drawn[split][name]["mask"], err_msg=name)


def test_a_small_mask_is_the_share_of_its_pixels(tmp_path):
    inside = np.zeros([160, 160], np.uint8)
    inside[:, 63:97] = 255
    Image.fromarray(inside).convert("RGB").save(tmp_path / "a.png")
    Image.fromarray(inside).save(tmp_path / "mask.png")
    _, mask = folder_chunks.make_small(tmp_path / "a.png", tmp_path / "mask.png", 64, "middle")
    # 2.5 old pixels each: 62.5 to 65 and 95 to 97.5.
    np.testing.assert_array_equal(mask[0, 24:40, 0], [0, round(255 * 0.8), *[255] * 12, round(255 * 0.8), 0])


def test_links_in_circles_list_every_picture_once_and_the_prepared_set_is_left_out(own):
    (own.images / "current").symlink_to(".", target_is_directory=True)
    (own.images / "more" / "latest").symlink_to("..", target_is_directory=True)
    own.output = own.images / "prepared"
    own.output.mkdir()
    Image.new("RGB", (50, 50)).save(own.output / "contact_sheet.png")
    found = check_folder(own.images, own.table(), own.masks, without=[own.output])
    assert sorted(picture.name for picture in found.pictures) == sorted(own.names) and not found.problems


@pytest.mark.parametrize("ending", [".jfif", ".ppm", ".webp"])
def test_pictures_of_all_endings_are_read(own, ending):
    (own.images / own.names[1]).unlink()
    own.rows["other" + ending] = own.rows.pop(own.names[1])
    Image.new("RGB", (50, 50), "red").save(own.images / ("other" + ending))
    found = own.write().found(masks=False)
    assert len(found.pictures) == 30 and not found.problems


def test_a_first_row_in_place_of_the_header_is_reported(own):
    own.header = [own.names[0], "0.5", "yes", "group 1"]
    with pytest.raises(DataError, match="line 1: expected a header, found the row of the picture .*; write a line"):
        own.write() and check_folder(own.images, read_table(own.csv, wanted=lambda name: name != "group 1"))
    # Without endings only a picture of that name tells it from a header.
    own.csv.write_text("".join(f"picture {index:02d},{index},0\n" for index in range(1, 30)))
    with pytest.raises(DataError, match="line 1: expected a header, found the row of the picture 'picture 01'"):
        check_folder(own.images, read_table(own.csv))
    # A picture may be called as a column is.
    Image.new("RGB", (50, 50)).save(own.images / "file.png")
    own.header = ["file", "shade", "odd", "group"]
    assert len(own.write().found(masks=False).pictures) == 30


def test_other_ways_to_spell_its_folder_mean_the_same_set(own, monkeypatch):
    monkeypatch.chdir(own.output.parents[1])
    monkeypatch.setenv("HOME", str(own.output.parents[1]))
    for spelled in (own.output, f"{own.output}/", "prepared/own", "./prepared/own/", "~/prepared/own"):
        assert data.same_set("folder:prepared/own", f"folder:{spelled}"), spelled
    assert not data.same_set("folder:prepared/own", "folder:prepared/other")
    assert data.same_set("lfw", "lfw") and not data.same_set("cub:image", "cub:class")
    assert not data.same_set("folder:lfw", "lfw")


def test_what_hardly_varies_for_its_size_is_reported_and_the_rest_is_not(own):
    own.header = ["file", "tiny", "flat", "group"]
    own.rows = {name: [f"{4e-7 + index * 1e-8}", f"{1e6 + index * 1e-3}", "group " + str(index // 3)]
                for index, name in enumerate(own.names)}
    found, table = own.write().found(masks=False), own.table()
    source = folder.make_source(found, table, folder_chunks.Chunks("x", found.pictures, image_size=SIZE, fit="middle"),
                                {})
    text = folder_report.report(found, table, source)
    assert "Constant, so nothing can be learned of them: flat." in text and "4e-07" in text and "6.9e-07" in text


BAD_TABLES = {
    "no header": ("", "line 1: expected a header"),
    "one column": ("file\na.jpg\n", "line 1: expected a header of a file name and at least one attribute"),
    "no rows": ("file,red\n", "has a header but no rows"),
    "a name twice": ("file,red,blue,Red \na.jpg,1,2,3\n", "line 1: columns 2 and 4 have the same name, 'Red'"),
    "a row as the header, without endings": ("a,1,1\nb,2,2\n",
                                             "line 1: columns 2 and 3 have the same name, '1'. Is it a header"),
    "no name": ("file,red,\na.jpg,1,2\n", "line 1: column 3 has no name"),
    "a short line": ("file,red,blue\na.jpg,1,2\nb.jpg,1\n", "line 3: expected 3 columns as in the header, found 2"),
    "a word": ("file,red\na.jpg,1\n\nb.jpg,reddish\n", "line 4, column 'red': expected a number.*'reddish'"),
    "too large for float32": ("file,red\na.jpg,1\nb.jpg,3e21\n",
                              "line 3, column 'red': expected a number from -1e.18 to 1e.18, .*found '3e21'; write the "
                              "column in a larger unit"),
    "too small for float32": ("file,red\na.jpg,1e-20\nb.jpg,3e-20\n",
                              "column 'red': all values lie within 2e-20 of each other, .*; write them in a smaller"),
    "a row as the header": ("a.jpg,1,1\nb.jpg,2,2\n",
                            "line 1: expected a header, found the row of the picture 'a.jpg'"),
    "infinity": ("file,red\na.jpg,inf\n", "line 2, column 'red': .*'inf'"),
    "a file twice": ("file,red\na.jpg,1\na.jpg,2\n", "line 3: 'a.jpg' already has a row, line 2"),
    "a decimal comma": ("file;red\na.jpg;0,64\n", "line 2, column 'red': .*'0,64'. Write decimals with a point"),
    "an open quote": ('file,red,blue\na.jpg,1,2\nb.jpg,"1,2\nc.jpg,1,2\nd.jpg,1,2\n',
                      "line 3: expected 3 columns as in the header, found 2; a quotation mark that is opened there "
                      "reaches to line 5"),
    "an open quote in a long table": ('file,red\na.jpg,1\nb.jpg,"1\n' + 20_000 * "c.jpg,1\n",
                                      "line 3: cannot be read as CSV .*quotation mark that is opened there"),
    "a name over two lines": ('file,red\n"a.jpg,1\nb.jpg",1\n', "line 2: the file name reaches to line 3"),
    "old line ends": ('file;red\r"a,b.jpg";1\rc.jpg;reddish\r', "line 3, column 'red': .*'reddish'"),
    "no file": ("file,red\n,1\n", "line 2: the file name is missing"),
    "no group": ("file,red,group\na.jpg,1,\n", "line 2: 'group' is empty"),
    "no group column": ("file,red,blue\na.jpg,1,2\n", "line 1: there is no column 'group' .*; known: red, blue"),
    "nothing but the group": ("file,group\na.jpg,1\n", "line 1: expected at least one attribute besides the group"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_tables_are_reported_by_line_and_column(case, tmp_path):
    text, message = BAD_TABLES[case]
    (tmp_path / "attributes.csv").write_text(text)
    with pytest.raises(DataError, match=f"attributes.csv,? {message}"):
        read_table(tmp_path / "attributes.csv", "group" if "group" in case else None)


def test_a_table_that_is_none_is_reported(tmp_path):
    with pytest.raises(DataError, match="attributes.csv is missing"):
        read_table(tmp_path / "attributes.csv")
    (tmp_path / "attributes.csv").write_bytes("file,größe\na.jpg,1\n".encode("latin-1"))
    with pytest.raises(DataError, match="line 1: not a text in UTF-8.*save it as CSV in UTF-8"):
        read_table(tmp_path / "attributes.csv")
    with pytest.raises(DataError, match="is a folder; expected a CSV file"):
        read_table(tmp_path)


def test_what_may_mean_two_pictures_is_reported(own):
    for place in ("", "more/"):
        Image.new("RGB", (40, 40)).save(own.images / f"{place}same.png")
    own.rows["same.png"] = ["1", "no", "group 1"]
    assert own.write().found()  # the path below the folder
    own.rows = {"same": own.rows.pop("same.png")} | own.rows
    Image.new("RGB", (40, 40)).save(own.images / "same.jpg")
    with pytest.raises(DataError, match="line 2: 'same' may be 'same.jpg' or 'same.png'; write the path"):
        own.write().found()
    own.rows = {"picture 01": ["1", "no", "group 1"], own.names[1]: ["1", "no", "group 1"]}
    with pytest.raises(DataError, match=f"line 3: '{own.names[1]}' already has a row, line 2"):
        own.write().found()


def test_what_cannot_be_prepared_leaves_nothing(own):
    own.rows = {name: ["", *row[1:]] for name, row in own.rows.items()}
    own.write()
    with pytest.raises(DataError, match="no picture of the training split has a value for 'shade'"):
        own.prepared()
    own.rows = dict(list(own.rows.items())[:6])
    own.write()
    with pytest.raises(DataError, match="the train split would have 0 pictures: 6 pictures can be used, in 2 groups"):
        own.prepared()
    with pytest.raises(DataError, match="nowhere is missing; expected a folder of pictures"):
        check_folder(own.images / "nowhere", own.table())
    with pytest.raises(DataError, match="attributes.csv is a file; expected a folder of pictures"):
        check_folder(own.csv, own.table())
    assert not own.output.exists()


def test_a_folder_that_cannot_be_made_is_reported(own):
    with pytest.raises(ValueError, match=f"output='{own.csv}/own': '{own.csv}' is not a folder; name a folder"):
        folder.prepare_folder(own.found(), own.table(), own.csv / "own", image_size=SIZE)


def test_another_set_is_not_written_over_and_the_same_one_is_left(own):
    own.prepared()
    [written] = own.output.rglob("*test.tfrecord*")
    before = written.stat().st_mtime_ns
    own.prepared()
    assert written.stat().st_mtime_ns == before
    own.rows[own.names[0]][0] = "7"
    own.write()
    with pytest.raises(DataError, match=r"prepared from other files or settings .*; give another --name, or delete"):
        own.prepared()
    assert not list(own.output.glob(".chunks*"))


def test_without_masks_a_layered_model_is_refused(own):
    dataset = own.prepared(masks=False, fit="middle")
    assert not dataset.has_masks
    assert max(example["mask"].max() for example in dataset.examples("train").as_numpy_iterator()) == 0


@pytest.mark.nightly
def test_a_killed_run_goes_on_with_the_chunk_it_was_at(own, tmp_path, monkeypatch):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent("""
        import os, signal, sys
        from attr2image_tf.data.folder import builder as folder
        from attr2image_tf.data.folder import chunks as folder_chunks
        from attr2image_tf.data.folder.check import check_folder
        from attr2image_tf.data.folder.table import read_table
        folder_chunks.CHUNK, small, calls = 8, folder_chunks.make_small, []

        def small_or_die(*arguments):
            calls.append(1)
            if len(calls) > 20:
                os.kill(os.getpid(), signal.SIGKILL)
            return small(*arguments)

        folder_chunks.make_small = small_or_die
        table = read_table(sys.argv[1], "group")
        folder.prepare_folder(check_folder(sys.argv[2], table, sys.argv[3]), table, sys.argv[4], image_size=32,
                              fit="mask", threads=1)
    """))
    processes.run(script, own.csv, own.images, own.masks, own.output, expected=-signal.SIGKILL)
    # What was being written when it died is hidden.
    assert len(list(own.output.rglob("[!.]*.zip"))) == 2
    monkeypatch.setattr(folder_chunks, "CHUNK", 8)
    small, names = folder_chunks.make_small, []
    monkeypatch.setattr(folder_chunks, "make_small", lambda path, *rest: names.append(path.name) or small(path, *rest))
    dataset = own.prepared()
    assert len(names) == 14 and sum(dataset.counts.values()) == 30
    assert not list(own.output.rglob("*.zip")) and not list(own.output.rglob("*incomplete*"))


def test_files_that_were_changed_are_scaled_again(own):
    def chunks():
        return folder_chunks.Chunks(own.output / "chunks", own.found().pictures, image_size=SIZE, fit="whole")

    assert chunks().make() == {}
    first = {small.name: small.image for small in chunks().read()}
    Image.new("RGB", (64, 64), "red").save(own.images / own.names[1])
    oval((64, 64)).save(own.masks / "picture 01.png")
    chunks().make()
    second = {small.name: small.image for small in chunks().read()}
    assert {name for name in first if first[name] != second[name]} == {own.names[1]}


@pytest.mark.parametrize(("content", "encoding"), [
    ('file;Smiling;Senior\n"Smith, John.png";1;0\n', "utf-8"),
    ("sep=;\nfile;Smiling;Senior\nSmith, John.png;1;0\n", "utf-8"),
    ('sep=,\r\nfile,Smiling,Senior\r\n"Smith, John.png",1,0\r\n', "utf-8-sig"),
    ('file,Smiling,Senior\n"Smith, John.png",1,0\n', "utf-16-le"),
    ("file\tSmiling\tSenior\nSmith, John.png\t1\t0\n", "utf-16")])
def test_tables_of_spreadsheets_are_read_as_they_are_written(tmp_path, content, encoding):
    (tmp_path / "attributes.csv").write_bytes(content.encode(encoding))
    table = read_table(tmp_path / "attributes.csv")
    assert (table.keys, table.names) == (["Smith, John.png"], ("Smiling", "Senior"))
    assert table.values.tolist() == [[1.0, 0.0]]
    (tmp_path / "attributes.csv").write_text("file,Smiling\na.png,#N/A\nb.png,<NA>\nc.png,1\n")
    assert np.isnan(read_table(tmp_path / "attributes.csv").values[:2]).all()


def test_numbers_that_float32_takes_for_one_are_reported_with_what_to_do(tmp_path):
    rows = "".join(f"{number}.png,{1_700_000_000 + 60 * number}\n" for number in range(20))
    (tmp_path / "attributes.csv").write_text(f"file,taken\n{rows}")
    with pytest.raises(DataError, match="column 'taken': float32 cannot tell .* subtract 1700000000 from all"):
        read_table(tmp_path / "attributes.csv")
    (tmp_path / "attributes.csv").write_text("file," + ",".join(f"a{number}" for number in range(2500)) + "\n")
    with pytest.raises(DataError, match="2,500 columns; expected at most 2,000 attributes"):
        read_table(tmp_path / "attributes.csv")
