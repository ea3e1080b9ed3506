"""Parses the flags of `trainers.infer`: the pictures, the part that the model sees, and known attributes."""

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from attr2image_tf import files
from attr2image_tf.data.folder.check import rows_of_pictures
from attr2image_tf.data.folder.table import read_attributes
from attr2image_tf.photos import faces, folders
from attr2image_tf.photos.hiding import parse_numbers
from attr2image_tf.photos.square import Region, Square


class Search(NamedTuple):
    """The pictures that one --images names.

    Attributes:
        folder: the folder that was named, or the one that holds a single picture.
        pictures: paths by their names below the folder.
        others: names of files that are not pictures.
    """

    folder: pathlib.Path
    pictures: dict[str, pathlib.Path]
    others: list[str]


def find_pictures(names, output) -> list[Search]:
    """Pictures and folders searched through, in the order in which they are named, but for the folder of results.

    Raises:
        ValueError: nothing named, a path that does not exist, no picture, or the output is one of the folders.
    """
    if not names:
        raise ValueError("--images is missing; name a picture or a folder of pictures.")
    searches = []
    for name in names:
        path = files.as_path(name)
        if not path.exists():
            raise ValueError(f"images={str(name)!r} does not exist; name a picture or a folder of pictures.")
        if path.is_dir():
            searches.append(Search(path, *folders.find_pictures(path, [output])))
        else:
            searches.append(Search(path.parent, {path.name: path}, []))
    if not any(search.pictures for search in searches):
        others = [other for search in searches for other in search.others]
        raise ValueError(f"images={', '.join(map(str, names))!r}: no picture there; expected files such as "
                         f"{folders.COMMON_ENDINGS}"
                         f"{f'; {len(others)} other files were not read, such as {others[0]}' if others else ''}.")
    return searches


class NoFaceError(ValueError):
    """No face was found in a picture."""


def parse_region(values: Sequence[str], number: int | None) -> Callable[[np.ndarray], list[tuple[str, Region, dict]]]:
    """Function of a picture uint8 [H, W, 3] to the parts of it that the model sees: what is added to the picture's name
    in that of the result, the Region, and what the record says about it. It raises ValueError where there is none.

    Args:
        values: ["face"], left, top and side, or nothing for the central square.
        number: of the only face that is wanted, 1 for the best one; None for all.

    Raises:
        ValueError: a region that is none, a number without faces, or what finds faces is not installed.
    """
    if list(values) == ["face"]:
        faces.check_installed()
        return lambda picture: _faces(picture, number)
    if number is not None:
        raise ValueError(f"face={number}: choosing a face needs --region=face.")
    if not values:
        return lambda picture: [("", Square.central(*picture.shape[:2]), {})]
    square = Square(*parse_numbers(values, 3, "region", "face, or left,top,side"))
    return lambda picture: [("", square, {})]


def _faces(picture, number):
    found = faces.find_faces(picture)
    if not found:
        raise NoFaceError("no face was found; mark it with --region=left,top,side.")
    if number is not None and number > len(found):
        raise ValueError(f"face={number}: faces found in the photo: {len(found)}.")
    wanted = [number] if number is not None else range(1, len(found) + 1)
    return [(f"_{place}" if len(wanted) > 1 else "", found[place - 1].region,
             {"face": {"number": place, "of": len(found), "box": np.round(found[place - 1].box, 2).tolist(),
                       "points": np.round(found[place - 1].points, 2).tolist()}}) for place in wanted]


def known_attributes(text: str | None, schema, searches: Sequence[Search]) -> Callable:
    """Function of a picture's path to its attributes float32 [A], or to None, from the flag's text.

    A table is read and its rows are matched as `trainers.prepare` does; columns that are no attributes are passed over,
    and missing values are taken at the training mean.

    Raises:
        ValueError: a request or a CSV file that cannot be used.
    """
    if text is None:
        return lambda path: None
    if not text.lower().endswith(".csv"):
        vector = schema.request(text)
        return lambda path: vector

    table = read_attributes(text, schema)
    rows = {search.pictures[name]: row for search in searches
            for name, row in rows_of_pictures(table, search.pictures, search.folder.resolve().name).items()}

    def known(path):
        if path not in rows:
            raise ValueError(f"no row for {path.name!r} in {text!r}.")
        return table.values[rows[path]]
    return known
