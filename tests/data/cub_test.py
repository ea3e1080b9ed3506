"""CUB: crops, splits, attributes and masks from small archives in the official layout, and ways to break these."""

import io
import os
import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import logging
from PIL import Image

from attr2image_tf import data
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.data.cub import builder as cub
from attr2image_tf.data.cub import files as cub_files
from attr2image_tf.data.dataset import SPLITS
from attr2image_tf.data.errors import DataError
from tests.data.official import one_sentence, prepares_meanwhile, write_archive

SIZE = 32
BORDERED = 36
SPECIES = ["001.Black_Tern", "002.White_Gull"]
COUNT = 24


def encoded(array, kind):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **({"quality": 95} if kind == "jpeg" else {}))
    return buffer.getvalue()


class Source:
    """Both archives: 24 pictures of two species, bright rectangles on black; every third is for testing."""

    def __init__(self, folder):
        self.folder = folder / "source"
        (self.folder / "cub").mkdir(parents=True)
        self.names = {number: f"{SPECIES[number % 2]}/Bird_{number:04d}" for number in range(1, COUNT + 1)}
        self.boxes = {number: (20 + number, 30, 60 + number, 50) for number in self.names}
        self.pictures, self.masks = {}, {}
        for number, name in self.names.items():
            left, top, right, bottom = self.boxes[number]
            inside = np.zeros([90, 120], np.uint8)
            inside[top:bottom, left:right] = 255
            self.pictures[name] = encoded(np.repeat(inside[..., None], 3, -1), "jpeg")
            self.masks[name] = encoded(inside, "png")
        shares = np.random.default_rng(0).uniform(0, 100, [2, cub_files.ATTRIBUTE_COUNT])
        self.shares = shares.round(4)
        self.texts = {
            "images.txt": "".join(f"{number} {name}.jpg\n" for number, name in self.names.items()),
            "classes.txt": "".join(f"{number} {name}\n" for number, name in enumerate(SPECIES, start=1)),
            "image_class_labels.txt": "".join(f"{number} {number % 2 + 1}\n" for number in self.names),
            "train_test_split.txt": "".join(f"{number} {int(number % 3 > 0)}\n" for number in self.names),
            "attributes/class_attribute_labels_continuous.txt": "".join(" ".join(map(str, row)) + "\n"
                                                                        for row in self.shares),
            "../attributes.txt": "".join(f"{number} has_part_{number}::color_{number}\n"
                                         for number in range(1, cub_files.ATTRIBUTE_COUNT + 1)),
        }

    def label(self):
        """Adds labels of pictures; `expected` is what they mean."""
        generator = np.random.default_rng(1)
        labels = generator.integers(0, 2, [COUNT, cub_files.ATTRIBUTE_COUNT])
        certainties = generator.integers(1, 5, labels.shape)
        rows = [f"{number} {attribute + 1} {labels[number - 1, attribute]} {certainties[number - 1, attribute]} 1.5\n"
                for number in self.names for attribute in range(cub_files.ATTRIBUTE_COUNT)]
        # As in the official file, where some rows have a field too many.
        rows[5] = "1 6 0 1 3 1.5\n"
        certainties[0, 5] = 1
        self.texts["attributes/image_attribute_labels.txt"] = "".join(rows)
        belief = np.array([0.0, 0.5, 0.75, 1.0])[certainties - 1]
        shares = np.stack([self.shares[number % 2] / 100 for number in self.names])
        self.expected = {name: belief[number - 1] * labels[number - 1] + (1 - belief[number - 1]) * shares[number - 1]
                         for number, name in self.names.items()}
        return self

    def write(self):
        members = {f"CUB_200_2011/images/{name}.jpg": content for name, content in self.pictures.items()}
        members |= {str(pathlib.PurePosixPath("CUB_200_2011") / name).replace("CUB_200_2011/../", ""): text.encode()
                    for name, text in self.texts.items()}
        write_archive(self.folder / "cub" / cub_files.PICTURES, members)
        write_archive(self.folder / "cub" / cub_files.SEGMENTATIONS,
                      {f"segmentations/{name}.png": content for name, content in self.masks.items()})
        return self


def opened(source, prepared, **options):
    return cub.open_cub(image_size=SIZE, source_dir=source, prepared_dir=prepared, **options)


def read(dataset):
    return {split: {example["name"].decode(): example for example in dataset.examples(split).as_numpy_iterator()}
            for split in SPLITS}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("ATTR2IMAGE_DATA", raising=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(source, prepared folder, open data set, its examples by split and name), with labels of pictures."""
    folder = tmp_path_factory.mktemp("cub")
    source = Source(folder).label().write()
    dataset = opened(source.folder, folder / "prepared")
    return source, folder / "prepared", dataset, read(dataset)


@pytest.mark.slow
class TestCubBuilder(tfds.testing.DatasetBuilderTestCase):
    """What tfds asks of every builder."""

    DATASET_CLASS = cub.CubAttributes
    SPLITS = {"train": 14, "validation": 2, "test": 8}
    BUILDER_CONFIG_NAMES_TO_TEST = ["64_class", "64_image"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(tfds.testing.make_tmp_dir())
        cls.EXAMPLE_DIR = Source(folder).label().write().folder
        cls.addClassCleanup(tfds.testing.rm_tmp_dir, str(folder))

    def _make_builder(self, config=None):
        return cub.CubAttributes(source_dir=self.EXAMPLE_DIR, data_dir=self.tmp_dir, config=config)


def test_the_official_split_with_a_tenth_of_training_held_out(small):
    source, _, dataset, examples = small
    assert dataset.counts == {"train": 14, "validation": 2, "test": 8}
    assert set(examples["test"]) == {name for number, name in source.names.items() if number % 3 == 0}
    assert set().union(*examples.values()) == set(source.names.values())


def test_labels_of_pictures_are_believed_as_far_as_people_were_sure(small):
    source, _, dataset, examples = small
    assert dataset.name == "cub:image"
    for split in SPLITS:
        for name, example in examples[split].items():
            np.testing.assert_allclose(example["attributes"], source.expected[name], atol=1e-6)
    assert dataset.schema.names[:2] == ("part 1: color 1", "part 2: color 2")


def test_attributes_of_species_are_their_percentages(small):
    source, prepared, _, _ = small
    for example in opened(source.folder, prepared, attributes="class").examples("test").as_numpy_iterator():
        kind = SPECIES.index(example["name"].decode().partition("/")[0])
        np.testing.assert_allclose(example["attributes"], source.shares[kind] / 100, atol=1e-6)


def test_without_labels_of_pictures_the_species_are_taken_and_said_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(logging, "info", lambda text, *values: said.append(text % values))
    source = Source(tmp_path).write()
    dataset = opened(source.folder, tmp_path / "prepared")
    assert dataset.name == "cub:class"
    assert len([line for line in said if "no image_attribute_labels.txt" in line]) == 1
    # Again, now without the archive.
    assert opened(None, tmp_path / "prepared").name == "cub:class"


@pytest.mark.parametrize("labelled", [True, False])
def test_what_another_process_prepares_meanwhile_is_taken(labelled, tmp_path, monkeypatch):
    source = Source(tmp_path)
    source = (source.label() if labelled else source).write()
    prepares_meanwhile(monkeypatch, lambda: opened(source.folder, tmp_path / "prepared"))
    waited = opened(source.folder, tmp_path / "prepared")
    again = opened(None, tmp_path / "prepared")
    assert (waited.name, waited.counts) == (again.name, again.counts)
    assert waited.schema.to_json() == again.schema.to_json()


def test_birds_fill_the_crop_and_masks_lie_on_them(small):
    source, _, dataset, examples = small
    for split in SPLITS:
        for example in examples[split].values():
            assert example["image"].shape == (SIZE, SIZE, 3) and example["mask"].shape == (SIZE, SIZE, 1)
            bright, mask = example["image"].mean(-1) > 127, example["mask"][..., 0] > 127
            assert (bright == mask).mean() > 0.97
            # 40 pixels of a box of 50 fill 28.8 of 36 pixels; the shape of the bird is kept: 20 of 50 high.
            assert abs(mask.any(0).sum() - 28.8) <= 1.5 and abs(mask.any(1).sum() - 14.4) <= 1.5


def test_at_the_edge_the_crop_moves_into_the_picture_and_invents_nothing():
    inside = np.zeros([40, 200], np.uint8)
    inside[5:35, 0:100] = 255
    image, mask = cub_files.crop(encoded(np.repeat(inside[..., None], 3, -1), "jpeg"), encoded(inside, "png"), 40)
    # A box of 125 x 125 is cut to 125 x 40 and squeezed; the bird keeps its 100 of 125 and 30 of 40 pixels.
    assert mask.shape == (40, 40, 1) and (mask[5:35, :32] == 255).all() and mask[:, 33:].max() == 0
    assert image[10:30, 2:30].min() > 240


def test_training_crops_move_and_hold_whole_birds(small):
    dataset = small[2]
    sizes = {example["image"].shape for example in dataset.bordered("train").as_numpy_iterator()}
    assert sizes == {(BORDERED, BORDERED, 3)}
    crop = AugmentationConfig(0.0, 1.0, 1.0, 0.0, cropped_size=SIZE)
    reader = BatchReader(dataset, batch_size=14, seed=0, augmentation=crop)
    masks = [next(iter(reader.training(epoch)))["mask"].numpy() for epoch in range(4)]
    assert masks[0].shape == (14, SIZE, SIZE, 1)
    places = {tuple(np.argwhere(mask[..., 0] > 0.5).min(0)) for batch in masks for mask in batch}
    assert len(places) >= 10
    # The tight box takes four fifths of the border's width, so none is cut by more than a pixel's fraction.
    assert {int((mask[..., 0] > 0.5).any(0).sum()) for batch in masks for mask in batch} <= {28, 29, 30}


def test_a_crop_needs_a_border():
    emblems = data.load("emblems", image_size=SIZE)
    with pytest.raises(ValueError, match="'emblems' has no border to crop.*leave out --crop"):
        BatchReader(emblems, batch_size=2, seed=0, augmentation=AugmentationConfig(cropped_size=SIZE))


def test_the_name_of_an_open_set_opens_it_again(small):
    _, prepared, dataset, examples = small
    again = data.load(dataset.name, image_size=SIZE, prepared_dir=prepared)
    assert again.name == dataset.name and set(read(again)["test"]) == set(examples["test"])


def test_what_does_not_fit_is_counted_named_and_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(cub.preparing, "LARGEST_UNDECODABLE_SHARE", 0.5)
    source = Source(tmp_path)
    del source.pictures[source.names[1]]
    del source.masks[source.names[2]]
    source.masks[source.names[3]] = encoded(np.zeros([90, 120], np.uint8), "png")
    source.masks[source.names[4]] = encoded(np.zeros([45, 60], np.uint8), "png")
    source.pictures[source.names[5]] = b"not a jpeg"
    source.write()
    dataset = opened(source.folder, tmp_path / "prepared", attributes="class")
    assert sum(dataset.counts.values()) == COUNT - 5
    [text] = [path.read_text() for path in (tmp_path / "prepared").rglob("skipped.txt")]
    for number, words in {1: "", 2: "has no segmentation", 3: "has an empty segmentation",
                          4: "is 120 x 90, its segmentation 60 x 45", 5: "does not decode"}.items():
        assert f"{source.names[number]} {words}".strip() in text


def changed(name, line, text):
    def damage(source):
        lines = source.texts[name].splitlines()
        lines[line - 1] = text
        source.texts[name] = "\n".join(lines) + "\n"
    return damage


def without(name):
    return lambda source: source.texts.pop(name)


SHARES = "attributes/class_attribute_labels_continuous.txt"
BROKEN = {
    "no images.txt": (without("images.txt"), ["holds no images.txt"]),
    "no names": (without("../attributes.txt"), ["holds no attributes.txt"]),
    "a word for a number": (changed("images.txt", 3, "three x.jpg"), ["images.txt", "line 3", "'three x.jpg'"]),
    "a number twice": (changed("train_test_split.txt", 4, "3 1"), ["train_test_split.txt", "line 4"]),
    "a picture too many": (changed("image_class_labels.txt", 4, "99 1"), ["image_class_labels.txt", "picture 4"]),
    "an unknown species": (changed("image_class_labels.txt", 4, "4 7"), ["picture 4 is of species 7", "classes.txt"]),
    "a short row": (changed(SHARES, 2, "1.0 2.0"), ["class_attribute_labels_continuous.txt", "line 2", "312"]),
    "a share above one": (changed(SHARES, 1, " ".join(["101"] * 312)), ["line 1", "percentages"]),
    "labels that are none": (lambda source: source.texts.update({
        "attributes/image_attribute_labels.txt": "1 1 2 9 x\n" * 100}), ["100 of 100 rows", "line 1: 1 1 2 9 x"]),
    "no test pictures": (lambda source: source.texts.update({
        "train_test_split.txt": "".join(f"{number} 1\n" for number in source.names)}), ["the test split is empty"]),
    "many undecodable pictures": (lambda source: source.pictures.update(
        dict.fromkeys(list(source.pictures)[:3], b"no")), ["pictures cannot be used", "does not decode"]),
}


@pytest.mark.parametrize("damage, words", BROKEN.values(), ids=BROKEN)
def test_broken_files_end_in_one_sentence_and_leave_nothing(damage, words, tmp_path):
    source = Source(tmp_path)
    damage(source)
    source.write()
    with one_sentence([*words, str(source.folder), cub_files.OFFICIAL_FILES[cub_files.PICTURES].url]):
        opened(source.folder, tmp_path / "prepared")
    assert not [path for path in (tmp_path / "prepared").rglob("*") if "tfrecord" in path.name]


@pytest.mark.parametrize("file", list(cub_files.OFFICIAL_FILES))
def test_missing_and_truncated_archives(file, tmp_path):
    source = Source(tmp_path).write()
    path = source.folder / "cub" / file
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=f"{file} is truncated or damaged"):
        opened(source.folder, tmp_path / "prepared", attributes="class")
    path.unlink()
    with pytest.raises(DataError, match=f"{file} is missing.*put it into FOLDER/cub/"):
        opened(source.folder, tmp_path / "other", attributes="class")
    assert not (tmp_path / "other").exists()


def test_unknown_kinds_of_attributes_are_refused():
    with pytest.raises(ValueError, match="attributes='species'; expected image or class"):
        data.load("cub:species")


REAL = os.environ.get("ATTR2IMAGE_DATA")


@pytest.mark.nightly
@pytest.mark.skipif(not REAL or not (pathlib.Path(REAL) / "cub").is_dir(), reason="ATTR2IMAGE_DATA holds no cub/")
def test_real_birds(tmp_path):
    """Pictures of the official layout: birds in the middle, black birds dark, the listed split."""
    dataset = cub.open_cub(image_size=SIZE, source_dir=REAL, prepared_dir=tmp_path)
    examples = list(dataset.examples("train").as_numpy_iterator())
    masks = np.stack([example["mask"] for example in examples]) / 255
    assert len(examples) == dataset.counts["train"] and dataset.counts["validation"] == round(
        0.1 * (dataset.counts["train"] + dataset.counts["validation"]))
    assert masks[:, 12:20, 12:20].mean() > 0.7 > 0.2 > masks[:, :4, :4].mean()
    light = np.array([(example["image"] * mask).sum() / (3 * mask.sum()) for example, mask in
                      zip(examples, masks, strict=True)])
    black = np.array([example["attributes"][dataset.schema.index("primary color: black")] for example in examples])
    assert np.corrcoef(light, black)[0, 1] < -0.4
