"""Records of TFRecord files by their place, so that a worker reads its own and no others."""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import tensorflow as tf
from google.protobuf.message import DecodeError

# A record: its length in 8 bytes, a sum of these in 4, the content, a sum of it in 4.
_LENGTH, _HEAD, _TAIL = "<Q", 12, 4
_LARGEST_BYTES = 2**30


def scan(path: str, files) -> Iterator[tuple[int, tf.train.Example]]:
    """Places and contents of all records of a file.

    Raises:
        ValueError: the file ends within a record, or holds something else.
    """
    with files.open(path) as file:
        while True:
            offset = file.tell()
            if not file.read(1):
                return
            file.seek(offset)
            yield offset, _next(file, path)


def read(path: str, offset: int, files) -> tf.train.Example:
    """The record that begins at a place.

    Raises:
        ValueError: as `scan`.
    """
    with files.open(path) as file:
        file.seek(offset)
        return _next(file, path)


def _next(file: BinaryIO, path):
    head = file.read(_HEAD)
    length = struct.unpack(_LENGTH, head[:8])[0] if len(head) == _HEAD else _LARGEST_BYTES
    content = file.read(length) if length < _LARGEST_BYTES else b""
    if len(content) != length or len(file.read(_TAIL)) != _TAIL:
        raise ValueError(f"{path!r} is not a whole TFRecord file; copy or prepare it again.")
    try:
        return tf.train.Example.FromString(content)
    except DecodeError as error:
        raise ValueError(f"{path!r} holds a record that is not a tf.train.Example ({error}).") from None
