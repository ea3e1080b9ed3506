"""Journal: reports progress after each epoch."""

import time

import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf import pixels
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.evaluation import sheets
from attr2image_tf.randomness import seed_rows


class Journal:
    """Reports each epoch: a log line, TensorBoard curves and picture grids."""

    def __init__(self, folder, dataset, config):
        self.folder, self.schema, self.config = folder, dataset.schema, config
        self.writer = tf.summary.create_file_writer(str(folder.tensorboard))
        # Small data sets have fewer than the sheets show.
        self.shown = min(8, dataset.counts["train"], dataset.counts["validation"])
        reader = BatchReader(dataset, batch_size=self.shown, seed=0, augmentation=AugmentationConfig())
        self.batch = next(iter(reader.evaluation("validation")))
        self.started, self.first_epoch = time.monotonic(), None

    def __call__(self, loop, epoch, row):
        if self.first_epoch is None:
            self.first_epoch = epoch
        seconds = (time.monotonic() - self.started) / (epoch + 1 - self.first_epoch)
        logging.info("Epoch %d of %d: %s, %.1f pictures/s, %s left.", epoch + 1, self.config.epochs,
                     loop.learner.describe(row), row["pictures_per_second"],
                     _duration(seconds * (self.config.epochs - epoch - 1)))
        seeds = seed_rows(0, self.shown)
        pictures = loop.learner.pictures(self.batch, seeds) or {
            "reconstructions": sheets.reconstructions(loop.model, self.batch),
            "samples": sheets.layers(loop.model, self.batch["attributes"].numpy(), seeds)}
        with self.writer.as_default(step=epoch + 1):
            for name, value in row.items():
                split, _, term = name.partition("_")
                tf.summary.scalar(f"{split}/{term}" if split in ("train", "validation") else name, value)
            for name, picture in pictures.items():
                tf.summary.image(name, picture[np.newaxis])
                pixels.save(picture, self.folder.samples / f"{name}_{epoch + 1:04d}.png")
        self.writer.flush()


def _duration(seconds):
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
