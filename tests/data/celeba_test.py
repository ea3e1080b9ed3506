"""CelebA: the path through the builder of tfds on small files in its own layout, with and without masks."""

import io
import os
import pathlib
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from attr2image_tf import data
from attr2image_tf.data import celeba, celeba_files, foreground, preparing
from attr2image_tf.data.dataset import SPLITS
from attr2image_tf.data.errors import DataError

SIZE = 32
COUNTS = {"train": 8, "validation": 3, "test": 4}
LISTED = ("5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair "
          "Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup "
          "High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
          "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat "
          "Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young")
NAMES = LISTED.split()
FILES = [f"{number:06d}.jpg" for number in range(1, 1 + sum(COUNTS.values()))]


def face(index):
    """A picture of 178 x 218: grey outside the crop, a shade of its own in it, white in its upper left quarter."""
    picture = np.full([218, 178, 3], 128, np.uint8)
    picture[30:210, 25:170] = 10 * index
    picture[30:120, 25:97] = 255
    return picture


def jpeg(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "jpeg", quality=95)
    return buffer.getvalue()


class Source:
    """The official files of 15 pictures, and CelebAMask-HQ for all of them."""

    def __init__(self, folder):
        self.folder = folder / "source"
        self.celeba = self.folder / "celeba"
        self.celeba.mkdir(parents=True)
        self.attributes = np.random.default_rng(0).integers(0, 2, [len(FILES), 40])
        self.splits = [number for number, count in zip((0, 1, 2), COUNTS.values(), strict=True) for _ in range(count)]

    def write(self):
        with zipfile.ZipFile(self.celeba / "img_align_celeba.zip", "w") as archive:
            for index, file in enumerate(FILES):
                archive.writestr(f"img_align_celeba/{file}", jpeg(face(index)))
        self.table("list_attr_celeba.txt", NAMES, 2 * self.attributes - 1)
        landmarks = [f"{name}_{axis}" for name in ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
                     for axis in "xy"]
        self.table("list_landmarks_align_celeba.txt", landmarks, np.full([len(FILES), 10], 90))
        self.lines("list_eval_partition.txt", [f"{file} {split}" for file, split in
                                               zip(FILES, self.splits, strict=True)])
        self.lines("identity_CelebA.txt", [f"{file} {index}" for index, file in enumerate(FILES)])
        return self

    def write_masked(self):
        """HQ number n is the aligned picture n + 1; hair and skin side by side, cloth below them."""
        place = self.celeba / "CelebAMask-HQ"
        (place / "CelebA-HQ-img").mkdir(parents=True)
        (place / "CelebAMask-HQ-mask-anno" / "0").mkdir(parents=True)
        parts = {"hair": np.s_[16:96, 16:64], "skin": np.s_[16:96, 64:112], "cloth": np.s_[96:, :]}
        for index in range(len(FILES)):
            (place / "CelebA-HQ-img" / f"{index}.jpg").write_bytes(jpeg(np.full([256, 256, 3], 10 * index, np.uint8)))
            for part, region in parts.items():
                mask = np.zeros([128, 128, 3], np.uint8)
                mask[region] = 255
                Image.fromarray(mask).save(place / "CelebAMask-HQ-mask-anno" / "0" / f"{index:05d}_{part}.png")
        self.table("CelebAMask-HQ/CelebAMask-HQ-attribute-anno.txt", NAMES, 2 * self.attributes - 1,
                   [f"{index}.jpg " for index in range(len(FILES))])
        self.lines("CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt", ["idx orig_idx orig_file"] + [
            f"{index} {index} {file}" for index, file in enumerate(FILES)])
        return self

    def without(self, file):
        with zipfile.ZipFile(self.celeba / "img_align_celeba.zip", "w") as archive:
            for other in FILES:
                if other != file:
                    archive.writestr(f"img_align_celeba/{other}", b"")

    def table(self, name, header, rows, files=FILES):
        self.lines(name, [str(len(rows)), " ".join(header)] + [
            f"{file} {' '.join(map(str, row))}" for file, row in zip(files, rows, strict=True)])

    def lines(self, name, lines):
        (self.celeba / name).write_text("\n".join(lines) + "\n")


def read(dataset, split):
    return list(dataset.examples(split).as_numpy_iterator())


def shade(example):
    """The picture's number, from its lower right quarter."""
    return round(example["image"][SIZE * 5 // 8:, SIZE * 5 // 8:].mean() / 10)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("ATTR2IMAGE_DATA", raising=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(source, prepared folder, data set without masks)."""
    folder = tmp_path_factory.mktemp("celeba")
    source = Source(folder).write().write_masked()
    return source, folder / "prepared", celeba.open_celeba(image_size=SIZE, source_dir=source.folder,
                                                           prepared_dir=folder / "prepared")


class TestCelebaBuilder(tfds.testing.DatasetBuilderTestCase):
    """What tfds asks of every builder."""

    DATASET_CLASS = celeba.CelebaAttributes
    SPLITS = COUNTS
    BUILDER_CONFIG_NAMES_TO_TEST = ["64", "64_drawn_masks"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(tfds.testing.make_tmp_dir())
        cls.EXAMPLE_DIR = Source(folder).write().write_masked().folder
        cls.addClassCleanup(tfds.testing.rm_tmp_dir, str(folder))

    def _make_builder(self, config=None):
        return celeba.CelebaAttributes(source_dir=self.EXAMPLE_DIR, data_dir=self.tmp_dir, config=config)


def test_split_and_attributes_are_the_official_ones(small):
    source, _, dataset = small
    assert dataset.counts == COUNTS and dataset.name == "celeba" and not dataset.has_masks
    assert dataset.schema.names[20] == "Male" and "Wearing Hat" in dataset.schema.names
    for number, split in enumerate(SPLITS):
        examples = read(dataset, split)
        assert sorted(map(shade, examples)) == [index for index, its in enumerate(source.splits) if its == number]
        for example in examples:
            np.testing.assert_array_equal(example["attributes"], source.attributes[shade(example)])
            assert example["mask"].max() == 0


def test_the_crop_is_the_papers(small):
    for example in read(small[2], "test"):
        corner = example["image"][:SIZE // 2 - 1, :SIZE // 2 - 1]
        # None of the grey beyond the crop; white to the middle, where the quarter ends.
        assert corner[1:, 1:].min() > 240 and abs(example["image"][-SIZE // 2 + 2:, -SIZE // 2 + 2:].astype(int)
                                                   - 10 * shade(example)).max() <= 4


def test_the_folder_that_comes_out_of_the_archive_serves_too(tmp_path, small):
    source = Source(tmp_path).write()
    with zipfile.ZipFile(source.celeba / "img_align_celeba.zip") as archive:
        archive.extractall(source.celeba)
    os.unlink(source.celeba / "img_align_celeba.zip")
    dataset = celeba.open_celeba(image_size=SIZE, source_dir=source.celeba, prepared_dir=tmp_path / "prepared")
    assert sorted(map(shade, read(dataset, "train"))) == sorted(map(shade, read(small[2], "train")))


def test_drawn_masks_are_all_parts_but_clothes(small):
    source, prepared, _ = small
    dataset = data.load("celeba:drawn", image_size=SIZE, source_dir=source.folder, prepared_dir=prepared)
    assert dataset.counts == COUNTS and dataset.has_masks and dataset.name == "celeba:drawn"
    expected = np.zeros([SIZE, SIZE], np.uint8)
    expected[4:24, 4:28] = 255
    for split in SPLITS:
        for example in read(dataset, split):
            np.testing.assert_array_equal(example["mask"][..., 0], expected)
            index = int(example["name"])
            assert abs(int(example["image"].mean()) - 10 * index) <= 2
            np.testing.assert_array_equal(example["attributes"], source.attributes[index])
            assert source.splits[index] == SPLITS.index(split)


def test_predicted_masks_are_the_networks(small):
    source, prepared, dataset = small
    settings = foreground.Settings(widths=(4, 8))
    network = foreground.build(SIZE, settings.widths)
    foreground.save(network, preparing.network_dir(SIZE, prepared), settings, {"pixel_accuracy": 0.0})
    predicted = celeba.open_celeba(image_size=SIZE, prepared_dir=prepared, masks="predicted")
    by_name = {example["name"]: example for example in read(dataset, "test")}
    for example in read(predicted, "test"):
        np.testing.assert_array_equal(example["image"], by_name[example["name"]]["image"])
        mask = foreground.predict(network, example["image"][None])[0].astype(int)
        # Another batch size may round the other way.
        assert np.abs(mask - example["mask"]).max() <= 1 and mask.std() > 0
    assert predicted.counts == COUNTS and predicted.schema.names == dataset.schema.names


def test_without_a_network_nothing_is_predicted(tmp_path, small):
    with pytest.raises(DataError, match="no foreground network.*trainers.train_foreground"):
        celeba.open_celeba(image_size=SIZE, source_dir=small[0].folder, prepared_dir=tmp_path / "p", masks="predicted")
    assert not (tmp_path / "p").exists()


def line(name, number, text):
    def damage(source):
        lines = (source.celeba / name).read_text().splitlines()
        lines[number - 1] = text
        source.lines(name, lines)
    return damage


BROKEN = {
    **{f"no {name}": (lambda source, name=name: (source.celeba / name).unlink(), [name, "is missing", "FOLDER/celeba/"])
       for name in ("list_attr_celeba.txt", "list_eval_partition.txt", "list_landmarks_align_celeba.txt",
                    "identity_CelebA.txt")},
    "no pictures": (lambda source: (source.celeba / "img_align_celeba.zip").unlink(),
                    ["img_align_celeba", "is missing", "img_align_celeba.zip"]),
    "a short row": (line("list_attr_celeba.txt", 5, "000003.jpg 1 -1"), ["list_attr_celeba.txt", "line 5"]),
    "a row less": (line("list_attr_celeba.txt", 1, "16"), ["list_attr_celeba.txt", "line 1", "cut off"]),
    "a name less": (line("list_attr_celeba.txt", 2, " ".join(NAMES[1:])), ["line 2", "40 attributes, found 39"]),
    "another split": (line("list_eval_partition.txt", 2, "000002.jpg 3"), ["list_eval_partition.txt", "line 2"]),
    "a picture less": (line("list_eval_partition.txt", 2, "000099.jpg 0"), ["lists 000099.jpg", "no row in list_attr"]),
    "a picture missing": (lambda source: source.without("000004.jpg"), ["lists 000004.jpg", "no picture in"]),
    "no archive": (lambda source: (source.celeba / "img_align_celeba.zip").write_bytes(b"PK"), ["damaged"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_end_in_one_sentence_and_leave_nothing(case, tmp_path):
    damage, words = BROKEN[case]
    source = Source(tmp_path).write()
    damage(source)
    with pytest.raises(DataError) as caught:
        celeba.open_celeba(image_size=SIZE, source_dir=source.folder, prepared_dir=tmp_path / "prepared")
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "prepared").rglob("*") if "tfrecord" in path.name]


def test_broken_masks_end_in_one_sentence(tmp_path):
    source = Source(tmp_path).write()
    with pytest.raises(DataError, match="CelebA-HQ-to-CelebA-mapping.txt is missing.*--celeba_masks=predicted"):
        celeba.open_celeba(image_size=SIZE, source_dir=source.folder, prepared_dir=tmp_path / "p", masks="drawn")
    source.write_masked()
    line("CelebAMask-HQ/CelebA-HQ-to-CelebA-mapping.txt", 3, "1 1 nobody.jpg")(source)
    with pytest.raises(DataError, match="mapping.txt, line 3: .*'1 1 nobody.jpg'"):
        celeba.open_celeba(image_size=SIZE, source_dir=source.folder, prepared_dir=tmp_path / "p", masks="drawn")
    with pytest.raises(ValueError, match="masks='painted'; expected none, drawn, predicted"):
        data.load("celeba:painted")
    assert celeba_files.readable("Wearing_Hat") == "Wearing Hat"
