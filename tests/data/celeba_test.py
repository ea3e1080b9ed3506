"""CelebA: the path through the builder of tfds on small files in its own layout, with and without masks."""

import io
import os
import pathlib
import re
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from attr2image_tf import data
from attr2image_tf.data import foreground, preparing
from attr2image_tf.data.celeba import builder as celeba
from attr2image_tf.data.celeba import files as celeba_files
from attr2image_tf.data.dataset import SPLITS
from attr2image_tf.data.errors import DataError
from attr2image_tf.evaluation import pictures
from tests.data.official import one_sentence, prepares_meanwhile

SIZE = 32
COUNTS = {"train": 8, "validation": 3, "test": 4}
LISTED = ("5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair "
          "Blond_Hair Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup "
          "High_Cheekbones Male Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose "
          "Receding_Hairline Rosy_Cheeks Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat "
          "Wearing_Lipstick Wearing_Necklace Wearing_Necktie Young")
NAMES = LISTED.split()
LANDMARK_NAMES = ("lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x "
                  "rightmouth_y")
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
    """The official files of 15 pictures, and CelebAMask-HQ for all of them; `write` writes `pictures` as they are."""

    def __init__(self, folder):
        self.folder = folder / "source"
        self.celeba = self.folder / "celeba"
        self.celeba.mkdir(parents=True)
        self.attributes = np.random.default_rng(0).integers(0, 2, [len(FILES), 40])
        self.pictures = {file: jpeg(face(index)) for index, file in enumerate(FILES)}
        self.splits = [number for number, count in zip((0, 1, 2), COUNTS.values(), strict=True) for _ in range(count)]

    def write(self):
        with zipfile.ZipFile(self.celeba / "img_align_celeba.zip", "w") as archive:
            for file, content in self.pictures.items():
                archive.writestr(f"img_align_celeba/{file}", content)
        self.table("list_attr_celeba.txt", NAMES, 2 * self.attributes - 1)
        self.table("list_landmarks_align_celeba.txt", LANDMARK_NAMES.split(), np.full([len(FILES), 10], 90))
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


@pytest.mark.slow
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


def test_names_tell_people_and_files_from_the_archive_and_from_its_folder(small, tmp_path):
    source, _, dataset = small
    names = {split: {example["name"].decode(): shade(example) for example in read(dataset, split)} for split in SPLITS}
    told = {f"{index}_{file.partition('.')[0]}": index for index, file in enumerate(FILES)}
    assert {name: index for split in SPLITS for name, index in names[split].items()} == told
    shutil.copytree(source.celeba, tmp_path / "celeba", ignore=shutil.ignore_patterns("CelebAMask-HQ"))
    shutil.unpack_archive(tmp_path / "celeba" / "img_align_celeba.zip", tmp_path / "celeba")
    archived = celeba_files.names_by_content(tmp_path)
    (tmp_path / "celeba" / "img_align_celeba.zip").unlink()
    assert celeba_files.names_by_content(tmp_path) == archived and sorted(archived.values()) == sorted(told)
    (tmp_path / "celeba" / "identity_CelebA.txt").unlink()
    assert celeba_files.names_by_content(tmp_path) == {}


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


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files as Linux lists them")
def test_the_pictures_of_a_folder_are_not_open_all_at_once(tmp_path):
    for file in FILES:
        (tmp_path / file).write_bytes(b"")
    before = len(os.listdir("/proc/self/fd"))
    members = list(celeba_files._Files({}, None).iter_archive(tmp_path))
    assert [name for name, _ in members] == FILES and len(os.listdir("/proc/self/fd")) == before


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


@pytest.mark.slow
def test_predicted_masks_are_the_networks(small):
    source, prepared, dataset = small
    settings = foreground.Settings(widths=(4, 8))
    network = foreground.build(SIZE, settings.widths)
    foreground.save(network, foreground.network_dir(SIZE, prepared), settings, {"pixel_accuracy": 0.0})
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
    """Puts a line in the place of another, or after the last."""
    def damage(source):
        lines = (source.celeba / name).read_text().splitlines()
        lines[number - 1:number] = [text]
        source.lines(name, lines)
    return damage


def cut(name, characters, end=""):
    """Takes characters from the end of a list."""
    def damage(source):
        text = (source.celeba / name).read_text()
        (source.celeba / name).write_text(text[:-characters] + end)
    return damage


def page(name):
    def damage(source):
        (source.celeba / name).write_text("<!DOCTYPE html>\n<html>\n<body>Too many requests</body>\n</html>\n")
    return damage


def without(file):
    def damage(source):
        del source.pictures[file]
        source.write()
    return damage


def flip_a_byte(source):
    """Of a picture within the archive, whose checksum then is another."""
    path = source.celeba / "img_align_celeba.zip"
    content = path.read_bytes()
    at = content.index(source.pictures[FILES[3]]) + 300
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])


ATTRIBUTES, PARTITION, LANDMARKS, IDENTITIES = ("list_attr_celeba.txt", "list_eval_partition.txt",
                                                "list_landmarks_align_celeba.txt", "identity_CelebA.txt")
BROKEN = {
    **{f"no {name}": (lambda source, name=name: (source.celeba / name).unlink(), [name, "is missing", "FOLDER/celeba/"])
       for name in (ATTRIBUTES, PARTITION, LANDMARKS, IDENTITIES)},
    **{f"a page for {name}": (page(name), [name, "is a web page", "'<", "Fetch it from http"])
       for name in (ATTRIBUTES, PARTITION, LANDMARKS, IDENTITIES, "img_align_celeba.zip")},
    "a header over identities": (line(IDENTITIES, 1, "image identity"),
                                 [IDENTITIES, "line 1", "'image identity'", "from http"]),
    **{f"an empty {name}": (lambda source, name=name: (source.celeba / name).write_text(""), [name, *words])
       for name, words in ((ATTRIBUTES, ["line 2"]), (PARTITION, ["0 pictures of the train split", "cut off"]),
                           (LANDMARKS, ["line 2"]), (IDENTITIES, ["lists 000001.jpg", "no row in", "15 in all"]))},
    **{f"a blank line {where} {name}": (line(name, number, ""), [name, f"line {number}:", "found ''"])
       for name, header in ((ATTRIBUTES, 2), (PARTITION, 0), (LANDMARKS, 2), (IDENTITIES, 0))
       for where, number in (("within", header + 4), ("at the end of", header + len(FILES) + 1))},
    # The reader of tfds would pass over this row, which may be a part of one.
    **{f"{name} without its last line break": (cut(name, 1), [name, f"line {number}:", "cut off", "000015.jpg"])
       for name, number in ((ATTRIBUTES, 17), (LANDMARKS, 17), (IDENTITIES, 15))},
    **{f"{name} cut off within a row": (cut(name, 3), [name, f"line {number}:", "found '000015.jpg"])
       for name, number in ((ATTRIBUTES, 17), (LANDMARKS, 17), (PARTITION, 15))},
    "identities cut off within a row": (cut(IDENTITIES, 2), [IDENTITIES, "line 15", "line break after '000015.jpg 1'"]),
    "landmarks cut off between rows": (cut(LANDMARKS, 42, "\n"), [LANDMARKS, "line 1:", "14, found '15'", "cut off"]),
    "identities cut off between rows": (cut(IDENTITIES, 15, "\n"), ["lists 000015.jpg", "no row in identity_"]),
    "a landmark less": (line(LANDMARKS, 4, "000002.jpg" + 9 * " 90"), [LANDMARKS, "line 4", "10 whole numbers"]),
    "a landmark that is no number": (line(LANDMARKS, 4, "000002.jpg x" + 9 * " 90"), [LANDMARKS, "line 4", ".jpg x"]),
    "a broken landmark": (line(LANDMARKS, 4, "000002.jpg 1.5" + 9 * " 90"), [LANDMARKS, "line 4", ".jpg 1.5"]),
    "a huge landmark": (line(LANDMARKS, 4, f"000002.jpg {2**63}" + 9 * " 90"), [LANDMARKS, "line 4"]),
    "a landmark's name less": (line(LANDMARKS, 2, "lefteye_x"), [LANDMARKS, "line 2", "10 coordinates, found 1"]),
    "another landmark": (line(LANDMARKS, 2, LANDMARK_NAMES.replace("nose_x", "chin")), [LANDMARKS, "line 2", "nose_x"]),
    "another picture's landmarks": (line(LANDMARKS, 4, "000098.jpg" + 10 * " 90"),
                                    ["lists 000002.jpg", "no row in list_landmarks_align"]),
    "an identity that is no number": (line(IDENTITIES, 3, "000003.jpg Ann"), [IDENTITIES, "line 3", "a whole number"]),
    "two identities": (line(IDENTITIES, 3, "000003.jpg 5 6"), [IDENTITIES, "line 3", "'000003.jpg 5 6'"]),
    "another attribute": (line(ATTRIBUTES, 2, LISTED.replace("Male", "Tall")), [ATTRIBUTES, "line 2", "Male"]),
    "a picture twice": (line(PARTITION, 2, "000001.jpg 0"), [PARTITION, "line 2", "000001.jpg", "second time"]),
    "no test pictures": (cut(PARTITION, 4 * 13), [PARTITION, "0 pictures of the test split", "cut off"]),
    "no pictures": (lambda source: (source.celeba / "img_align_celeba.zip").unlink(),
                    ["img_align_celeba", "is missing", "img_align_celeba.zip"]),
    "a short row": (line("list_attr_celeba.txt", 5, "000003.jpg 1 -1"), ["list_attr_celeba.txt", "line 5"]),
    "a row less": (line("list_attr_celeba.txt", 1, "16"), ["list_attr_celeba.txt", "line 1", "cut off"]),
    "a name less": (line("list_attr_celeba.txt", 2, " ".join(NAMES[1:])), ["line 2", "40 attributes, found 39"]),
    "another split": (line("list_eval_partition.txt", 2, "000002.jpg 3"), ["list_eval_partition.txt", "line 2"]),
    "a picture less": (line("list_eval_partition.txt", 2, "000099.jpg 0"), ["lists 000099.jpg", "no row in list_attr"]),
    "a picture missing": (without("000004.jpg"), ["lists 000004.jpg", "no picture in"]),
    "no archive": (lambda source: (source.celeba / "img_align_celeba.zip").write_bytes(b"PK"), ["damaged"]),
}


@pytest.mark.parametrize("damage, words", BROKEN.values(), ids=BROKEN)
def test_broken_files_end_in_one_sentence_and_leave_nothing(damage, words, tmp_path):
    source = Source(tmp_path).write()
    damage(source)
    with one_sentence(words):
        opened(source, tmp_path)
    assert not (tmp_path / "prepared").exists()


def opened(source, tmp_path, **options):
    return celeba.open_celeba(image_size=SIZE, source_dir=source.folder, prepared_dir=tmp_path / "prepared", **options)


def builder_of(tmp_path, masks="none"):
    return celeba._builder(SIZE, masks, None, tmp_path / "prepared")


@pytest.mark.parametrize("folder", ["celeb_a", "celeb_a/2.1.0", "celeb_a/incomplete.ABC_2.1.0"])
def test_what_a_failed_run_left_is_no_prepared_set(folder, tmp_path):
    source = Source(tmp_path).write()
    damage, words = BROKEN["a short row"]
    damage(source)
    (tmp_path / "prepared" / folder).mkdir(parents=True)
    with pytest.raises(DataError) as caught:
        opened(source, tmp_path)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.slow
def test_the_same_command_works_once_the_files_are_mended(tmp_path, small):
    source = Source(tmp_path)
    for case in ("a short row", "a page for identity_CelebA.txt", "no archive"):
        BROKEN[case][0](source.write())
        for _ in range(2):
            with pytest.raises(DataError):
                opened(source, tmp_path)
    source.write()
    assert sorted(map(shade, read(opened(source, tmp_path), "test"))) == sorted(map(shade, read(small[2], "test")))


@pytest.mark.slow
def test_a_wrong_checksum_in_the_archive_ends_in_one_sentence_and_leaves_nothing(tmp_path):
    source = Source(tmp_path).write()
    flip_a_byte(source)
    with pytest.raises(DataError, match=r"^the files of CelebA in .*source.* damaged \(BadZipFile: .*"
                                        r"000004.jpg.*\)\. Fetch them again from http[^\n]*$"):
        opened(source, tmp_path)
    assert not [path for path in (tmp_path / "prepared").rglob("*") if "tfrecord" in path.name]
    assert opened(source.write(), tmp_path).counts == COUNTS


@pytest.mark.slow
def test_what_another_process_prepares_meanwhile_is_taken(tmp_path, monkeypatch):
    source = Source(tmp_path).write()
    prepares_meanwhile(monkeypatch, lambda: opened(source, tmp_path))
    waited, again = opened(source, tmp_path), opened(source, tmp_path)
    assert (waited.counts, waited.schema.to_json()) == (again.counts, again.schema.to_json())


@pytest.mark.slow
def test_a_prepared_celeb_a_needs_no_files(tmp_path, small):
    dataset = celeba.open_celeba(image_size=16, source_dir=tmp_path / "gone", prepared_dir=small[1])
    assert dataset.counts == COUNTS


GOOD = jpeg(face(2))
UNUSABLE = {
    "truncated": (GOOD[:len(GOOD) // 2], "does not decode (image file is truncated"),
    "garbage": (bytes(range(256)), "does not decode (it is in no known format)"),
    "empty": (b"", "does not decode (it is in no known format)"),
    "another size": (jpeg(face(2)[:, :170]), "is 170 x 218 pixels, expected 178 x 218"),
    "turned": (jpeg(face(2).swapaxes(0, 1)), "is 218 x 178 pixels, expected 178 x 218"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_why_a_picture_cannot_be_used_is_said(case):
    content, reason = UNUSABLE[case]
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        celeba._aligned_picture(content)


def test_a_picture_that_cannot_be_used_is_counted_named_and_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "LARGEST_UNDECODABLE_SHARE", 0.1)
    source = Source(tmp_path)
    source.pictures[FILES[2]], reason = UNUSABLE["another size"]
    dataset = opened(source.write(), tmp_path)
    assert dataset.counts == {**COUNTS, "train": COUNTS["train"] - 1}
    examples = read(dataset, "train")
    used = sorted(map(shade, examples))
    assert used == [0, 1, 3, 4, 5, 6, 7]
    for example in examples:
        np.testing.assert_array_equal(example["attributes"], source.attributes[shade(example)])
    np.testing.assert_allclose(dataset.schema.mean, source.attributes[used].mean(0), rtol=1e-6)
    builder = builder_of(tmp_path)
    assert dict(builder.info.metadata["skipped"]) == {"pictures that cannot be used": 1}
    [_, named] = (builder.data_path / "skipped.txt").read_text().splitlines()
    assert named.startswith(f"  2_000003 {reason}")


@pytest.mark.slow
def test_too_many_pictures_that_cannot_be_used_end_in_one_sentence_that_helps(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "LARGEST_UNDECODABLE_SHARE", 0.1)
    source = Source(tmp_path)
    good = dict(source.pictures)
    source.pictures[FILES[2]], reason = UNUSABLE["truncated"]
    source.pictures[FILES[9]] = source.pictures[FILES[2]]
    with pytest.raises(DataError) as caught:
        opened(source.write(), tmp_path)
    message = str(caught.value)
    # Of two splits: the share is of all pictures.
    for word in ("2 pictures cannot be used, more than 10%", "the last: celeb_a-validation", reason,
                 "Fetch img_align_celeba.zip again"):
        assert word in message
    assert "\n" not in message
    assert not [path for path in (tmp_path / "prepared" / "celeba_attributes").rglob("*") if "tfrecord" in path.name]
    folder = pathlib.Path(re.search(r"delete (\S+),", message)[1])
    assert folder == tmp_path / "prepared" / "celeb_a" / folder.name and (folder / "dataset_info.json").is_file()

    source.pictures = good
    source.write()
    shutil.rmtree(folder)
    assert opened(source, tmp_path).counts == COUNTS


def test_masked_pictures_that_cannot_be_used_are_left_out_up_to_a_share(tmp_path, monkeypatch):
    source = Source(tmp_path).write().write_masked()
    folder = source.celeba / "CelebAMask-HQ" / "CelebA-HQ-img"
    (folder / "2.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=rf"^{re.escape(str(folder))}: 1 pictures cannot be used, more than 2% "
                                        r"of those wanted; the last: 2 does not decode \([^\n]*\)\. Unpack "
                                        r"CelebAMask-HQ again\.$"):
        opened(source, tmp_path, masks="drawn")
    monkeypatch.setattr(preparing, "LARGEST_UNDECODABLE_SHARE", 0.1)
    assert opened(source, tmp_path, masks="drawn").counts == {**COUNTS, "train": COUNTS["train"] - 1}
    assert dict(builder_of(tmp_path, "drawn").info.metadata["skipped"]) == {"pictures that cannot be used": 1}


@pytest.mark.slow
def test_predicted_masks_lack_what_the_pictures_lack_and_need_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "LARGEST_UNDECODABLE_SHARE", 0.1)
    source = Source(tmp_path)
    source.pictures[FILES[2]] = b"no picture"
    dataset = opened(source.write(), tmp_path)
    settings = foreground.Settings(widths=(4, 8))
    foreground.save(foreground.build(SIZE, settings.widths), foreground.network_dir(SIZE, tmp_path / "prepared"),
                    settings, {"pixel_accuracy": 0.0})
    shutil.rmtree(source.folder)
    shutil.rmtree(tmp_path / "prepared" / "celeb_a")
    predicted = opened(source, tmp_path, masks="predicted")
    assert predicted.counts == dataset.counts == {**COUNTS, "train": COUNTS["train"] - 1}
    base, masked = builder_of(tmp_path), builder_of(tmp_path, "predicted")
    assert dict(masked.info.metadata["skipped"]) == {"pictures that cannot be used": 1}
    text = (masked.data_path / "skipped.txt").read_text()
    assert "does not decode" in text and text == (base.data_path / "skipped.txt").read_text()


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


REAL = os.environ.get("ATTR2IMAGE_DATA")


@pytest.mark.nightly
@pytest.mark.skipif(not REAL or not (pathlib.Path(REAL) / "celeba").is_dir(), reason="ATTR2IMAGE_DATA holds no celeba/")
def test_real_faces(tmp_path):
    """Pictures of the official layout: hair is where hair is, in the colour that attributes say; the listed split."""
    dataset = celeba.open_celeba(image_size=SIZE, source_dir=REAL, prepared_dir=tmp_path)
    listed = list(celeba_files.read_partition(celeba_files.find_files(REAL)["list_eval_partition.txt"]).values())
    assert dataset.counts == {split: listed.count(split) for split in SPLITS}
    assert dataset.schema.names == tuple(map(celeba_files.readable, NAMES)) and dataset.schema.binary.all()
    examples = read(dataset, "test")
    people = pictures.read(dataset, "test").people
    assert len(set(people)) < len(people) == len(examples)
    hair = np.array([example["image"][2:7, 10:22].mean() for example in examples])
    blond, black = (np.array([example["attributes"][dataset.schema.index(name)] for example in examples]) == 1
                    for name in ("Blond Hair", "Black Hair"))
    assert hair[blond].mean() > hair[black].mean() + 40
