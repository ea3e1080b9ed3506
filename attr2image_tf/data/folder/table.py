"""attributes.csv: one row per picture, one column per attribute; read strictly, errors name the line and the column."""

import csv
import dataclasses
import io
import math
import os
import pathlib
import re
from collections.abc import Callable

import numpy as np

from attr2image_tf.data.errors import DataError
from attr2image_tf.data.schema import AttributeSchema, loosely
from attr2image_tf.files import as_path
from attr2image_tf.photos import folders

_YES = {"yes", "true", "y", "t"}
_NO = {"no", "false", "n", "f"}
_MISSING = {"", "?", "-", "na", "n/a", "#n/a", "<na>", "nan", "none", "null"}
_SEPARATORS = ",;\t"
# What Excel writes, and reads, above a table whose columns are parted by another character than the system's.
_EXCELS_LINE = re.compile(r"sep=(.)[\r\n]+", re.IGNORECASE)
# The covariance of all attributes travels with every run and export, and grows with their square.
LARGEST_COUNT = 2000
# Whole numbers whose differences are a smaller share of them, such as times of one day in seconds, are one to float32.
_SMALLEST_SHARE = 1e-4
# Variances are squares and are kept as float32, which ends at 3e38 and begins at 1e-38.
_LARGEST, _SMALLEST_EXTENT = 1e18, 1e-18


@dataclasses.dataclass(frozen=True, eq=False)
class Table:
    """Attributes as the user gave them.

    Attributes:
        path: path of the file.
        header: texts, the whole first row.
        names: A texts, the header without its first column, the group column and unwanted columns.
        keys: N texts, the first column: file names, with or without folders and ending.
        lines: N line numbers, from 1.
        values: float32 [N, A]; NaN where a value is missing.
        groups: N texts of the group column, or None.
    """

    path: pathlib.Path
    header: tuple[str, ...]
    names: tuple[str, ...]
    keys: list[str]
    lines: list[int]
    values: np.ndarray
    groups: list[str] | None


def read_table(path: str | os.PathLike, group: str | None = None, *,
               wanted: Callable[[str], bool] = lambda name: True) -> Table:
    """Reads attributes.csv: comma, semicolon or tab between the columns, numbers or yes/no (true/false) in them.

    Args:
        path: the file.
        group: name of a column that says which pictures belong together, such as the person shown.
        wanted: function of a column's name; others are passed over, whatever they hold.

    Raises:
        DataError: no header, a line that is too short or long, a value that is no number and no yes or no, a column
            that float32 cannot hold, a picture that has two rows, or no group.
    """
    path = as_path(path)
    if not path.is_file():
        raise DataError(f"{path} is {'a folder' if path.is_dir() else 'missing'}; expected a CSV file with a header, "
                        "file names in its first column and one attribute in each other column.")
    try:
        lines = _numbered(path, read_rows(path.read_bytes()))
        header = [name.strip() for name in next((row for _, _, row in lines if row), [])]
        columns, group_column = _columns(path, header, group, wanted)
        return _read_rows(path, header, columns, group_column, lines)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}, line {line}: not a text in UTF-8 ({error.reason}); save it as CSV in "
                        "UTF-8.") from error


def read_rows(content: bytes):
    """A csv.reader of what a CSV file holds, in UTF-8 or UTF-16, whatever parts its columns: , ; or a tab, or what a
    first line of Excel's, such as "sep=;", says.

    Raises:
        UnicodeDecodeError: it is in another encoding.
    """
    start, encoding = content[:1000], "utf-8-sig"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in start:
        # Of Latin letters in UTF-16 one byte is 0, which without a mark tells the order.
        encoding = "utf-16-be" if start[:1] == b"\0" else "utf-16-le"
    text, skipped = content.decode(encoding), 0
    if found := _EXCELS_LINE.match(text):
        # The line stays, empty, so that lines keep their numbers.
        text, skipped = text[found.end(1):], 1
    first = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]

    def columns(separator):
        return len(next(csv.reader([first], delimiter=separator), []))

    separator = found[1] if skipped else max(_SEPARATORS, key=columns)
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator)


def read_attributes(path: str | os.PathLike, schema: AttributeSchema) -> Table:
    """A table of all attributes of a schema, in its order; missing values are at the training mean.

    Columns that are no attributes are passed over, whatever they hold.

    Raises:
        DataError: as `read_table`.
        ValueError: an attribute has no column, or two.
    """
    places = {}

    def wanted(name):
        try:
            places[name] = schema.index(name)
        except ValueError:
            return False
        return True

    table = read_table(path, wanted=wanted)
    columns = [places[name] for name in table.names]
    if len(set(columns)) < len(columns):
        raise ValueError(f"{str(path)!r}: two columns have the same attribute; remove one.")
    if missing := sorted(set(range(len(schema))) - set(columns)):
        raise ValueError(f"{str(path)!r} has no column for {', '.join(schema.names[i] for i in missing[:5])}"
                         f"{' and others' if len(missing) > 5 else ''}; expected one for each attribute.")
    values = np.empty_like(table.values)
    values[:, columns] = table.values
    return dataclasses.replace(table, names=schema.names, values=np.where(np.isfinite(values), values, schema.mean))


def _numbered(path, rows):
    """Rows with the numbers of their first and last line, which differ where a cell in quotation marks has a break."""
    while True:
        first = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(f"{path}, line {first}: cannot be read as CSV ({error}); look for a quotation mark that is "
                            "opened there and not closed.") from error
        yield first, rows.line_num, row


def _columns(path, header, group, wanted):
    """Numbers of the attributes' columns, and of the group's or None."""
    if len(header) < 2:
        raise DataError(f"{path}, line 1: expected a header of a file name and at least one attribute, found "
                        f"{','.join(header)!r}.")
    if len(header) > LARGEST_COUNT + 2:
        raise DataError(f"{path}, line 1: {len(header) - 1:,} columns; expected at most {LARGEST_COUNT:,} attributes.")
    if folders.is_picture(header[0]) and all(map(is_value, header[1:])):
        raise no_header(path, header[0])
    known = {}
    hint = " Is it a header? It has values alone." if all(map(is_value, header[1:])) else ""
    for column, name in enumerate(header[1:], start=1):
        if not name:
            raise DataError(f"{path}, line 1: column {column + 1} has no name.{hint}")
        # As requests find them: upper and lower case, blanks and underscores do not matter.
        before = known.setdefault(loosely(name), column)
        if before != column:
            raise DataError(f"{path}, line 1: columns {before + 1} and {column + 1} have the same name, {name!r}."
                            f"{hint}")
    if group is None:
        return [column for column, name in enumerate(header) if column and wanted(name)], None
    if group not in header[1:]:
        raise DataError(f"{path}, line 1: there is no column {group!r} to group by; known: {', '.join(header[1:])}.")
    group_column = header.index(group, 1)
    columns = [column for column, name in enumerate(header) if column not in (0, group_column) and wanted(name)]
    if not columns:
        raise DataError(f"{path}, line 1: expected at least one attribute besides the group column {group!r}.")
    return columns, group_column


def _read_rows(path, header, columns, group_column, lines_of_file):
    keys, lines, values, groups, known = [], [], [], [], {}
    for line, last, row in lines_of_file:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            open_quote = f"; a quotation mark that is opened there reaches to line {last}" if last > line else ""
            raise DataError(f"{path}, line {line}: expected {len(header)} columns as in the header, found "
                            f"{len(row)}{open_quote}.")
        key = row[0].strip().replace("\\", "/").removeprefix("./")
        if len(key.splitlines()) > 1:
            raise DataError(f"{path}, line {line}: the file name reaches to line {last}; look for a quotation mark "
                            "that is opened there and not closed.")
        if not key:
            raise DataError(f"{path}, line {line}: the file name is missing.")
        if key in known:
            raise DataError(f"{path}, line {line}: {key!r} already has a row, line {known[key]}; keep one of them.")
        known[key] = line
        values.append([_value(path, line, header[column], row[column]) for column in columns])
        keys.append(key)
        lines.append(line)
        if group_column is not None:
            groups.append(row[group_column].strip())
            if not groups[-1]:
                raise DataError(f"{path}, line {line}: {header[group_column]!r} is empty; every picture needs a group "
                                "when --group is given.")
    if not keys:
        raise DataError(f"{path} has a header but no rows; expected one row per picture.")
    names = tuple(header[column] for column in columns)
    values = np.array(values, np.float64).reshape(len(keys), len(columns))
    for name, column in zip(names, values.T, strict=True):
        _check_extent(path, name, column[np.isfinite(column)])
    return Table(path, tuple(header), names, keys, lines, values.astype(np.float32),
                 groups if group_column is not None else None)


def no_header(path: pathlib.Path, cell: str) -> DataError:
    """The complaint about a table that begins with the row of a picture."""
    return DataError(f"{path}, line 1: expected a header, found the row of the picture {cell!r}; write a line above it "
                     'with "file" and the names of the attributes.')


def _check_extent(path, name, column):
    extent = float(np.ptp(column)) if len(column) else 0.0
    if 0.0 < extent < _SMALLEST_EXTENT:
        raise DataError(f"{path}, column {name!r}: all values lie within {extent:.2g} of each other, which float32 "
                        "cannot square; write them in a smaller unit.")
    size = float(np.abs(column).max(initial=0.0))
    if size >= 1e6 and 0.0 < extent < _SMALLEST_SHARE * size and np.all(column == np.rint(column)):
        raise DataError(f"{path}, column {name!r}: float32 cannot tell its values apart, which lie within {extent:g} "
                        f"of each other at {size:g}; subtract {column.min():.0f} from all of them.")


def is_value(text: str) -> bool:
    """Whether a cell may stand below the header: a number, yes or no, or a sign that the value is missing."""
    return _number(text) is not None


def _number(text):
    """A cell as a float, NaN where it says that the value is missing; None where it is a word."""
    plain = text.strip().lower()
    if plain in _MISSING:
        return math.nan
    if plain in _YES or plain in _NO:
        return float(plain in _YES)
    try:
        return float(plain)
    except ValueError:
        return None


def _value(path, line, name, text):
    plain, value = text.strip().lower(), _number(text)
    if value is not None and plain not in _MISSING and _LARGEST < abs(value) < math.inf:
        raise DataError(f"{path}, line {line}, column {name!r}: expected a number from -{_LARGEST:g} to {_LARGEST:g}, "
                        f"whose square float32 can hold, found {text!r}; write the column in a larger unit.")
    if value is None or plain not in _MISSING and not math.isfinite(value):
        hint = ("Write decimals with a point." if re.fullmatch(r"[+-]?\d*,\d+", plain) else
                "(A column of texts can only be the one of --group.)")
        raise DataError(f"{path}, line {line}, column {name!r}: expected a number, yes or no, or nothing where it is "
                        f"not known; found {text!r}. {hint}")
    return value
