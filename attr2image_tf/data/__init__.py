"""Data sets by name."""

import os

from attr2image_tf.data import celeba, cub, emblems, folder, lfw
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.registry import Entry
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import as_path

ENTRIES = {entry.name: entry for entry in (emblems.ENTRY, lfw.ENTRY, cub.ENTRY, celeba.ENTRY, folder.ENTRY)}

__all__ = ["ENTRIES", "SPLITS", "AttributeDataset", "AttributeSchema", "Entry", "load", "names", "same_set"]


def names() -> str:
    """The data sets that `load` knows, as text."""
    return ", ".join(entry.shown for entry in ENTRIES.values())


def load(name: str, *, image_size: int = 64, source_dir: str | os.PathLike | None = None,
         prepared_dir: str | os.PathLike | None = None, seed: int = 0) -> AttributeDataset:
    """Opens a data set, preparing it first where that has not been done.

    Args:
        name: "emblems", "lfw", "cub" with the kind of attributes ("cub:image", "cub:class"), "celeba" with the kind of
            masks ("celeba:none", "celeba:drawn", "celeba:predicted"), or "folder:PATH", a folder that
            `trainers.prepare` wrote. The `name` of an open data set opens it again.
        image_size: int, pixels.
        source_dir: the folder that holds `lfw/`, `cub/` and `celeba/` with the official files; the environment
            variable ATTR2IMAGE_DATA by default. If neither is given they are downloaded. Not needed once the set is
            prepared.
        prepared_dir: where prepared data sets are kept; tfds' own folder (`~/tensorflow_datasets`) by default.
        seed: int. Of what is drawn (emblems) or split at random.

    Raises:
        ValueError: unknown name, or files that cannot be used (DataError).
    """
    kind, _, detail = name.partition(":")
    entry = ENTRIES.get(kind)
    if entry is not None and entry.details:
        detail = detail or entry.details[0]
    elif entry is None or bool(detail) != (entry.details is None):
        raise ValueError(f"dataset={name!r}: expected one of {names()}.")
    return entry.open(detail, image_size=image_size, source_dir=source_dir, prepared_dir=prepared_dir, seed=seed)


def same_set(one: str, other: str) -> bool:
    """Whether two names, as `load` takes them, mean one data set, however the folder of "folder:PATH" is spelled."""
    kinds, places = zip(*(name.partition(":")[::2] for name in (one, other)), strict=True)
    if kinds != ("folder", "folder"):
        return one == other
    return as_path(places[0]).resolve() == as_path(places[1]).resolve()
