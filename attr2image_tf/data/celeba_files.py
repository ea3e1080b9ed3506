"""CelebA and CelebAMask-HQ as they are distributed, read from the user's folder.

Liu et al. 2015 (pictures, attributes, split); Lee et al. 2020 (masks of parts, drawn on 30,000 pictures cut anew).
"""

import dataclasses
import os
import pathlib
import zipfile

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from attr2image_tf.data.errors import DataError
from attr2image_tf.data.source_files import decode

PICTURES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
IDENTITIES = "identity_CelebA.txt"
MASKED = "CelebAMask-HQ"

SPLIT_NUMBERS = {"train": 0, "validation": 1, "test": 2}
ATTRIBUTE_COUNT = 40
# Parts that are no foreground: attributes are about the person, of whom clothes hide most.
BACKGROUND_PARTS = ("cloth",)
HOME = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
MASKED_HOME = "https://github.com/switchablenorms/CelebAMask-HQ"


@dataclasses.dataclass(frozen=True)
class MaskedPicture:
    """A picture of CelebAMask-HQ: its file, the files of its parts' masks and its 40 attributes (0 or 1)."""

    name: str
    path: pathlib.Path
    parts: list[pathlib.Path]
    attributes: np.ndarray


def readable(name: str) -> str:
    """"Wearing_Hat" as "Wearing Hat"."""
    return name.replace("_", " ")


def find_files(source_dir: str | os.PathLike) -> dict[str, pathlib.Path]:
    """The official files below a folder: the one that holds `celeba/` with them, or that folder itself.

    The pictures may be img_align_celeba.zip or the folder that comes out of it.

    Raises:
        DataError: a file is missing.
    """
    place = celeba_dir(source_dir)
    files = {name: place / name for name in (ATTRIBUTES, PARTITION, LANDMARKS, IDENTITIES)}
    archive = place / f"{PICTURES}.zip"
    files[PICTURES] = archive if archive.is_file() else place / PICTURES
    for name, path in files.items():
        if not path.exists():
            raise DataError(f"{path} is missing. Fetch {name if name != PICTURES else f'{PICTURES}.zip'} from {HOME} "
                            f"(or a copy you trust), put it into FOLDER/celeba/, and pass --data_dir=FOLDER or set "
                            "ATTR2IMAGE_DATA=FOLDER.")
    return files


def celeba_dir(source_dir: str | os.PathLike) -> pathlib.Path:
    """`celeba/` below a folder, or that folder itself where it holds a list of CelebA."""
    place = pathlib.Path(source_dir).expanduser()
    return place if (place / PARTITION).is_file() and not (place / "celeba").is_dir() else place / "celeba"


def check_files(files: dict[str, pathlib.Path]) -> None:
    """Looks through the lists and the names of the pictures, before any picture is read.

    Raises:
        DataError: a line is not what it should be, a picture is missing, or the archive is damaged.
    """
    _, attributes = read_attributes(files[ATTRIBUTES])
    partition = read_partition(files[PARTITION])
    pictures = files[PICTURES]
    try:
        names = zipfile.ZipFile(pictures).namelist() if pictures.is_file() else os.listdir(pictures)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{pictures} is truncated or damaged ({error}). Fetch it again from {HOME}.") from error
    for kind, known in (("row in " + ATTRIBUTES, attributes), ("picture in " + str(pictures),
                                                               {name.rpartition("/")[2] for name in names})):
        if missing := sorted(set(partition) - set(known)):
            raise DataError(f"{files[PARTITION]} lists {missing[0]}, which has no {kind} ({len(missing):,} in all); "
                            f"expected files that belong together. Fetch them again from {HOME}.")


def read_attributes(path: pathlib.Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """A list of attributes: the number of pictures, the names, then a row of -1 and 1 a picture.

    Returns:
        40 names, and by file name float32 [40] of 0 and 1.

    Raises:
        DataError: it is not like that; the line is named.
    """
    lines = _lines(path)
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    if len(names) != ATTRIBUTE_COUNT:
        raise DataError(f"{path}, line 2: expected the names of {ATTRIBUTE_COUNT} attributes, found {len(names)}.")
    attributes = {}
    for line, text in enumerate(lines[2:], start=3):
        file, *values = text.split()
        if len(values) != ATTRIBUTE_COUNT or not set(values) <= {"1", "-1"}:
            raise DataError(f"{path}, line {line}: expected a file name and {ATTRIBUTE_COUNT} times 1 or -1, found "
                            f"{text[:60]!r}.")
        attributes[file] = np.array([value == "1" for value in values], np.float32)
    if lines[0].strip() != str(len(attributes)):
        raise DataError(f"{path}, line 1: expected the number of rows, {len(attributes)}, found {lines[0][:20]!r}; the "
                        "file may be cut off.")
    return names, attributes


def read_partition(path: pathlib.Path) -> dict[str, str]:
    """The split by file name.

    Raises:
        DataError: a line is no file name and 0, 1 or 2.
    """
    splits = {str(number): split for split, number in SPLIT_NUMBERS.items()}
    partition = {}
    for line, text in enumerate(_lines(path), start=1):
        file, _, number = text.partition(" ")
        if number.strip() not in splits:
            raise DataError(f"{path}, line {line}: expected a file name and 0, 1 or 2, found {text[:60]!r}.")
        partition[file] = splits[number.strip()]
    return partition


def celeb_a_builder(source_dir: str | os.PathLike | None, data_dir: str | os.PathLike) -> tfds.core.DatasetBuilder:
    """The `celeb_a` builder of tfds; with a folder it reads the files there instead of downloading them."""
    if source_dir is None:
        return tfds.builder("celeb_a", data_dir=data_dir)
    kind = tfds.builder_cls("celeb_a")
    files = find_files(source_dir)

    class CelebAOfFolder(kind, skip_registration=True):
        # With both, tfds takes it for its own builder, whose documentation and features it then finds.
        name, __module__ = kind.name, kind.__module__

        def _split_generators(self, dl_manager):
            return super()._split_generators(_Files(files, dl_manager))

    return CelebAOfFolder(data_dir=data_dir)


class _Files:
    """Stands in for the download manager of tfds: what would be downloaded is there already."""

    def __init__(self, files, manager):
        self._files, self._manager = files, manager

    def download(self, addresses):
        of = {"img_align_celeba": PICTURES, "list_eval_partition": PARTITION, "list_attr_celeba": ATTRIBUTES,
              "landmarks_celeba": LANDMARKS, "identity_celeba": IDENTITIES}
        return {name: self._files[of[name]] for name in addresses}

    def iter_archive(self, path):
        if path.is_file():
            return self._manager.iter_archive(path)
        return ((file.name, open(file, "rb")) for file in sorted(path.glob("*.jpg")))


def read_masked(source_dir: str | os.PathLike) -> tuple[tuple[str, ...], dict[str, list[MaskedPicture]]]:
    """CelebAMask-HQ, unpacked in `celeba/CelebAMask-HQ`, in the split of CelebA.

    Returns:
        40 names of attributes, and the pictures by split.

    Raises:
        DataError: a file is missing or a line is not what it should be.
    """
    place = celeba_dir(source_dir) / MASKED
    mapping = place / "CelebA-HQ-to-CelebA-mapping.txt"
    listed = place / "CelebAMask-HQ-attribute-anno.txt"
    for path in (mapping, listed, place / "CelebA-HQ-img", place / "CelebAMask-HQ-mask-anno", place.parent / PARTITION):
        if not path.exists():
            home = HOME if path.name == PARTITION else MASKED_HOME
            raise DataError(f"{path} is missing; masks drawn by people are those of CelebAMask-HQ. Fetch it from "
                            f"{home}, unpack it in {place.parent}, or use --celeba_masks=predicted.")
    names, attributes = read_attributes(listed)
    partition = read_partition(place.parent / PARTITION)
    parts = {}
    for path in sorted((place / "CelebAMask-HQ-mask-anno").glob("*/*.png")):
        number, _, part = path.stem.partition("_")
        if number.isdigit() and part not in BACKGROUND_PARTS:
            parts.setdefault(int(number), []).append(path)
    pictures = {split: [] for split in SPLIT_NUMBERS}
    for line, text in enumerate(_lines(mapping)[1:], start=2):
        fields = text.split()
        if len(fields) != 3 or not fields[0].isdigit() or fields[2] not in partition:
            raise DataError(f"{mapping}, line {line}: expected two numbers and a file name that {PARTITION} has, "
                            f"found {text[:60]!r}.")
        file = f"{fields[0]}.jpg"
        if file in attributes:
            pictures[partition[fields[2]]].append(MaskedPicture(
                fields[0], place / "CelebA-HQ-img" / file, parts.get(int(fields[0]), []), attributes[file]))
    return names, pictures


def read_picture(picture: MaskedPicture, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture and the union of its foreground parts, uint8 [H, W, 3] and [H, W, 1] (shares times 255).

    Raises:
        ValueError: a file does not decode, or there is no mask.
    """
    image = decode(picture.path)
    if not picture.parts:
        raise ValueError("has no mask")
    parts = [decode(path, "L") for path in picture.parts]
    if len({part.size for part in parts}) != 1:
        raise ValueError("has masks of several sizes")
    union = Image.fromarray((np.max([np.asarray(part) for part in parts], axis=0) > 127).astype(np.uint8) * 255)
    size = (image_size, image_size)
    return (np.asarray(image.resize(size, Image.Resampling.LANCZOS)),
            np.asarray(union.resize(size, Image.Resampling.BOX))[..., None])


def _lines(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not a text file ({error}). Fetch it again.") from error
