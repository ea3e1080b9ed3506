"""Prepares the set of a tfds builder: in one process at a time, completely or not at all, with clear errors."""

import contextlib
import errno
import hashlib
import math
import os
import pathlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from attr2image_tf import pixels
from attr2image_tf.data import foreground
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.errors import LARGEST_UNDECODABLE_SHARE, DataError, clear_disk_errors
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.data.source_files import OfficialFile, problems_text
from attr2image_tf.files import as_path, lock

READ = tfds.ReadConfig(try_autocache=False, add_tfds_id=False)
VALIDATION_SHARE = 0.1


class Builder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """What all builders of the package share: their version, and features of an example as PNG files and numbers.

    A subclass defines `features` and, if there are any, `description`, `homepage` and `citation`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    url_infos = {}  # Of what tfds downloads.
    description = homepage = citation = None

    def features(self) -> tuple[int, int, dict]:
        """Pixels of height and width, number of attributes, and the features besides image, mask and attributes."""
        raise NotImplementedError(f"{type(self).__name__} does not define features.")

    def is_prepared(self):
        """Whether the set is there. One that another process has prepared since this builder was made is read."""
        prepared = super().is_prepared()
        if prepared and not self.info.initialized:
            self.info.read_from_directory(self.data_path)
        return prepared

    def _info(self):
        size, count, others = self.features()
        images = {name: tfds.features.Image(shape=(size, size, channels), encoding_format="png")
                  for name, channels in (("image", 3), ("mask", 1))}
        return tfds.core.DatasetInfo(
            builder=self, description=self.description, homepage=self.homepage, citation=self.citation,
            features=tfds.features.FeaturesDict({
                **images, "attributes": tfds.features.Tensor(shape=(count,), dtype=np.float32), **others}),
            metadata=tfds.core.MetadataDict())


class SourceBuilder(Builder, skip_registration=True):
    """A Builder that reads official files, or another prepared set.

    Args:
        source_dir: the folder that holds the data set's folder with the files. If None they are downloaded.
        data_dir: the folder for prepared sets; tfds' own by default.
        config: the name of a configuration, or one.
    """

    def __init__(self, *, source_dir: str | os.PathLike | None = None, **kwargs):
        self.source_dir = source_dir
        super().__init__(**kwargs)

    def finish(self, split: str, names: Sequence[str], attributes: Sequence[np.ndarray],
               skipped: Mapping[str, list[str]]):
        """What follows the last picture of a split: the schema, measured on the training split, and what was skipped.

        Args:
            split: text.
            names: texts, of the A attributes.
            attributes: [N, A], of the pictures of the split, in an order that is the same each time.
            skipped: names by kind, of all splits so far.
        """
        if split == "train":
            self.info.metadata["schema"] = AttributeSchema.measure(names, attributes).to_json()
        record_skipped(self, skipped)

    def with_predicted_masks(self, base: tfds.core.DatasetBuilder, masks_of: Callable) -> dict:
        """Examples by split of another prepared set, with masks of the foreground network of its size.

        Args:
            base: builder of the other set, whose metadata is taken over.
            masks_of: function of the network and a batch of examples to the entries of the batch that change.

        Raises:
            DataError: there is no network, or no disk space.
        """
        size = self.builder_config.image_size
        network = foreground.load(foreground.network_dir(size, self.data_dir_root))
        self.info.metadata.update(dict(base.info.metadata))
        check_space(self.data_dir, base.info.splits.total_num_examples, size)

        def examples(split):
            for batch in base.as_dataset(split=split, batch_size=256, read_config=READ).as_numpy_iterator():
                batch |= masks_of(network, batch)
                for row, name in enumerate(batch["name"]):
                    example = {key: values[row] for key, values in batch.items()}
                    yield name.decode(), example | {key: pixels.to_png(example[key]) for key in ("image", "mask")}

        return {split: examples(split) for split in SPLITS}


def prepare(builder: tfds.core.DatasetBuilder, option: str = "--prepared_dir") -> None:
    """Prepares a builder's set and says what was skipped (metadata `skipped`: number by kind).

    Call it within `only_one`.

    Args:
        builder: of tfds.
        option: the flag that chooses the folder, for the complaint about a full disk.

    Raises:
        DataError: the files cannot be used, or there is no disk space.
    """
    started = time.monotonic()
    logging.info("Preparing %s in %s", builder.info.full_name, builder.data_dir)
    # What a killed run left; nobody else is at it, see `only_one`.
    version = pathlib.Path(builder.data_dir)
    for leftover in version.parent.glob(f"{tfds.core.constants.INCOMPLETE_PREFIX}*_{version.name}"):
        shutil.rmtree(leftover)
    with clear_disk_errors(version, option):
        builder.download_and_prepare()
    skipped = ", ".join(f"{number:,} {kind}" for kind, number in builder.info.metadata["skipped"].items() if number)
    logging.info("Prepared %s in %.0f s: %s. Skipped: %s.", builder.info.full_name, time.monotonic() - started,
                 ", ".join(f"{builder.info.splits[split].num_examples:,} {split}" for split in SPLITS),
                 f"{skipped} (named in {version / 'skipped.txt'})" if skipped else "nothing")


class Unusable(list):
    """Pictures that are left out, each with the reason; too large a share of them ends the run.

    Args:
        total: int, number of pictures that are wanted.
    """

    def __init__(self, total: int):
        super().__init__()
        self.largest = math.floor(LARGEST_UNDECODABLE_SHARE * total)

    def leave_out(self, name: str, error: ValueError, place: str | os.PathLike, advice: str) -> None:
        """Counts one; raises DataError, which names the place and ends in the advice, when there are too many."""
        self.append(f"{name} {error}")
        if len(self) > self.largest:
            raise DataError(f"{place}: {len(self)} pictures cannot be used, more than {LARGEST_UNDECODABLE_SHARE:.0%} "
                            f"of those wanted; the last: {self[-1]}. {advice}") from error


def record_skipped(builder: tfds.core.DatasetBuilder, skipped: Mapping[str, list[str]]) -> None:
    """Writes the names of what was skipped, by kind, to `skipped.txt`, and their numbers to the metadata."""
    builder.info.metadata["skipped"] = {kind: len(names) for kind, names in skipped.items()}
    (pathlib.Path(builder.data_dir) / "skipped.txt").write_text(problems_text(skipped))


@contextlib.contextmanager
def only_one(builder: tfds.core.DatasetBuilder):
    """Waits until no other process prepares sets of this builder in its folder, and keeps others out meanwhile."""
    root = pathlib.Path(builder.data_dir_root)
    root.mkdir(parents=True, exist_ok=True)
    path = root / f".{builder.name}.lock"
    held = lock(path)
    if held is None:
        logging.info("Another process is preparing %s in %s; waiting for it", builder.name, root)
        held = lock(path, wait=True)
    with held:
        yield


def check_space(folder: str | os.PathLike, examples: int, image_size: int, option: str = "--prepared_dir") -> None:
    """Raises DataError unless the disk of a version's folder has room for so many pictures."""
    # PNG takes about two thirds of the raw bytes, and tfds writes every example twice (sorting, then shards).
    needed = round(2 * examples * image_size**2 * 3 * 0.75)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise DataError(f"No space left on the disk of {pathlib.Path(folder).parents[2]}: {free / 1e6:,.0f} MB are "
                        f"free, about {needed / 1e6:,.0f} MB are needed; free some, or choose another folder with "
                        f"{option}.")


def download(dl_manager: tfds.download.DownloadManager, official: Mapping[str, OfficialFile],
             where_to_get: Callable[[str], str]) -> dict[str, pathlib.Path]:
    """Downloads official files; their paths by name.

    Args:
        dl_manager: of tfds.
        official: OfficialFile by name.
        where_to_get: function of a file's name that returns the sentence for a missing one.

    Raises:
        DataError: a file cannot be had, or is not the official one.
    """
    paths = {}
    for name, file in official.items():
        try:
            paths[name] = pathlib.Path(dl_manager.download(file.url))
        except tfds.core.download.download_manager.NonMatchingChecksumError as error:
            raise DataError(f"{name} from {file.url} is not the official file: expected {file.size:,} bytes with "
                            f"SHA-256 {file.sha256}. {where_to_get(name)}.") from error
        except Exception as error:  # tfds passes on whatever its HTTP library raises.
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            raise DataError(f"{name} cannot be downloaded from {file.url} ({type(error).__name__}). "
                            f"{where_to_get(name)}.") from error
    return paths


def registered(files: dict[str, OfficialFile]) -> dict[str, tfds.core.download.checksums.UrlInfo]:
    """Official files with a published sum as a builder's `url_infos`."""
    return {file.url: tfds.core.download.checksums.UrlInfo(tfds.core.utils.Size(file.size), file.sha256, name)
            for name, file in files.items() if file.sha256}


def empty_mask(image_size: int) -> bytes:
    """A PNG of a mask without foreground, for pictures that have none."""
    return pixels.to_png(np.zeros([image_size, image_size, 1], np.uint8))


def held_out(keys: Iterable[str]) -> set[str]:
    """The tenth of keys (at least one) with the smallest hashes, for validation.

    The same ones whatever the order of the keys and the version of any random generator.
    """
    ordered = sorted(keys, key=lambda key: hashlib.sha256(f"validation/{key}".encode()).digest())
    return set(ordered[:max(1, round(VALIDATION_SHARE * len(ordered)))])


def make_builder(kind: type[SourceBuilder], config: tfds.core.BuilderConfig, prepared_dir: str | os.PathLike | None,
                 source_dir: str | os.PathLike | None) -> SourceBuilder:
    """A builder of a class, with one of its own configurations where the name is known; folders as in `data.load`.

    Raises:
        ValueError: nobody knows the home folder, where prepared sets are by default.
    """
    known = {known.name for known in kind.BUILDER_CONFIGS}
    try:
        # tfds' own default makes a folder that is called ~ where no home is known.
        data_dir = as_path(prepared_dir or os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets")
    except ValueError as error:
        raise ValueError(f"{error} Prepared data sets go to --prepared_dir=FOLDER.") from None
    return kind(data_dir=data_dir, config=config.name if config.name in known else config,
                source_dir=source_dir or os.environ.get("ATTR2IMAGE_DATA") or None)


def opened(builder: tfds.core.DatasetBuilder, name: str, image_size: int, **others) -> AttributeDataset:
    """A prepared set with its own schema, counts and examples where they are not among its `others` (attributes)."""
    return AttributeDataset(name=name, image_size=image_size, **{
        "schema": AttributeSchema.from_json(builder.info.metadata["schema"]),
        "counts": {split: builder.info.splits[split].num_examples for split in SPLITS},
        "examples": examples_of(builder)} | others)


def examples_of(builder: tfds.core.DatasetBuilder, *others: str):
    """AttributeDataset's `examples` of a prepared set with image, mask, attributes and name, and other features."""
    names = ("image", "mask", "attributes", "name", *others)

    def examples(split):
        if split not in SPLITS:
            raise ValueError(f"split is {split!r}; expected one of {', '.join(SPLITS)}.")
        dataset = builder.as_dataset(split=split, shuffle_files=False, read_config=READ)
        return dataset.map(lambda example: {name: example[name] for name in names},
                           num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    return examples
