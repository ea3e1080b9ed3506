"""Data sets by name."""

import os

from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import as_path

NAMES = ("emblems", "lfw", "cub", "celeba", "folder:PATH")

__all__ = ["NAMES", "SPLITS", "AttributeDataset", "AttributeSchema", "load", "same_set"]


def load(name: str, *, image_size: int = 64, source_dir: str | os.PathLike | None = None,
         prepared_dir: str | os.PathLike | None = None, seed: int = 0) -> AttributeDataset:
    """Opens a data set, preparing it first where that has not been done.

    Args:
        name: "emblems", "lfw", "cub" with the kind of attributes ("cub:image", "cub:class"), "celeba" with the kind of
            masks ("celeba:none", "celeba:drawn", "celeba:predicted"), or "folder:PATH", a folder that
            `trainers.prepare` wrote. The `name` of an open data set opens it again.
        image_size: int, pixels.
        source_dir: the folder that holds `lfw/`, `cub/` and `celeba/` with the official files; the environment
            variable ATTR2IMAGE_DATA by default.
        prepared_dir: where prepared data sets are kept; tfds' own folder by default.
        seed: int. Of what is drawn (emblems) or split at random.

    Raises:
        ValueError: unknown name, or files that cannot be used (DataError).
    """
    kind, _, detail = name.partition(":")
    files = {"image_size": image_size, "source_dir": source_dir, "prepared_dir": prepared_dir}
    # Imported when asked for: emblems need nothing of what reads archives.
    if name == "emblems":
        from attr2image_tf.data.emblems import open_emblems
        return open_emblems(image_size=image_size, seed=seed)
    if name == "lfw":
        from attr2image_tf.data.lfw.builder import open_lfw
        return open_lfw(**files)
    if kind == "cub":
        from attr2image_tf.data.cub.builder import open_cub
        return open_cub(attributes=detail or "image", **files)
    if kind == "celeba":
        from attr2image_tf.data.celeba.builder import open_celeba
        return open_celeba(masks=detail or "none", **files)
    if kind == "folder" and detail:
        from attr2image_tf.data.folder.builder import open_folder
        return open_folder(detail, image_size=image_size)
    raise ValueError(f"dataset={name!r}: expected one of {', '.join(NAMES)}.")


def same_set(one: str, other: str) -> bool:
    """Whether two names, as `load` takes them, mean one data set, however the folder of "folder:PATH" is spelled."""
    kinds, places = zip(*(name.partition(":")[::2] for name in (one, other)), strict=True)
    if kinds != ("folder", "folder"):
        return one == other
    return as_path(places[0]).resolve() == as_path(places[1]).resolve()
