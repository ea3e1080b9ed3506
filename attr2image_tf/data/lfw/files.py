"""Labeled Faces in the Wild as it is distributed: the official files, read one by one and never unpacked to disk.

Pictures: Huang et al. 2007, funneled, 250 x 250. Attributes: 73 scores, Kumar et al. 2009. Part labels: Kae et al.
2013. People-disjoint split: "View 1" of the data set.
"""

import os
import pathlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from attr2image_tf.data import source_files
from attr2image_tf.data.errors import DataError
from attr2image_tf.data.source_files import OfficialFile

PICTURES = "lfw-funneled.tgz"
LABELS = "parts_lfw_funneled_gt_images.tgz"
SCORES = "lfw_attributes.txt"
TRAIN_PEOPLE = "peopleDevTrain.txt"
TEST_PEOPLE = "peopleDevTest.txt"

PICTURE_SIZE = 250
# A square of 160 pixels keeps 84 % of the labelled foreground and leaves about a third of background.
CROP_TOP = CROP_LEFT = 45
CROP_SIZE = 160
CROP = (CROP_LEFT, CROP_TOP, CROP_LEFT + CROP_SIZE, CROP_TOP + CROP_SIZE)

ATTRIBUTE_NAMES = (
    "Male", "Asian", "White", "Black", "Baby", "Child", "Youth", "Middle Aged", "Senior", "Black Hair", "Blond Hair",
    "Brown Hair", "Bald", "No Eyewear", "Eyeglasses", "Sunglasses", "Mustache", "Smiling", "Frowning", "Chubby",
    "Blurry", "Harsh Lighting", "Flash", "Soft Lighting", "Outdoor", "Curly Hair", "Wavy Hair", "Straight Hair",
    "Receding Hairline", "Bangs", "Sideburns", "Fully Visible Forehead", "Partially Visible Forehead",
    "Obstructed Forehead", "Bushy Eyebrows", "Arched Eyebrows", "Narrow Eyes", "Eyes Open", "Big Nose", "Pointy Nose",
    "Big Lips", "Mouth Closed", "Mouth Slightly Open", "Mouth Wide Open", "Teeth Not Visible", "No Beard", "Goatee",
    "Round Jaw", "Double Chin", "Wearing Hat", "Oval Face", "Square Face", "Round Face", "Color Photo", "Posed Photo",
    "Attractive Man", "Attractive Woman", "Indian", "Gray Hair", "Bags Under Eyes", "Heavy Makeup", "Rosy Cheeks",
    "Shiny Skin", "Pale Skin", "5 o' Clock Shadow", "Strong Nose-Mouth Lines", "Wearing Lipstick", "Flushed Face",
    "High Cheekbones", "Brown Eyes", "Wearing Earrings", "Wearing Necktie", "Wearing Necklace")


# The pictures come from the mirror that scikit-learn's fetch_lfw_people uses, with its sum. The sums of the two lists
# of people belong to files whose MD5 sums are those that torchvision publishes. For the scores and the labels nobody
# publishes a SHA-256; their content is checked while it is read.
OFFICIAL_FILES = {
    PICTURES: OfficialFile("https://ndownloader.figshare.com/files/5976015", 243346528,
                           "b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a"),
    LABELS: OfficialFile("http://vis-www.cs.umass.edu/lfw/part_labels/parts_lfw_funneled_gt_images.tgz"),
    SCORES: OfficialFile("http://www.cs.columbia.edu/CAVE/databases/pubfig/download/lfw_attributes.txt"),
    TRAIN_PEOPLE: OfficialFile("http://vis-www.cs.umass.edu/lfw/peopleDevTrain.txt", 66403,
                               "2e58df13ba4cc143189336e001cc2c195f1dfa5b29a6475c02857be353c2a2fa"),
    TEST_PEOPLE: OfficialFile("http://vis-www.cs.umass.edu/lfw/peopleDevTest.txt", 28334,
                              "c3ed1f90499473401542101a56c14c1d82396bb8218c67a356d7460601047555"),
}


def where_to_get(name: str) -> str:
    """The sentence that ends every complaint about a missing or broken file."""
    return source_files.where_to_get(name, "lfw", OFFICIAL_FILES)


def find_files(source_dir: str | os.PathLike) -> dict[str, pathlib.Path]:
    """The five official files below a folder (the one that holds `lfw/`, or that folder itself).

    Raises:
        DataError: a file is missing.
    """
    return source_files.find_official(source_dir, "lfw", OFFICIAL_FILES, where_to_get)


def read_scores(path: str | os.PathLike) -> tuple[dict[str, int], np.ndarray]:
    """The attribute scores.

    Returns:
        row by picture name ("Aaron_Eckhart_0001"), and the scores, float32 [N, 73].

    Raises:
        DataError: the header is not the official one, a row is short or long, is there twice or holds something else
            than numbers.
    """
    rows, scores = {}, []
    lines = _lines(path)
    names = lines[1].lstrip("#").strip("\t").split("\t")[2:] if len(lines) > 1 else []
    if tuple(names) != ATTRIBUTE_NAMES:
        unknown = [name for name in names if name not in ATTRIBUTE_NAMES]
        found = f"the unknown name {unknown[0]!r}" if unknown else f"{len(names)} of them, or in another order"
        raise DataError(f"{path}, line 2: expected '#', 'person', 'imagenum' and the 73 official attribute names "
                        f"separated by tabs, found {found}. {where_to_get(SCORES)}.")
    for number, line in enumerate(lines[2:], start=3):
        fields = line.split("\t")
        if len(fields) != 2 + len(ATTRIBUTE_NAMES):
            raise DataError(f"{path}, line {number}: expected a person, a picture number and 73 scores separated by "
                            f"tabs, found {len(fields)} fields. {where_to_get(SCORES)}.")
        try:
            name = f"{fields[0].strip().replace(' ', '_')}_{int(fields[1]):04d}"
            values = np.array(fields[2:], np.float32)
        except ValueError:
            values = np.array([np.nan])
        if not np.isfinite(values).all():
            raise DataError(f"{path}, line {number}: expected a picture number and 73 scores as finite numbers. "
                            f"{where_to_get(SCORES)}.")
        if name in rows:
            raise DataError(f"{path}, line {number}: {name} is there already, in line {rows[name] + 3}. "
                            f"{where_to_get(SCORES)}.")
        rows[name] = len(scores)
        scores.append(values)
    return rows, np.stack(scores) if scores else np.zeros([0, len(ATTRIBUTE_NAMES)], np.float32)


def read_people(path: str | os.PathLike) -> list[str]:
    """The people of one side of View 1, as they are written in the names of pictures.

    Raises:
        DataError: the list is not as long as its first line says.
    """
    lines = _lines(path)
    people = [line.split("\t")[0] for line in lines[1:]]
    if not lines or not lines[0].strip().isdigit() or int(lines[0]) != len(people):
        raise DataError(f"{path}: line 1 should give the number of people that follow; it is "
                        f"{lines[0][:20] if lines else ''!r}, and {len(people)} follow. "
                        f"{where_to_get(pathlib.Path(path).name)}.")
    return people


def read_archive(path: str | os.PathLike, ending: str) -> Iterator[tuple[str, bytes]]:
    """The members of a .tgz with one ending, in the order of the archive: (name without folder and ending, content).

    Raises:
        DataError: the archive is truncated or damaged.
    """
    hint = where_to_get(pathlib.Path(path).name)
    for name, content in source_files.read_archive(path, hint, lambda name: name.endswith(ending)):
        yield pathlib.PurePosixPath(name).stem, content


def decode_picture(content: bytes, image_size: int) -> np.ndarray:
    """The face region of a funneled picture, uint8 [H, W, 3].

    Raises:
        ValueError: it does not decode, or is not 250 x 250.
    """
    return np.asarray(decode_funneled(content).resize((image_size, image_size), Image.Resampling.LANCZOS, box=CROP))


def decode_label(content: bytes, image_size: int) -> np.ndarray:
    """The foreground (hair or skin) of a part label in the face region, uint8 [H, W, 1]; 255 where all is foreground.

    Raises:
        ValueError: it does not decode, is not 250 x 250, or is foreground everywhere or nowhere.
    """
    labels = np.asarray(decode_funneled(content))
    # Pure red is hair, green is skin, blue is background.
    foreground = np.where(labels[..., :2].max(-1) > labels[..., 2], 255, 0).astype(np.uint8)
    if foreground.min() == foreground.max():
        raise ValueError(f"is {'foreground' if foreground.max() else 'background'} everywhere")
    if image_size <= CROP_SIZE:
        return source_files.small_mask(foreground, CROP, image_size)
    larger = Image.fromarray(foreground).resize((image_size, image_size), Image.Resampling.BILINEAR, box=CROP)
    return np.asarray(larger)[..., np.newaxis]


def decode_funneled(content: bytes) -> Image.Image:
    """A funneled picture, or a label, as it is in its archive.

    Raises:
        ValueError: it does not decode, or is not 250 x 250.
    """
    picture = source_files.decode(content)
    if picture.size != (PICTURE_SIZE, PICTURE_SIZE):
        raise ValueError(f"is {picture.size[0]} x {picture.size[1]}, expected {PICTURE_SIZE} x {PICTURE_SIZE}")
    return picture


def _lines(path):
    return source_files.read_text(path, where_to_get(pathlib.Path(path).name)).splitlines()
