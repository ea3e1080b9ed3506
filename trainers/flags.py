"""Flags that several mains share."""

import os

from absl import flags

from attr2image_tf import data
from attr2image_tf.config import RunConfig


def define_dataset_flags():
    """--dataset, --cub_attributes, --celeba_masks, --data_dir, --prepared_dir, --image_size."""
    flags.DEFINE_string("dataset", "emblems", f"Data set: {', '.join(data.NAMES)}. emblems is rendered on the fly and "
                        "needs no files.")
    flags.DEFINE_enum("cub_attributes", "image", ("image", "class"), "Attributes of cub: labels of each picture, or "
                      "shares of its species, which are also taken where the archive has no labels of pictures.")
    flags.DEFINE_enum("celeba_masks", "none", ("none", "drawn", "predicted"), "Masks of celeba: none, those of "
                      "CelebAMask-HQ with its pictures, or what the network of trainers.train_foreground predicts.")
    define_source_flags()
    flags.DEFINE_integer("image_size", 64, "Height and width in pixels; a multiple of 32.", lower_bound=32)


def define_source_flags():
    """--data_dir, --prepared_dir."""
    flags.DEFINE_string("data_dir", os.environ.get("ATTR2IMAGE_DATA"),
                        "Folder that holds the official archives, such as lfw/lfw-funneled.tgz; by default the "
                        "environment variable ATTR2IMAGE_DATA. Without either, files are downloaded.")
    flags.DEFINE_string("prepared_dir", None, "Folder for prepared data sets; ~/tensorflow_datasets by default.")


def load_dataset(values) -> data.AttributeDataset:
    """The data set that the flags name."""
    details = {"cub": values.cub_attributes, "celeba": values.celeba_masks}
    name = f"{values.dataset}:{details[values.dataset]}" if values.dataset in details else values.dataset
    return data.load(name, image_size=values.image_size, source_dir=values.data_dir,
                     prepared_dir=values.prepared_dir)


def load_run_dataset(values, run: RunConfig, schema: data.AttributeSchema) -> data.AttributeDataset:
    """The data set that a run was trained on.

    Raises:
        ValueError: the files that the flags name are of other attributes.
    """
    dataset = data.load(run.dataset, image_size=run.model.image_size, source_dir=values.data_dir,
                        prepared_dir=values.prepared_dir)
    if dataset.schema.names != schema.names:
        raise ValueError(f"data set {dataset.name!r} has {len(dataset.schema)} attributes, the run {len(schema)}, or "
                         "others; name the files that the run was trained on.")
    return dataset
