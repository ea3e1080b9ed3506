"""CelebA and CelebAMask-HQ as they are distributed, read from the user's folder.

Liu et al. 2015 (pictures, attributes, split); Lee et al. 2020 (masks of parts, drawn on 30,000 pictures cut anew).
"""

import collections
import dataclasses
import os
import pathlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from attr2image_tf.data.errors import DataError
from attr2image_tf.data.source_files import check_no_page, decode, decode_mask, read_text, small_mask
from attr2image_tf.files import as_path

PICTURES = "img_align_celeba"
ATTRIBUTES = "list_attr_celeba.txt"
PARTITION = "list_eval_partition.txt"
LANDMARKS = "list_landmarks_align_celeba.txt"
IDENTITIES = "identity_CelebA.txt"
MASKED = "CelebAMask-HQ"

SPLIT_NUMBERS = {"train": 0, "validation": 1, "test": 2}
ATTRIBUTE_COUNT = 40
LANDMARK_COUNT = 10  # Two coordinates each of eyes, nose and the corners of the mouth.
# Width and height of an aligned picture.
PICTURE_SIZE = (178, 218)
# Parts that are no foreground: attributes are about the person, of whom clothes hide most.
BACKGROUND_PARTS = ("cloth",)
HOME = "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
MASKED_HOME = "https://github.com/switchablenorms/CelebAMask-HQ"
# No longer than what fits int64.
_NUMBER = "-?[0-9]{1,18}"


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
        DataError: a file is missing, or a web page.
    """
    place = celeba_dir(source_dir)
    files = {name: place / name for name in (ATTRIBUTES, PARTITION, LANDMARKS, IDENTITIES)}
    files[PICTURES] = _pictures(place)
    for name, path in files.items():
        if not path.exists():
            raise DataError(f"{path} is missing. Fetch {name if name != PICTURES else f'{PICTURES}.zip'} from {HOME} "
                            f"(or a copy you trust), put it into FOLDER/celeba/, and pass --data_dir=FOLDER or set "
                            "ATTR2IMAGE_DATA=FOLDER.")
        if path.is_file():
            check_no_page(path, f"Fetch it from {HOME}")
    return files


def celeba_dir(source_dir: str | os.PathLike) -> pathlib.Path:
    """`celeba/` below a folder, or that folder itself where it holds a list of CelebA."""
    place = as_path(source_dir)
    return place if (place / PARTITION).is_file() and not (place / "celeba").is_dir() else place / "celeba"


def check_files(files: dict[str, pathlib.Path]) -> None:
    """Looks through the lists and the names of the pictures, before any picture is read.

    Stricter than the reader of tfds, which ends in a traceback where a list is not as it should be.

    Raises:
        DataError: a line is not what it should be, a picture is missing, or the archive is damaged.
    """
    attribute_names, attributes = read_attributes(files[ATTRIBUTES])
    landmark_names, landmarks = read_landmarks(files[LANDMARKS])
    identities = read_identities(files[IDENTITIES])
    features = tfds.builder("celeb_a").info.features
    _check_names(files[ATTRIBUTES], attribute_names, features["attributes"])
    _check_names(files[LANDMARKS], landmark_names, features["landmarks"])
    for name in (ATTRIBUTES, LANDMARKS, IDENTITIES):
        _check_end(files[name])
    partition = read_partition(files[PARTITION])
    splits = collections.Counter(partition.values())
    for split, number in SPLIT_NUMBERS.items():
        # As many as the covariance of attributes needs.
        if splits[split] < 2:
            raise DataError(f"{files[PARTITION]} lists {splits[split]} pictures of the {split} split ({number}), "
                            f"expected at least 2; the file may be cut off. Fetch it again from {HOME}.")
    pictures = files[PICTURES]
    for kind, known in ((f"row in {ATTRIBUTES}", attributes), (f"row in {LANDMARKS}", landmarks),
                        (f"row in {IDENTITIES}", identities), (f"picture in {pictures}", _picture_names(pictures))):
        if missing := sorted(set(partition) - set(known)):
            raise DataError(f"{files[PARTITION]} lists {missing[0]}, which has no {kind} ({len(missing):,} in all); "
                            f"expected files that belong together. Fetch them again from {HOME}.")


def names_by_content(source_dir: str | os.PathLike) -> dict[tuple[int, int], str]:
    """Person and picture, such as "2880_000001", by checksum and size of the picture's file, as `content_key` gives
    them: the examples of tfds have no names. A content that two files have is left out; nothing is there where the
    files are gone, which a prepared `celeb_a` does not need.

    Raises:
        DataError: a line is not what it should be, or the archive is damaged.
    """
    place = celeba_dir(source_dir)
    if not (place / IDENTITIES).is_file():
        return {}
    people, pictures = read_identities(place / IDENTITIES), _pictures(place)
    if pictures.suffix == ".zip":
        contents = [((info.CRC, info.file_size), info.filename.rpartition("/")[2]) for info in _archived(pictures)]
    else:
        contents = [(content_key(path.read_bytes()), path.name) for path in _unpacked(pictures)]
    often = collections.Counter(key for key, _ in contents)
    return {key: f"{people[file]}_{file.partition('.')[0]}" for key, file in contents
            if often[key] == 1 and file in people}


def content_key(content: bytes) -> tuple[int, int]:
    """What tells the content of one file from that of another, as an archive lists it."""
    return zlib.crc32(content), len(content)


def _picture_names(pictures):
    """The names of the files in img_align_celeba.zip or its folder."""
    if pictures.suffix != ".zip":
        return {path.name for path in _unpacked(pictures)}
    return {info.filename.rpartition("/")[2] for info in _archived(pictures)}


def _archived(pictures):
    """What an archive lists."""
    try:
        with zipfile.ZipFile(pictures) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(f"{pictures} is truncated or damaged ({error}). Fetch it again from {HOME}.") from error


def _pictures(place):
    """The archive of the pictures, or else the folder that comes out of it."""
    archive = place / f"{PICTURES}.zip"
    return archive if archive.is_file() else place / PICTURES


def _unpacked(folder):
    return sorted(folder.glob("*.jpg"))


def _check_names(path, names, official):
    if missing := [name for name in official if name not in names]:
        raise DataError(f"{path}, line 2: expected the {len(official)} official names, but {missing[0]} is not among "
                        f"them. Fetch it again from {HOME}.")


def _check_end(path):
    """The reader of tfds passes over what follows the last line break; and a cut number looks like a number."""
    *lines, rest = path.read_text(encoding="utf-8").split("\n")
    if rest:
        raise DataError(f"{path}, line {len(lines) + 1}: expected a line break after {rest[:60]!r}; the file may be "
                        f"cut off. Fetch it again from {HOME}.")


def read_attributes(path: pathlib.Path) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """A list of attributes: the number of pictures, the names, then a row of -1 and 1 a picture.

    Returns:
        40 names, and by file name float32 [40] of 0 and 1.

    Raises:
        DataError: it is not like that; the line is named.
    """
    return _table(path, ATTRIBUTE_COUNT, "attributes", "-?1", f"{ATTRIBUTE_COUNT} times 1 or -1",
                  lambda values: np.array([value == "1" for value in values], np.float32))


def read_landmarks(path: pathlib.Path) -> tuple[tuple[str, ...], set[str]]:
    """The list of landmarks: the number of pictures, the names, then a row of 10 whole numbers a picture.

    Returns:
        10 names, and the file names; nothing here needs the numbers.

    Raises:
        DataError: it is not like that; the line is named.
    """
    names, rows = _table(path, LANDMARK_COUNT, "coordinates", _NUMBER, f"{LANDMARK_COUNT} whole numbers", len)
    return names, set(rows)


def read_identities(path: pathlib.Path) -> dict[str, str]:
    """The number of the person by file name, from lines of both.

    Raises:
        DataError: a line is not like that.
    """
    return {file: number for file, [number] in _rows(path, _lines(path), _NUMBER, 1, "a whole number")}


def read_partition(path: pathlib.Path) -> dict[str, str]:
    """The split by file name.

    Raises:
        DataError: a line is no file name and 0, 1 or 2, or a file has two lines.
    """
    splits = {str(number): split for split, number in SPLIT_NUMBERS.items()}
    partition = {}
    for line, (file, [number]) in enumerate(_rows(path, _lines(path), "[012]", 1, "0, 1 or 2"), start=1):
        if file in partition:
            raise DataError(f"{path}, line {line}: {file} is listed for the second time, expected one line a picture. "
                            f"Fetch it again from {HOME}.")
        partition[file] = splits[number]
    return partition


def _table(path, count, kind, value, expected, convert):
    """The names in the second line of a list, and by file name what `convert` makes of the values of the rows below it;
    the first line is their number. `value`, `count` and `expected` as in `_rows`."""
    lines = _lines(path)
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    if len(names) != count:
        raise DataError(f"{path}, line 2: expected the names of {count} {kind}, found {len(names)}. Fetch it again "
                        f"from {HOME}.")
    rows = {file: convert(values) for file, values in _rows(path, lines, value, count, expected, first=3)}
    if lines[0].strip() != str(len(rows)):
        raise DataError(f"{path}, line 1: expected the number of rows, {len(rows)}, found {lines[0][:20]!r}; the file "
                        f"may be cut off. Fetch it again from {HOME}.")
    return names, rows


def _rows(path: pathlib.Path, lines: Sequence[str], value: str, count: int, expected: str,
          first: int = 1) -> Iterator[tuple[str, list[str]]]:
    """File name and values by row.

    Args:
        path: for complaints.
        lines: of the whole file.
        value: regular expression of a value.
        count: of the values of a row.
        expected: the values of a row in words.
        first: the line of the first row, from 1.

    Raises:
        DataError: a row is not like that.
    """
    row = re.compile(rf"\s*(\S+)((?:\s+{value}){{{count}}})\s*")
    for line, text in enumerate(lines[first - 1:], start=first):
        match = row.fullmatch(text)
        if not match:
            raise DataError(f"{path}, line {line}: expected a file name and {expected}, found {text[:60]!r}. Fetch it "
                            f"again from {HOME}.")
        yield match[1], match[2].split()


def celeb_a_builder(source_dir: str | os.PathLike | None, data_dir: str | os.PathLike) -> tfds.core.DatasetBuilder:
    """The `celeb_a` builder of tfds; with a folder it reads the files there instead of downloading them.

    A prepared set needs no files, so where there is one they may be gone.

    Raises:
        DataError: it is not prepared and a file is missing.
    """
    builder = tfds.builder("celeb_a", data_dir=data_dir)
    if source_dir is None or builder.is_prepared():
        return builder
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
        # tfds collects them before it reads any; so many open files no system allows.
        return ((file.name, file) for file in _unpacked(path))


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
    parts = [decode_mask(path) for path in picture.parts]
    if len({part.size for part in parts}) != 1:
        raise ValueError("has masks of several sizes")
    union = np.max([np.asarray(part) for part in parts], axis=0)
    if union.max() <= 127 or union.min() > 127:
        raise ValueError(f"has a mask that is {'background' if union.max() <= 127 else 'foreground'} everywhere")
    return (np.asarray(image.resize((image_size, image_size), Image.Resampling.LANCZOS)),
            small_mask(union, (0, 0, *parts[0].size), image_size))


def _lines(path):
    lines = read_text(path, f"Fetch it again from {HOME}").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
