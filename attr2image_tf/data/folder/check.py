"""Checks a folder of pictures before it is prepared: which rows, pictures and masks belong together."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import io
import os
import pathlib
import unicodedata
from collections.abc import Callable, Iterable

from PIL import Image

from attr2image_tf.data.errors import LARGEST_UNDECODABLE_SHARE, UNUSABLE, DataError
from attr2image_tf.data.folder.table import Table, is_value, no_header
from attr2image_tf.data.source_files import clear_decoding, decode_mask
from attr2image_tf.files import as_path
from attr2image_tf.photos import folders, reading
from attr2image_tf.workers import core_count, in_order

# Of EXIF orientations, those that turn a picture by a quarter.
_QUARTER_TURNS = (5, 6, 7, 8)
# A few bad pictures are left out, also of a small folder; more than this or the share says that something is wrong.
_FEW = 3
_EXAMPLES = 3
OTHERS = "files of other endings, which were not read"


@dataclasses.dataclass(frozen=True, slots=True)
class Picture:
    """A picture that has a row.

    Attributes:
        name: text, its path below the folder, with "/" between.
        path: the file.
        mask: the file of its mask, or None.
        row: int, of the table.
        size: (width, height) as shown.
        format: text, Pillow's name.
    """

    name: str
    path: pathlib.Path
    mask: pathlib.Path | None
    row: int
    size: tuple[int, int]
    format: str


@dataclasses.dataclass(frozen=True)
class CheckedFolder:
    """What a folder holds.

    Attributes:
        pictures: those that can be used, in the order of their names.
        problems: names by kind of what cannot be used, or looks like a mistake.
    """

    pictures: list[Picture]
    problems: dict[str, list[str]]

    @property
    def looked_at(self) -> int:
        """Pictures that can be used, and those that cannot because of what is in their files."""
        return len(self.pictures) + len(self.problems.get(UNUSABLE, []))


def check_folder(images: str | os.PathLike, table: Table, masks: str | os.PathLike | None = None, *,
                 without: Iterable[str | os.PathLike] = (), threads: int = 0,
                 progress: Callable[[Iterable, int, str], Iterable] = lambda items, *_: items) -> CheckedFolder:
    """Joins pictures, rows and masks, and looks into each file.

    A row finds its picture as `rows_of_pictures` says; a picture finds its mask in the same ways, the ending never
    mattering. Of pictures with the same content the first is used.

    Args:
        images: the folder of pictures; folders within it are searched too.
        masks: the folder of masks, if there are any. Pictures without one are then not used.
        without: folders that are not searched, such as the one that gets the prepared set.
        threads: int; 0 for one a core.
        progress: function of an iterable, its length and a text, that yields the same and shows how far it is.

    Raises:
        DataError: a folder is missing, a row may mean several pictures, or no picture can be used.
        ValueError: `images` or `masks` is one of the folders that are not searched.
    """
    images = _folder(images, "pictures")
    files, others = folders.find_pictures(images, without)
    rows = rows_of_pictures(table, files, images.name)
    masks_of = _masks_of_pictures(_folder(masks, "masks"), files, without) if masks is not None else {}
    problems = collections.defaultdict(list)
    problems["pictures without a row"] = sorted(set(files) - set(rows))
    found_rows = set(rows.values())
    problems["rows without a picture"] = [f"{key} (line {line})" for index, (key, line) in
                                          enumerate(zip(table.keys, table.lines, strict=True))
                                          if index not in found_rows]
    problems[OTHERS] = [name for name in others if (images / name).resolve() != table.path.resolve()]
    pictures, first_with = [], {}
    names = sorted(rows)
    with concurrent.futures.ThreadPoolExecutor(threads or core_count()) as pool:
        looks = in_order(pool, _look, ((files[name], masks_of.get(name)) for name in names))
        for name, look in zip(names, progress(looks, len(names), "Checking"), strict=True):
            if isinstance(look, str):
                problems[UNUSABLE].append(f"{name} {look}")
            elif first_with.setdefault(look[2], name) != name:
                problems["copies of a picture, of which the first is used"].append(f"{name} is {first_with[look[2]]}")
            elif masks is not None and name not in masks_of:
                problems["pictures without a mask"].append(name)
            else:
                pictures.append(Picture(name, files[name], masks_of.get(name), rows[name], *look[:2]))
    if not pictures:
        raise DataError(f"{images} has {len(files):,} pictures and none can be used: "
                        f"{'; '.join(summary(problems)) or f'expected files such as {folders.COMMON_ENDINGS}'}.")
    return CheckedFolder(pictures, {kind: names for kind, names in problems.items() if names})


def summary(problems: dict[str, list[str]]) -> list[str]:
    """What cannot be used, or looks like a mistake: how many of each kind, with examples."""
    return [f"{len(names):,} {kind}: {', '.join(names[:_EXAMPLES])}{', ...' if len(names) > _EXAMPLES else ''}"
            for kind, names in problems.items() if names]


def check_share(unusable: list[str], total: int) -> None:
    """Raises DataError where more pictures cannot be used than a few that one leaves out."""
    if len(unusable) > max(_FEW, LARGEST_UNDECODABLE_SHARE * total):
        raise DataError(f"{len(unusable):,} of {total:,} pictures cannot be used, more than "
                        f"{LARGEST_UNDECODABLE_SHARE:.0%}; the first: {unusable[0]}. Repair them, or remove them "
                        "and their rows.")


def _folder(path, content):
    path = as_path(path)
    if not path.is_dir():
        raise DataError(f"{path} is {'a file' if path.exists() else 'missing'}; expected a folder of {content}.")
    return path


class _Finder:
    """Finds names by path, by path without ending, by file name and by file name without ending, in this order.

    Args:
        names: texts.
        same: one of _SAME; names are equal where its results are.
    """

    def __init__(self, names, same):
        self.same = same
        self._by = [collections.defaultdict(list) for _ in range(4)]
        for name in names:
            for known, key in zip(self._by, self._keys(same(name)), strict=True):
                known[key].append(name)

    def find(self, key, ways):
        """The names that a key may mean: none, one or several."""
        key = self.same(key)
        for way in ways:
            # A key as it is, or without its ending where an ending does not matter.
            if names := self._by[way].get(key if way in (0, 2) else _without_ending(key), []):
                return names
        return []

    @staticmethod
    def _keys(name):
        return name, _without_ending(name), _file(name), _without_ending(_file(name))


def _composed(name):
    return unicodedata.normalize("NFC", name)


def _lower(name):
    return _composed(name).lower()


# A letter with an accent is one, whether a system writes it in one character or two. Upper and lower case do not matter
# for what is left then.
_SAME = (_composed, _lower)


def _file(name):
    return name.rpartition("/")[2]


def _without_ending(name):
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in folders.endings() else name


def rows_of_pictures(table: Table, names: Iterable[str], folder_name: str) -> dict[str, int]:
    """The rows of pictures by their names; what finds no row has none.

    A row finds its picture by the path below the folder, or where no other picture has it by the file name alone, with
    or without its ending, and failing that in upper or lower case.

    Args:
        names: of pictures, their paths below a folder, with "/" between.
        folder_name: the folder's own name, with which paths in the table may begin.

    Raises:
        DataError: a row may mean several pictures, a picture has several rows, or the first row stands where the
            header should be.
    """
    names = list(names)
    _check_header(table, names, folder_name)
    rows, left = {}, list(range(len(table.keys)))
    for same in _SAME:
        finder, tried, left = _Finder([name for name in names if name not in rows], same), left, []
        for index in tried:
            key, line = table.keys[index], table.lines[index]
            found = _named(finder, key, folder_name)
            if len(found) > 1:
                raise DataError(f"{table.path}, line {line}: {key!r} may be {found[0]!r} or {found[1]!r}; write the "
                                "path below the folder of pictures.")
            if not found:
                left.append(index)
            elif found[0] in rows:
                raise DataError(f"{table.path}, line {line}: {found[0]!r} already has a row, line "
                                f"{table.lines[rows[found[0]]]}; keep one of them.")
            else:
                rows[found[0]] = index
    return rows


def _named(finder, key, folder_name):
    """The pictures that the first cell of a row may mean."""
    # A key with an ending means this very file; one without may mean any ending.
    ways = (0, 2) if folders.is_picture(key) else (1, 3)
    return finder.find(key, ways) or finder.find(finder.same(key).removeprefix(f"{finder.same(folder_name)}/"), ways)


def _check_header(table, names, folder_name):
    """Refuses a table whose first row stands where the header should be."""
    # A picture may be called "file.jpg", so without an ending the other cells must look like a row's too.
    first, *others = table.header
    if not (folders.is_picture(first) or all(map(is_value, others))):
        return
    if any(_named(_Finder(names, same), first, folder_name) for same in _SAME):
        raise no_header(table.path, first)


def _masks_of_pictures(folder, files, without):
    masks, found = folders.find_pictures(folder, without).pictures, {}
    for same in _SAME:
        claimed = set(found.values())
        finder = _Finder([mask for mask in masks if mask not in claimed], same)
        rest = [name for name in files if name not in found]
        paths = collections.Counter(_without_ending(same(name)) for name in rest)
        names_alone = collections.Counter(_without_ending(same(_file(name))) for name in files)
        for name in rest:
            names = []
            # A mask of the same path serves all endings, but not names that only look alike.
            if same is _composed or paths[_without_ending(same(name))] == 1:
                names = finder.find(name, (1,))
            if not names and names_alone[_without_ending(same(_file(name)))] == 1:
                names = finder.find(_file(name), (3,))
            if len(names) > 1:
                raise DataError(f"the mask of {name!r} may be {folder / names[0]} or {folder / names[1]}; keep one of "
                                "them.")
            if names:
                found[name] = names[0]
    return {name: masks[mask] for name, mask in found.items()}


def _look(path, mask):
    """(size, format, digest of the content) of a picture, or what is wrong with it or its mask."""
    try:
        with clear_decoding(path):
            content = path.read_bytes()
            with Image.open(io.BytesIO(content)) as picture:
                size, kind = picture.size, picture.format
                # Of a TIFF, Pillow gives the size as it is shown.
                if kind != "TIFF" and picture.getexif().get(0x0112) in _QUARTER_TURNS:
                    size = size[::-1]
                # All of it, since a file may break off; a JPEG at an eighth of its size, which costs less.
                picture.draft("RGB", (1, 1))
                reading.as_seen(picture)
    except ValueError as error:
        return str(error)
    if mask is not None:
        try:
            mask_size = read_mask(mask).size
        except ValueError as error:
            return str(error)
        if not same_shape(size, mask_size):
            return f"is {size[0]} x {size[1]}, its mask {mask_size[0]} x {mask_size[1]}"
    return size, kind, hashlib.blake2b(content, digest_size=16).digest()


def read_mask(path: pathlib.Path) -> Image.Image:
    """A mask as 255 on the foreground, where `reading.as_drawn` is above 127, and 0 elsewhere; of mode "L".

    Raises:
        ValueError: it does not decode, has no foreground, or nothing else.
    """
    try:
        mask = decode_mask(path)
    except ValueError as error:
        raise ValueError(f"has a mask that {error}") from error
    smallest, largest = mask.getextrema()
    if largest <= 127:
        raise ValueError(f"has a mask without foreground (its largest value is {largest}; expected 255 on the object)")
    if smallest > 127:
        raise ValueError(f"has a mask that is foreground everywhere (its smallest value is {smallest}; expected 0 "
                         "around the object)")
    return mask.point(lambda value: 255 if value > 127 else 0)


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes differ in scale alone, up to the rounding of a pixel."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)
