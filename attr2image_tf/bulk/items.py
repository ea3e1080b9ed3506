"""Items: what a bulk run works on, as rows of a table that is written once and read a shard at a time."""

import hashlib
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attr2image_tf.files import replacing


class Item(NamedTuple):
    """A picture, or a request for one.

    Attributes:
        path: text. Where the picture is read; for a request, its name.
        name: text. Name of the results, with "/" between folders and without ending; no two items have the same name.
        offset: int. Where the record begins in a TFRecord file; -1 for a picture file.
        attributes: float32 [A], or None if the input does not give them.
        request: text, as AttributeSchema.parse reads it; "" for a picture.
        seed, number, count: ints. A request with a seed is drawn `count` times; this is picture `number`, from 0.
    """

    path: str
    name: str
    offset: int = -1
    attributes: np.ndarray | None = None
    request: str = ""
    seed: int = 0
    number: int = 0
    count: int = 1

    @property
    def source(self) -> str:
        """What results call it: its path, and of a record also its name."""
        return self.path if self.offset < 0 else f"{self.path}:{self.name}"


_SCHEMA = pa.schema([("path", pa.string()), ("name", pa.string()), ("offset", pa.int64()),
                     ("attributes", pa.list_(pa.float32())), ("request", pa.string()), ("seed", pa.int32()),
                     ("number", pa.int32()), ("count", pa.int32())])


def to_table(items: Sequence[Item]) -> pa.Table:
    """Items as a table, in their order."""
    columns = zip(*items, strict=True) if items else [()] * len(_SCHEMA)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)],
                    schema=_SCHEMA)


def write(table: pa.Table, path: str | os.PathLike, shard_size: int):
    """Writes a table so that `read` finds each shard without reading the others."""
    with replacing(path) as beside:
        pq.write_table(table, beside, row_group_size=shard_size)


def read(path: str | os.PathLike, shard: int) -> list[Item]:
    """The items of a shard, by its number from 0."""
    with pq.ParquetFile(path) as file:
        rows = file.read_row_group(shard).to_pylist()
    return [Item(**row | {"attributes": None if row["attributes"] is None else np.float32(row["attributes"])})
            for row in rows]


def checksum(table: pa.Table) -> str:
    """SHA-256 of what a table says."""
    result = hashlib.sha256()
    for batch in table.to_batches(max_chunksize=10_000):
        result.update(repr(batch.to_pydict()).encode())
    return result.hexdigest()
