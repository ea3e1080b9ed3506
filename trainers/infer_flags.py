"""What the texts of `trainers.infer`'s flags mean: pictures, where their results go, what is hidden, what is known."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from attr2image_tf import files, picture_files
from attr2image_tf.client.photos import PictureError, read_hidden
from attr2image_tf.data.folder.check import rows_of_pictures
from attr2image_tf.data.folder.table import read_table


@dataclasses.dataclass(frozen=True)
class Search:
    """The pictures that one --images means.

    Attributes:
        folder: the folder, of a single picture the one that it is in.
        pictures: paths by their names below the folder.
        others: names of files that are no pictures.
    """

    folder: pathlib.Path
    pictures: dict[str, pathlib.Path]
    others: list[str]


def find_pictures(names, output) -> list[Search]:
    """Pictures and folders searched through, in the order in which they are named.

    Args:
        names: texts or paths.
        output: the folder of the results, which is not searched.

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
            searches.append(Search(path, *picture_files.find_pictures(path, [output])))
        else:
            searches.append(Search(path.parent, {path.name: path}, []))
    if not any(search.pictures for search in searches):
        others = [other for search in searches for other in search.others]
        raise ValueError(f"images={', '.join(map(str, names))!r}: no picture there; expected files such as "
                         f"{picture_files.COMMON_ENDINGS}"
                         f"{f'; {len(others)} of other endings were not read, such as {others[0]}' if others else ''}.")
    return searches


def name_results(searches: Sequence[Search], output: pathlib.Path, inputs: Sequence) -> dict[str, pathlib.Path]:
    """Pictures by the name of their results.

    Args:
        searches: of Search.
        output: the folder of the results.
        inputs: paths of other files that are read.

    Raises:
        ValueError: two files that will be written are one, or one is read.
    """
    pairs = [("_".join(pathlib.PurePosixPath(name).with_suffix("").parts), path)
             for search in searches for name, path in search.pictures.items()]
    results = [(repr(str(path)), result) for label, path in pairs for result in result_paths(output, label)]
    files.check_outputs([*results, ("the sheet of all", output / "sheet.png")],
                        [*(path for _, path in pairs), *inputs])
    return dict(pairs)


def result_paths(output: pathlib.Path, label: str) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """The files of one picture: side by side, the whole picture, and what was found."""
    return output / f"{label}.png", output / f"{label}_result.png", output / f"{label}.json"


def parse_numbers(values, count, flag, meaning):
    """Whole numbers from texts.

    Raises:
        ValueError: too few or many, or one that is no whole number.
    """
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"{flag}={','.join(values)!r}: expected {meaning}, whole numbers.")
    return numbers


def parse_hidden(text: str | None):
    """Function of a picture to what is hidden of it, bool [H, W] or None, from the flag's text.

    Raises:
        ValueError: a box that is none, or a mask that cannot be read.
    """
    if text is None:
        return lambda picture: None
    if picture_files.is_picture(text):
        mask = read_hidden(text)

        def hidden(picture):
            if mask.shape != picture.shape[:2]:
                raise PictureError(f"hide={text!r} has {mask.shape[1]} x {mask.shape[0]} pixels, the picture "
                                   f"{picture.shape[1]} x {picture.shape[0]}.")
            return mask
        return hidden
    left, top, right, bottom = parse_numbers(text.split(","), 4, "hide", "left,top,right,bottom or a mask picture")
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"hide={text!r}: expected left < right and top < bottom, at least 0.")

    def boxed(picture):
        result = np.zeros(picture.shape[:2], bool)
        result[top:bottom, left:right] = True
        return result
    return boxed


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

    places = {}

    def wanted(name):
        try:
            places[name] = schema.index(name)
        except ValueError:
            return False
        return True

    table = read_table(text, wanted=wanted)
    rows = {search.pictures[name]: row for search in searches
            for name, row in rows_of_pictures(table, search.pictures, search.folder.resolve().name).items()}
    columns = [places[name] for name in table.names]
    if len(set(columns)) < len(columns):
        raise ValueError(f"{text!r}: two columns are of one attribute.")
    if missing := sorted(set(range(len(schema))) - set(columns)):
        raise ValueError(f"{text!r} has no column for {', '.join(schema.names[i] for i in missing[:5])}"
                         f"{' and others' if len(missing) > 5 else ''}; expected one for each attribute.")
    values = np.empty_like(table.values)
    values[:, columns] = table.values
    values = np.where(np.isfinite(values), values, schema.mean)

    def known(path):
        if path not in rows:
            raise ValueError(f"no row for {path.name!r} in {text!r}.")
        return values[rows[path]]
    return known
