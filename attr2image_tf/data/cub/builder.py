"""Caltech-UCSD Birds: pictures of birds, 312 attributes and foreground masks, prepared once and then read quickly.

    data = open_cub(source_dir="/folder/that/holds/cub", attributes="image")
    data.counts                                 # {"train": ..., "validation": ..., "test": ...}
    next(iter(data.examples("train")))          # image, mask, attributes, name

Pictures are kept with a border of an eighth: a random crop of `image_size` varies the training pictures (sec. 5 of the
paper), all others are cropped in the middle.
"""

import collections
import dataclasses
import os

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from attr2image_tf import pixels
from attr2image_tf.data import preparing
from attr2image_tf.data.cub import files as cub_files
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.errors import UNUSABLE, DataError

ATTRIBUTES = ("image", "class")


class NoImageLabels(DataError):
    """The archive has no labels of single pictures."""


@dataclasses.dataclass(eq=False)
class CubConfig(tfds.core.BuilderConfig):
    """image_size: int, pixels after the crop. attributes: "image" or "class", whose labels."""

    image_size: int = 64
    attributes: str = "image"


def _config(image_size, attributes):
    return CubConfig(name=f"{image_size}_{attributes}", image_size=image_size, attributes=attributes,
                     description=f"For {image_size} x {image_size} pixels; attributes of each {attributes}.")


def bordered_size(image_size: int) -> int:
    """The size of the prepared pictures: 72 for 64."""
    return round(image_size * 72 / 64)


class CubAttributes(preparing.SourceBuilder):
    """tfds builder of CUB with attributes and masks ("cub_attributes").

    The official split, with 10 % of the training pictures as the validation split. What cannot be used is counted in
    the metadata and named in `skipped.txt` beside the prepared files.

    Features of an example: image uint8 [S, S, 3] and mask uint8 [S, S, 1] (255 on the bird) with S = bordered_size(H),
    attributes float32 [312] in [0, 1], species, name (`001.Black_footed_Albatross/Black_Footed_Albatross_0046_18`).
    Metadata: `schema` (AttributeSchema as JSON, measured on the training split), `image_labels` (whether the archive
    has labels of pictures), `skipped` (number by kind).

    Args:
        source_dir: the folder that holds `cub/` with the official files. If None they are downloaded.
        data_dir: the folder for prepared sets; tfds' own by default.
        config: "64_image", "64_class" and so on, or a CubConfig.
    """

    description = "Birds with 312 attributes and foreground masks, in the official split."
    homepage = "https://www.vision.caltech.edu/datasets/cub_200_2011/"
    citation = "Wah et al. 2011 (pictures, attributes); Farrell et al. 2011 (segmentations)"
    BUILDER_CONFIGS = [_config(size, attributes) for size in (64, 128) for attributes in ATTRIBUTES]
    url_infos = preparing.registered(cub_files.OFFICIAL_FILES)

    def features(self):
        return bordered_size(self.builder_config.image_size), cub_files.ATTRIBUTE_COUNT, {
            "species": tfds.features.Text(), "name": tfds.features.Text()}

    def _split_generators(self, dl_manager):
        files = (cub_files.find_files(self.source_dir) if self.source_dir is not None else
                 preparing.download(dl_manager, cub_files.OFFICIAL_FILES, cub_files.where_to_get))
        per_image = self.builder_config.attributes == "image"
        index = cub_files.read_index(files[cub_files.PICTURES], per_image)
        self._skipped = collections.defaultdict(list)
        if not per_image:
            attributes = cub_files.class_attributes(index)
        elif index.image_labels is None:
            raise NoImageLabels(f"{index.path} holds no {cub_files.IMAGE_LABELS}")
        else:
            attributes, unusable = cub_files.image_attributes(index)
            self._skipped["rows of labels, taken as unknown"] = unusable
        self.info.metadata["image_labels"] = index.has_image_labels
        self._skipped["listed pictures that are missing"] = sorted(set(index.pictures.values()) - index.present)

        numbers = {name: number for number, name in index.pictures.items() if name in index.present}
        training = {name for name, number in numbers.items() if number in index.training}
        validation = preparing.held_out(training) if len(training) > 1 else set()
        names = {"train": training - validation, "validation": validation, "test": set(numbers) - training}
        for split in SPLITS:
            if not names[split]:
                raise DataError(f"the {split} split is empty: {index.path} has {len(numbers):,} of the "
                                f"{len(index.pictures):,} listed pictures, {len(training):,} of them for training. "
                                f"{cub_files.where_to_get(cub_files.PICTURES)}.")
        preparing.check_space(self.data_dir, len(numbers), bordered_size(self.builder_config.image_size))
        self._skipped[UNUSABLE] = preparing.Unusable(len(numbers))
        masks = dict(cub_files.read_pictures(files[cub_files.SEGMENTATIONS], ".png", set(numbers)))
        species = {name: index.species[number] for name, number in numbers.items()}
        self._names = index.attribute_names
        return {split: self._generate_examples(split, names[split], files, masks, attributes, species)
                for split in SPLITS}

    def _generate_examples(self, split, names, files, masks, attributes, species):
        size = bordered_size(self.builder_config.image_size)
        written = []
        for name, content in cub_files.read_pictures(files[cub_files.PICTURES], ".jpg", names):
            try:
                if name not in masks:
                    raise ValueError("has no segmentation")
                image, mask = cub_files.crop(content, masks[name], size)
            except ValueError as error:
                self._skipped[UNUSABLE].leave_out(name, error, files[cub_files.PICTURES],
                                                  f"{cub_files.where_to_get(cub_files.PICTURES)}.")
                continue
            written.append(name)
            yield name, {"image": pixels.to_png(image), "mask": pixels.to_png(mask),
                         "attributes": attributes[name], "species": species[name], "name": name}
        self.finish(split, self._names, [attributes[name] for name in sorted(written)], self._skipped)


def open_cub(*, image_size: int = 64, source_dir: str | os.PathLike | None = None,
             prepared_dir: str | os.PathLike | None = None, attributes: str = "image") -> AttributeDataset:
    """CUB, ready to read; what is not prepared yet is prepared first.

    Args:
        image_size, source_dir, prepared_dir: as in `data.load`.
        attributes: "image" for the labels of each picture, "class" for the shares of its species. Where the archive
            has no labels of pictures, the shares are taken, which is logged and seen in the name of the data set.

    Returns:
        AttributeDataset named "cub:image" or "cub:class", with a border for random crops.

    Raises:
        DataError: a file is missing or broken, or there is no disk space.
    """
    if attributes not in ATTRIBUTES:
        raise ValueError(f"cub: attributes={attributes!r}; expected {' or '.join(ATTRIBUTES)}.")
    builder = _prepared(image_size, attributes, source_dir, prepared_dir)
    attributes = builder.builder_config.attributes
    border = (bordered_size(image_size) - image_size) // 2
    bordered = preparing.examples_of(builder)

    def examples(split):
        return bordered(split).map(cropped, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

    def cropped(example):
        inner = slice(border, border + image_size)
        return {**example, "image": example["image"][inner, inner], "mask": example["mask"][inner, inner]}

    return preparing.opened(builder, f"cub:{attributes}", image_size, examples=examples, bordered=bordered)


def _prepared(image_size, attributes, source_dir, prepared_dir):
    """The builder of a prepared set, of the species' shares where labels of pictures are asked for and missing."""
    wanted, by_class = (_builder(image_size, each, source_dir, prepared_dir) for each in (attributes, "class"))
    if wanted.is_prepared():
        return wanted
    if by_class.is_prepared() and not by_class.info.metadata["image_labels"]:
        _log_fallback(by_class)
        return by_class
    if wanted.source_dir is not None:
        cub_files.find_files(wanted.source_dir)  # Complains before any folder is made.
    with preparing.only_one(wanted):
        try:
            if not wanted.is_prepared():
                preparing.prepare(wanted)
            return wanted
        except NoImageLabels:
            _log_fallback(by_class)
        if not by_class.is_prepared():
            preparing.prepare(by_class)
        return by_class


def _log_fallback(by_class):
    logging.info("The archive has no %s: each picture has the attributes of its species. With a complete archive, "
                 "delete %s first.", cub_files.IMAGE_LABELS, by_class.data_dir)


def _builder(image_size, attributes, source_dir, prepared_dir):
    return preparing.make_builder(CubAttributes, _config(image_size, attributes), prepared_dir, source_dir)
