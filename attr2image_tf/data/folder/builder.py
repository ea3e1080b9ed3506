"""A user's own pictures: a folder of them, attributes.csv and, if there are any, masks.

    table = read_table("attributes.csv")
    found = check_folder("images", table, "masks")
    data = prepare_folder(found, table, "prepared/shoes", image_size=64, fit="mask")

`trainers.prepare` does this and reports on it; `--dataset=folder:prepared/shoes` opens it again (`open_folder`).
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from attr2image_tf.data import preparing
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.errors import UNUSABLE, DataError
from attr2image_tf.data.folder.check import CheckedFolder, check_share, summary
from attr2image_tf.data.folder.chunks import Chunks
from attr2image_tf.data.folder.table import Table
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path


@dataclasses.dataclass(eq=False)
class FolderConfig(tfds.core.BuilderConfig):
    """image_size: int, pixels. attribute_count: int."""

    image_size: int = 64
    attribute_count: int = 1


@dataclasses.dataclass(frozen=True, eq=False)
class FolderSource:
    """What a FolderPictures builder writes.

    Attributes:
        chunks: Chunks, already made.
        splits: names of pictures by split.
        schema: AttributeSchema of the training split.
        attributes: float32 [A] by name of the picture, nothing missing.
        groups: text by name of the picture.
        has_masks: whether the pictures have masks; either all or none do.
        skipped: names of unused pictures by kind.
        fingerprint: text that changes with anything that the prepared set depends on.
    """

    chunks: Chunks
    splits: dict[str, set[str]]
    schema: AttributeSchema
    attributes: dict[str, np.ndarray]
    groups: dict[str, str]
    has_masks: bool
    skipped: dict[str, list[str]]
    fingerprint: str


class FolderPictures(preparing.Builder):
    """tfds builder of a user's own pictures ("folder_pictures").

    Features of an example: image uint8 [H, W, 3], mask uint8 [H, W, 1] (255 on the foreground; all 0 where the set has
    no masks), attributes float32 [A], group, name (the path below the user's folder).
    Metadata: `schema` (AttributeSchema as JSON, measured on the training split), `has_masks`, `fingerprint`, `skipped`
    (number by kind).

    Args:
        source: FolderSource; not needed to read a prepared set.
        data_dir: the folder for prepared sets.
        config: FolderConfig.
    """

    description = "A user's own pictures with attributes."

    def __init__(self, *, source: FolderSource | None = None, **kwargs):
        self.source = source
        super().__init__(**kwargs)

    def features(self):
        return self.builder_config.image_size, self.builder_config.attribute_count, {
            "group": tfds.features.Text(), "name": tfds.features.Text()}

    def _split_generators(self, dl_manager):
        del dl_manager
        source = self.source
        preparing.check_space(self.data_dir, len(source.attributes), self.builder_config.image_size, "--output")
        self.info.metadata.update(schema=source.schema.to_json(), has_masks=source.has_masks,
                                  fingerprint=source.fingerprint)
        preparing.record_skipped(self, source.skipped)
        return {split: self._generate_examples(source.splits[split]) for split in SPLITS}

    def _generate_examples(self, names):
        no_mask = preparing.empty_mask(self.builder_config.image_size)
        for picture in self.source.chunks.read(names.__contains__):
            yield picture.name, {"image": picture.image, "mask": picture.mask or no_mask, "name": picture.name,
                                 "attributes": self.source.attributes[picture.name],
                                 "group": self.source.groups[picture.name]}


def make_source(found: CheckedFolder, table: Table, chunks: Chunks, problems: Mapping[str, str], *,
                validation_share: float = 0.1, test_share: float = 0.1) -> FolderSource:
    """Splits the pictures, fills missing values with the mean of the training split and measures the schema.

    Args:
        chunks: Chunks; need not be made yet.
        problems: what is wrong with pictures that turned out to be unusable, by name.
        validation_share: of the groups (of the pictures, where there are none); at least one is taken.
        test_share: likewise.

    Raises:
        DataError: a split is empty, or no training picture has a value of an attribute.
    """
    pictures = [picture for picture in found.pictures if picture.name not in problems]
    groups = {picture.name: table.groups[picture.row] if table.groups else picture.name for picture in pictures}
    splits = split_groups(groups, validation_share, test_share)
    for split in SPLITS:
        if len(splits[split]) < (2 if split == "train" else 1):
            raise DataError(f"the {split} split would have {len(splits[split])} pictures: {len(pictures):,} pictures "
                            f"can be used, in {len(set(groups.values())):,} groups; add some, or change "
                            "--validation_share and --test_share. Not used: "
                            f"{'; '.join(summary(found.problems)) or 'nothing'}.")
    rows = {picture.name: picture.row for picture in pictures}
    training = table.values[[rows[name] for name in sorted(splits["train"])]]
    known = np.isfinite(training)
    if not known.any(0).all():
        name = table.names[int(np.argmin(known.any(0)))]
        raise DataError(f"{table.path}: no picture of the training split has a value for {name!r}; fill some in, or "
                        "remove the column.")
    mean = np.where(known, training, 0.0).sum(0, dtype=np.float64) / known.sum(0)
    attributes = {name: np.where(np.isfinite(table.values[row]), table.values[row], mean).astype(np.float32)
                  for name, row in rows.items()}
    unusable = [f"{name} {problem}" for name, problem in problems.items()]
    skipped = found.problems | {UNUSABLE: found.problems.get(UNUSABLE, []) + unusable}
    return FolderSource(
        chunks, splits, AttributeSchema.measure(table.names, [attributes[name] for name in sorted(splits["train"])]),
        attributes, groups, has_masks=found.pictures[0].mask is not None,
        skipped={kind: names for kind, names in skipped.items() if names},
        fingerprint=_fingerprint(found, table, chunks, (validation_share, test_share)))


def _fingerprint(found, table, chunks, shares):
    rows = [picture.row for picture in found.pictures]
    digest = hashlib.sha256(json.dumps([chunks.fingerprint, shares, table.names,
                                        table.groups and [table.groups[row] for row in rows]]).encode())
    digest.update(table.values[rows].tobytes())
    return digest.hexdigest()


def split_groups(groups: dict[str, str], validation_share: float, test_share: float) -> dict[str, set[str]]:
    """Names by split, so that no group is in two; by a hash, so that a picture more moves few others."""
    def share(group):
        return int.from_bytes(hashlib.sha256(f"split/{group}".encode()).digest()[:8]) / 2**64

    ordered = sorted(set(groups.values()), key=share)
    counts = {"test": max(1, round(test_share * len(ordered))),
              "validation": max(1, round(validation_share * len(ordered)))}
    of_group = dict.fromkeys(ordered, "train")
    of_group |= dict.fromkeys(ordered[:counts["test"]], "test")
    of_group |= dict.fromkeys(ordered[counts["test"]:sum(counts.values())], "validation")
    return {split: {name for name, group in groups.items() if of_group[group] == split} for split in SPLITS}


def prepare_folder(found: CheckedFolder, table: Table, output: str | os.PathLike, *, image_size: int = 64,
                   fit: str = "middle", validation_share: float = 0.1, test_share: float = 0.1, threads: int = 0,
                   progress=lambda items, *_: items) -> AttributeDataset:
    """Scales the pictures and writes the prepared set below a folder, complete or not at all.

    A run that was killed goes on with the chunk it was at. A set that is there already and the same is left.

    Args:
        found, table: what the folder holds.
        output: the folder.
        image_size: pixels.
        fit: one of FITS (`chunks.make_small`).
        validation_share, test_share: as in `make_source`.
        threads: int; 0 for one a core.
        progress: as in `check_folder`.

    Raises:
        DataError: another set of this size is there, a split is empty, too many pictures cannot be used, or there is
            no disk space.
        ValueError: the folder cannot be made or written to.
    """
    output = as_path(output)
    chunks = Chunks(output / f".chunks-{image_size}", found.pictures, image_size=image_size, fit=fit)
    shares = {"validation_share": validation_share, "test_share": test_share}
    source = make_source(found, table, chunks, {}, **shares)
    check_output(found, source, output)
    builder = _builder(source, output)
    with preparing.only_one(builder):
        if not builder.is_prepared():
            with preparing.clear_disk_errors(chunks.folder, "--output"):
                problems = chunks.make(threads, progress)
            for name, problem in problems.items():
                logging.warning("Left out %s: it %s.", name, problem)
            builder.source = make_source(found, table, chunks, problems, **shares)
            check_share(builder.source.skipped.get(UNUSABLE, []), found.looked_at)
            preparing.prepare(builder, "--output")
        else:
            _check_same(builder, source)
        chunks.remove()
    return open_folder(output, image_size=image_size)


def check_output(found: CheckedFolder, source: FolderSource, output: str | os.PathLike) -> None:
    """What `prepare_folder` refuses, before anything is written.

    Raises:
        DataError: too many pictures cannot be used, or another set of this size is there.
        ValueError: the folder cannot be made or written to.
    """
    output = as_path(output)
    check_share(found.problems.get(UNUSABLE, []), found.looked_at)
    check_writable(output, "output")
    if (output / FolderPictures.name).is_dir():
        _check_same(_builder(source, output), source)


def _builder(source, output):
    size, names = source.chunks.image_size, source.schema.names
    return FolderPictures(source=source, data_dir=output, config=FolderConfig(
        name=str(size), image_size=size, attribute_count=len(names), description=f"{size} x {size} pixels."))


def _check_same(builder, source):
    if builder.is_prepared() and builder.info.metadata["fingerprint"] != source.fingerprint:
        size = builder.builder_config.image_size
        raise DataError(f"{builder.data_dir_root} holds a set of {size} x {size} pixels prepared from other files or "
                        f"settings (or by an older version); give another --name, or delete {builder.data_dir}.")


def open_folder(path: str | os.PathLike, *, image_size: int = 64) -> AttributeDataset:
    """A folder that `trainers.prepare` wrote, ready to read.

    Args:
        path: the folder.
        image_size: height and width in pixels, as prepared.

    Raises:
        DataError: it is not there, or not of this size.
    """
    place = as_path(path)
    sizes = sorted((int(each.name) for each in (place / FolderPictures.name).glob("*")
                    if (each / "1.0.0" / "dataset_info.json").is_file()), reverse=True)
    if not sizes:
        raise DataError(f"{path} holds no prepared pictures; make them with python -m trainers.prepare --images=... "
                        f"--attributes=... --name={place.name} --output={place.parent}.")
    if image_size not in sizes:
        raise DataError(f"{path} is prepared for --image_size={' or '.join(map(str, sizes))}, not {image_size}; use "
                        "that size, or run trainers.prepare again with the other.")
    builder = tfds.builder_from_directory(place / FolderPictures.name / str(image_size) / "1.0.0")
    # The bytes of all pictures as PNG: others after any change of what is seen, the same where the same is prepared
    # again, on another machine too.
    sizes = ", ".join(str(builder.info.splits[split].num_bytes) for split in SPLITS)
    return preparing.opened(builder, f"folder:{path}", image_size, has_masks=builder.info.metadata["has_masks"],
                            prepared=sizes)
