"""Caltech-UCSD Birds-200-2011 as it is distributed: two archives, read in passes and never unpacked to disk.

Pictures, splits and attributes: Wah et al. 2011. Segmentations: Farrell et al. 2011.
"""

import dataclasses
import io
import os
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from attr2image_tf.data import source_files
from attr2image_tf.data.errors import DataError
from attr2image_tf.data.source_files import OfficialFile

PICTURES = "CUB_200_2011.tgz"
SEGMENTATIONS = "segmentations.tgz"
IMAGE_LABELS = "image_attribute_labels.txt"

# Sizes and sums are those that tfds publishes for its own builder of these birds, which has no attributes.
OFFICIAL_FILES = {
    PICTURES: OfficialFile("https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz?download=1",
                           1150585339, "0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081"),
    SEGMENTATIONS: OfficialFile("https://data.caltech.edu/records/w9d68-gec53/files/segmentations.tgz?download=1",
                                39272883, "dc77f6cffea0cbe2e41d4201115c8f29a6320ecb04fffd2444f51b8066e4b84f"),
}

SPECIES_COUNT, ATTRIBUTE_COUNT = 200, 312
# How far a label is believed against the share of its species, by certainty: not visible, guessing, probably,
# definitely.
CERTAINTIES = (0.0, 0.5, 0.75, 1.0)
# The official file has some hundred irregular rows among 3.7 million; more than this says that it is broken.
LARGEST_UNREADABLE_SHARE = 0.02


@dataclasses.dataclass(frozen=True)
class Index:
    """What the text files say.

    Attributes:
        path: of the archive.
        pictures: names ("001.Black_footed_Albatross/Black_Footed_Albatross_0046_18") by picture number.
        present: names of the pictures that the archive holds.
        species: names by picture number.
        training: numbers of the training pictures.
        attribute_names: 312 texts, such as "wing color: blue".
        shares: by species' name, how often people saw each attribute, float32 [312] in [0, 1].
        has_image_labels: whether there is an image_attribute_labels.txt.
        image_labels: its content, or None where it was not asked for or is missing.
    """

    path: pathlib.Path
    pictures: dict[int, str]
    present: set[str]
    species: dict[int, str]
    training: set[int]
    attribute_names: tuple[str, ...]
    shares: dict[str, np.ndarray]
    has_image_labels: bool
    image_labels: bytes | None


def where_to_get(name: str) -> str:
    """The sentence that ends every complaint about a missing or broken file."""
    return source_files.where_to_get(name, "cub", OFFICIAL_FILES)


def find_files(source_dir: str | os.PathLike) -> dict[str, pathlib.Path]:
    """The two official files below a folder (the one that holds `cub/`, or that folder itself).

    Raises:
        DataError: a file is missing.
    """
    return source_files.find_official(source_dir, "cub", OFFICIAL_FILES, where_to_get)


def read_index(path: str | os.PathLike, image_labels: bool) -> Index:
    """Reads all text files of the archive of pictures.

    Args:
        path: the archive.
        image_labels: whether image_attribute_labels.txt is wanted.

    Raises:
        DataError: a text file is missing, or a line is not what it should be; file and line are named.
    """
    present, texts, labelled = set(), {}, False

    def wanted(name):
        nonlocal labelled
        if name.endswith(".jpg"):
            present.add(_name(name))
        labelled = labelled or name.endswith(f"/{IMAGE_LABELS}")
        return name.endswith(".txt") and (image_labels or not name.endswith(IMAGE_LABELS))

    for name, content in source_files.read_archive(path, where_to_get(PICTURES), wanted):
        texts[pathlib.PurePosixPath(name).name] = content
    tables = _Tables(pathlib.Path(path), texts)
    pictures = {number: _name(name) for number, name in tables.pairs("images.txt", str).items()}
    classes = tables.pairs("classes.txt", str)
    labels = tables.pairs("image_class_labels.txt", int, pictures)
    for number, label in labels.items():
        if label not in classes:
            raise tables.error("image_class_labels.txt", f"picture {number} is of species {label}, which classes.txt "
                               "does not list")
    split = tables.pairs("train_test_split.txt", int, pictures)
    names = tuple(readable(name) for name in tables.pairs("attributes.txt", str).values())
    if len(names) != ATTRIBUTE_COUNT:
        raise tables.error("attributes.txt", f"expected {ATTRIBUTE_COUNT} attributes, found {len(names)}")
    return Index(path=tables.path, pictures=pictures, present=present,
                 species={number: classes[label] for number, label in labels.items()},
                 training={number for number, training in split.items() if training == 1}, attribute_names=names,
                 shares=tables.shares("class_attribute_labels_continuous.txt", list(classes.values())),
                 has_image_labels=labelled, image_labels=texts.get(IMAGE_LABELS))


def readable(name: str) -> str:
    """"has_wing_color::blue" as "wing color: blue"."""
    return name.removeprefix("has_").replace("::", ": ").replace("_", " ")


def class_attributes(index: Index) -> dict[str, np.ndarray]:
    """By picture name, how often people saw each attribute in its species: float32 [312] in [0, 1]."""
    return {name: index.shares[index.species[number]] for number, name in index.pictures.items()}


def image_attributes(index: Index) -> tuple[dict[str, np.ndarray], list[str]]:
    """Attributes of each picture by name, float32 [312] in [0, 1], and the rows that could not be used.

    A label 0 or 1 is believed as far as its certainty says; the rest, all of it where the attribute was not visible or
    has no usable row, comes from the share of the species.

    Raises:
        DataError: too many rows cannot be used; the first is named.
    """
    rows = {number: row for row, number in enumerate(index.pictures)}
    values = np.stack([index.shares[index.species[number]] for number in index.pictures])
    unusable, total = [], 0
    for line, text in enumerate(io.BytesIO(index.image_labels), start=1):
        total += 1
        # Picture, attribute, present, certainty, seconds.
        fields = text.split()
        try:
            number, attribute, present, certainty = (int(field) for field in fields[:4])
            row = rows[number]
        except (ValueError, KeyError):
            row = None
        if (row is None or len(fields) != 5 or not 1 <= attribute <= ATTRIBUTE_COUNT or present not in (0, 1)
                or not 1 <= certainty <= len(CERTAINTIES)):
            unusable.append(f"line {line}: {text[:60].decode(errors='replace').strip()}")
            continue
        belief = CERTAINTIES[certainty - 1]
        values[row, attribute - 1] += belief * (present - values[row, attribute - 1])
    if not total or len(unusable) > LARGEST_UNREADABLE_SHARE * total:
        raise DataError(f"{index.path}, {IMAGE_LABELS}: {len(unusable):,} of {total:,} rows are not picture, "
                        f"attribute, 0 or 1, certainty from 1 to 4 and seconds; the first: "
                        f"{(unusable or ['none'])[0]}. {where_to_get(PICTURES)}.")
    return {name: values[rows[number]] for number, name in index.pictures.items()}, unusable


def read_pictures(path: str | os.PathLike, ending: str, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """The pictures (".jpg") or segmentations (".png") of an archive among those wanted: (name, content)."""
    for name, content in source_files.read_archive(
            path, where_to_get(pathlib.Path(path).name),
            lambda name: name.endswith(ending) and _name(name) in wanted):
        yield _name(name), content


def crop(picture: bytes, segmentation: bytes, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The bird: the tight box of the foreground, with space around it (`box_around`).

    Args:
        picture: content of a JPEG.
        segmentation: content of a PNG; above 127 is bird (in the official ones, most of five people said so).
        size: pixels. A box that is no square, at the picture's border, is scaled to one.

    Returns:
        uint8 [size, size, 3] and, as shares of a pixel that are bird times 255, uint8 [size, size, 1].

    Raises:
        ValueError: one of them does not decode, they differ in size, there is no bird, or nothing else.
    """
    image, mask = source_files.decode(picture), source_files.decode_mask(segmentation)
    if image.size != mask.size:
        raise ValueError(f"is {image.size[0]} x {image.size[1]}, its segmentation {mask.size[0]} x {mask.size[1]}")
    mask = mask.point(lambda value: 255 if value > 127 else 0)
    tight = mask.getbbox()
    if tight is None:
        raise ValueError("has an empty segmentation")
    if mask.getextrema()[0]:
        raise ValueError("has a segmentation that is bird everywhere")
    box = source_files.box_around(tight, image.size)
    return (np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box)),
            source_files.small_mask(mask, box, size))


def _name(path):
    parts = pathlib.PurePosixPath(path)
    return f"{parts.parent.name}/{parts.stem}"


class _Tables:
    """The text files of an archive; complaints name the file and the line."""

    def __init__(self, path, texts):
        self.path, self.texts = path, texts

    def error(self, name, problem):
        return DataError(f"{self.path}, {name}: {problem}. {where_to_get(PICTURES)}.")

    def pairs(self, name, kind, expected=None):
        """Rows of a number and a value, as a dictionary; with the numbers of `expected`, where it is given."""
        values = {}
        for line, text in enumerate(self._lines(name), start=1):
            number, _, value = text.partition(" ")
            try:
                values[int(number)] = kind(value.strip())
            except ValueError as error:
                raise self.error(name, f"line {line} should be a number and a value, it is {text[:60]!r}") from error
            if len(values) != line or not value.strip():
                raise self.error(name, f"line {line} has a number for the second time or no value: {text[:60]!r}")
        if expected is not None and set(values) != set(expected):
            odd = min(set(values) ^ set(expected))
            raise self.error(name, f"expected the {len(expected):,} pictures of images.txt; picture {odd} is in one "
                             "of them alone")
        return values

    def shares(self, name, species):
        """Percentages, a row a species, as shares by name."""
        lines, shares = self._lines(name), {}
        if len(lines) != len(species):
            raise self.error(name, f"expected {len(species)} rows, one a species of classes.txt, found {len(lines)}")
        for line, (text, kind) in enumerate(zip(lines, species, strict=True), start=1):
            try:
                values = np.array(text.split(), np.float32)
            except ValueError:
                values = np.zeros(0, np.float32)
            if len(values) != ATTRIBUTE_COUNT or not ((values >= 0) & (values <= 100)).all():
                raise self.error(name, f"line {line} should be {ATTRIBUTE_COUNT} percentages")
            shares[kind] = values / 100
        return shares

    def _lines(self, name):
        if name not in self.texts:
            raise DataError(f"{self.path} holds no {name}. {where_to_get(PICTURES)}.")
        try:
            return self.texts[name].decode().splitlines()
        except UnicodeDecodeError as error:
            raise self.error(name, f"is not a text ({error})") from error
