"""Reads --input: folders, globs, lists, TFRecords of a prepared set, and requests, as sorted items."""

import csv
import glob
import io
import os
import pathlib
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attr2image_tf.bulk.config import BulkConfig
from attr2image_tf.bulk.items import Item
from attr2image_tf.bulk.tasks import FOUND, GIVEN
from attr2image_tf.data.folder.table import read_attributes, read_rows, read_table
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import as_path
from attr2image_tf.photos import folders

# Every shard draws the attributes of all pictures of a request, since they are drawn together.
LARGEST_COUNT = 10_000
_WILD = re.compile(r"[*?\[]")
_EXPECTED = "a folder, a glob such as 'photos/*.jpg', a .csv or .parquet list, or TFRecords of a prepared set"


class Files:
    """Files of this machine. Another kind, such as Beam's, finds and opens those of other places."""

    def find(self, pattern: str) -> list[str]:
        """Paths of files that match, ** for any number of folders."""
        return [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]

    def open(self, path: str) -> BinaryIO:
        """A file to read and seek in."""
        return open(path, "rb")

    def read(self, path: str) -> bytes:
        """All of a file."""
        with self.open(path) as file:
            return file.read()


def find_items(config: BulkConfig, specs: Sequence[str], schema: AttributeSchema, output: str | os.PathLike,
               files: Files) -> list[Item]:
    """Pictures sorted by name; of `generate` requests in their order, from CSV files with the columns request and seed,
    and perhaps count and name.

    Args:
        specs: texts of --input.
        schema: of the attributes that are asked for, or that lists and prepared sets bring.
        output: the folder of the results, which is not searched.

    Raises:
        ValueError: nothing is there, two results have one name, some pictures have attributes and others have none, the
            task needs them and no picture has them, or a file or a line of it cannot be used.
        OSError: a file cannot be read.
    """
    if config.task == "generate":
        return _find_requests(specs, schema, output, files)
    takes_attributes = config.attributes is None and config.about.attributes in (GIVEN, FOUND)
    items = []
    for spec in specs:
        found = _expand(str(spec), output, files)
        before = len(items)
        for name, path in found.items():
            kind = _kind(path)
            if kind == "list":
                items += _list(path, schema, takes_attributes, files)
            elif kind == "records":
                items += _records(name, path, schema, takes_attributes, files)
            elif kind == "picture":
                items.append(Item(path, name))
        if len(items) == before:
            raise ValueError(f"input={spec!r}: no picture there; expected {_EXPECTED}.")
    items = [item._replace(name=os.path.splitext(item.name)[0]) if folders.is_picture(item.name) else item
             for item in items]
    items.sort(key=lambda item: (item.name, item.path, item.offset))
    _check_names(items)
    described = sum(item.attributes is not None for item in items)
    if 0 < described < len(items):
        bare = next(item.path for item in items if item.attributes is None)
        raise ValueError(f"input: {described:,} of {len(items):,} pictures come with attributes and the others, such "
                         f"as {bare!r}, without; run them separately, into two folders.")
    if takes_attributes and config.about.attributes == GIVEN and not described:
        raise ValueError(f"task={config.task} needs the attributes of the pictures: give a list that has them, "
                         "TFRecords of a prepared set, or a request for all, such as --attributes=Male=mean.")
    return items


def _find_requests(specs, schema, output, files):
    items = []
    for spec in specs:
        for path in _expand(str(spec), output, files).values():
            if not path.lower().endswith(".csv"):
                raise ValueError(f"input={path!r}: --task=generate expects a .csv file with the columns request and "
                                 "seed, and optionally count and name.")
            items += _requests(path, schema, files)
    if not items:
        raise ValueError(f"input={', '.join(map(str, specs))!r} requests no picture; expected one row per request.")
    _check_names(sorted(items, key=lambda item: item.name))
    return items


def _check_names(items):
    for one, other in zip(items, items[1:], strict=False):
        if one.name == other.name and (one.path, one.offset) == (other.path, other.offset):
            raise ValueError(f"input: {one.path!r} is listed twice; list it once.")
        if one.name == other.name:
            raise ValueError(f"input: the results of {one.path!r} and of {other.path!r} would both be called "
                             f"{one.name!r}; rename one of them, or run them separately.")


def _expand(spec, output, files):
    """Paths by the names that pictures get."""
    if not spec:
        raise ValueError(f"--input is missing; name {_EXPECTED}.")
    remote = "://" in spec
    spec = spec if remote else str(as_path(spec))
    if not remote and os.path.isdir(spec):
        found = folders.find_pictures(spec, [output])
        if found.pictures:
            return {name: str(path) for name, path in found.pictures.items()}
        return {name: os.path.join(spec, name) for name in found.others if ".tfrecord" in os.path.basename(name)}
    if not remote and os.path.isfile(spec):
        return {os.path.basename(spec): spec}
    if not _WILD.search(spec) and not remote:
        raise ValueError(f"input={spec!r} does not exist; expected {_EXPECTED}.")
    if not _WILD.search(spec) and not _kind(spec):
        spec = spec.rstrip("/") + "/**"
    wild = _WILD.search(spec)
    base = spec[:wild.start()] if wild else spec
    base = base[:base.rfind("/") + 1]
    found = {path.removeprefix(base): path for path in sorted(files.find(spec))}
    results = os.path.join(os.path.abspath(output), "")
    return {name: path for name, path in found.items()
            if not any(part.startswith(".") for part in name.split("/"))
            and (remote or not os.path.abspath(path).startswith(results))}


def _kind(path):
    """What a file is by its name, or None."""
    name = path.rsplit("/", 1)[-1]
    if name.lower().endswith((".csv", ".parquet")):
        return "list"
    if ".tfrecord" in name:
        return "records"
    return "picture" if folders.is_picture(name) else None


def _list(path, schema, takes_attributes, files) -> Iterator[Item]:
    """Pictures of a CSV or Parquet list; their paths count from its folder."""
    base = path[:path.rfind("/") + 1]
    keys, values = (_parquet if path.lower().endswith(".parquet") else _csv)(path, schema, takes_attributes, files)
    for row, key in enumerate(keys):
        if "\\" in key and "://" not in path and not os.path.exists(base + key):
            # Written on Windows.
            key = key.replace("\\", "/").removeprefix("./")
        whole = key if "://" in key or os.path.isabs(key) else base + key
        parts = key.partition("://")[2] or key
        name = "/".join(part for part in parts.split("/") if part not in ("", ".", ".."))
        yield Item(whole, name, attributes=None if values is None else values[row])


def _csv(path, schema, takes_attributes, files):
    if "://" in path:
        raise ValueError(f"input={path!r}: a CSV list is read from this machine; copy it, or use Parquet.")
    try:
        lines = [row for row in read_rows(files.read(path)) if any(cell.strip() for cell in row)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"input={path!r}: cannot be read as CSV in UTF-8 ({error}).") from None
    if all(len(row) == 1 for row in lines):
        # A first line that names no picture is a header.
        names = [row[0].strip() for row in lines]
        return names if names and folders.is_picture(names[0]) else names[1:], None
    if not takes_attributes:
        return read_table(path, wanted=lambda name: False).keys, None
    table = read_attributes(path, schema)
    return table.keys, table.values


def _parquet(path, schema, takes_attributes, files):
    try:
        table = pq.read_table(io.BytesIO(files.read(path)))
    except pa.ArrowInvalid as error:
        raise ValueError(f"input={path!r} cannot be read as Parquet ({error}).") from None
    if "path" not in table.column_names:
        raise ValueError(f"input={path!r} has no column 'path'; it has {', '.join(table.column_names)}.")
    keys = table["path"].to_pylist()
    if not all(isinstance(key, str) and key for key in keys):
        raise ValueError(f"input={path!r}: expected a text in each row of the column 'path'.")
    if not takes_attributes or table.column_names == ["path"]:
        return keys, None
    if "attributes" in table.column_names:
        values = table["attributes"].to_pylist()
    else:
        missing = [name for name in schema.names if name not in table.column_names]
        if missing:
            raise ValueError(f"input={path!r} has no column for {', '.join(missing[:5])}; expected one for each "
                             "attribute, or a column 'attributes' of lists.")
        values = zip(*(table[name].to_pylist() for name in schema.names), strict=True)
    return keys, [_vector(path, key, value, schema) for key, value in zip(keys, values, strict=True)]


def _vector(path, key, value, schema):
    """Attributes as float32 [A], missing ones at the mean."""
    try:
        vector = np.array([np.nan if each is None else each for each in value], np.float32)
    except (TypeError, ValueError):
        vector = np.zeros(0, np.float32)
    if vector.shape != (len(schema),) or np.isinf(vector).any():
        raise ValueError(f"input={path!r}, {key!r}: expected {len(schema)} finite numbers as attributes, got "
                         f"{value!r:.80}.")
    return np.where(np.isnan(vector), schema.mean, vector)


def _records(name, path, schema, takes_attributes, files) -> Iterator[Item]:
    """The records of a TFRecord file, each by its place and its own name."""
    from attr2image_tf.bulk import records

    for number, (offset, example) in enumerate(records.scan(path, files)):
        attributes = None
        if takes_attributes:
            attributes = np.float32(example.features.feature["attributes"].float_list.value)
            if attributes.shape != (len(schema),):
                raise ValueError(f"input={path!r}, record {number}: expected {len(schema)} attributes, as the models "
                                 f"have, got {len(attributes)}; name the set that they were trained on.")
        names = example.features.feature["name"].bytes_list.value
        yield Item(path, names[0].decode() if names else f"{name}-{number:06d}", offset, attributes)


def _requests(path, schema, files) -> Iterator[Item]:
    rows = csv.DictReader(io.StringIO(files.read(path).decode("utf-8-sig"), newline=""))
    columns = set(rows.fieldnames or ())
    known = {"request", "seed", "count", "name"}
    if not {"request", "seed"} <= columns or columns - known:
        raise ValueError(f"{path}, line 1: expected the columns request and seed, and optionally count and name; found "
                         f"{', '.join(map(str, rows.fieldnames or ())) or 'nothing'}.")
    checked = set()
    for place, row in enumerate(rows, start=1):
        try:
            if None in row or None in row.values():
                raise ValueError(f"expected {len(columns)} columns as in the header (put a request with a comma in "
                                 "double quotes)")
            if row["request"] not in checked:
                schema.vector(schema.parse(row["request"]))
                checked.add(row["request"])
            seed = _number(row, "seed", 0, 2**31 - 1)
            count = _number(row, "count", 1, LARGEST_COUNT) if row.get("count") else 1
        except ValueError as error:
            raise ValueError(f"{path}, line {rows.line_num}: {str(error).rstrip('.')}.") from None
        name = (row.get("name") or "").strip() or f"{pathlib.PurePath(path).stem}-{place:06d}"
        name = "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
        for number in range(count):
            label = f"{name}-{number:05d}" if count > 1 else name
            yield Item(label, label, request=row["request"], seed=seed, number=number, count=count)


def _number(row, name, least, most):
    try:
        value = int(row[name])
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise ValueError(f"{name}={row[name]!r}: expected a whole number from {least} to {most}")
    return value
