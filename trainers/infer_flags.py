"""What the texts of `trainers.infer`'s flags mean: pictures, where their results go, what is known of them."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from attr2image_tf import files, picture_files
from attr2image_tf.data.folder.check import rows_of_pictures
from attr2image_tf.data.folder.table import read_attributes


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
