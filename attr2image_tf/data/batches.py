"""Batches from examples: order, augmentation and position in the data as pure functions of (seed, epoch, step)."""

import tensorflow as tf

from attr2image_tf.data.augmentation import AugmentationConfig, augment
from attr2image_tf.data.dataset import AttributeDataset
from attr2image_tf.pixels import model_range_from_uint8

# Pictures, masks and bookkeeping of a data set below this are kept in memory after the first pass.
MEMORY_LIMIT_BYTES = 3 * 2**30
# Larger data sets are shuffled in a window of so many examples, fewer where they would take more memory.
SHUFFLE_WINDOW = 30_000


class BatchReader:
    """Reads an AttributeDataset in batches for training and evaluation.

    A batch is a dictionary of image float32 [b, H, W, 3] in [-1, 1], mask float32 [b, H, W, 1] in [0, 1], attributes
    float32 [b, A] and weight float32 [b], where b is the share of one replica.

    Nothing is remembered between epochs: the order of an epoch and each example's augmentation follow from the seed,
    the epoch and the place in it, so a run that was killed continues with exactly the batch that would have come next.

    Args:
        batch_size: int. Examples per step over all replicas.
        augmentation: AugmentationConfig of training; with a crop, of pictures that have a border.

    Raises:
        ValueError: the training split is smaller than one batch, or there is no border to crop.
    """

    def __init__(self, dataset: AttributeDataset, *, batch_size: int, seed: int, augmentation: AugmentationConfig):
        if dataset.counts["train"] < batch_size:
            raise ValueError(f"dataset {dataset.name!r} has {dataset.counts['train']} training examples, fewer than "
                             f"batch_size={batch_size}; use a smaller batch.")
        self.dataset, self.batch_size, self.seed, self.augmentation = dataset, batch_size, seed, augmentation
        self.steps_per_epoch = dataset.counts["train"] // batch_size
        if augmentation.cropped_size and dataset.bordered is None:
            raise ValueError(f"dataset {dataset.name!r} has no border to crop at random; leave out --crop.")
        fitting = MEMORY_LIMIT_BYTES // (4 * dataset.image_size**2)
        fits = dataset.counts["train"] + dataset.counts["validation"] <= fitting
        self._splits = {split: dataset.examples(split).cache() if fits else dataset.examples(split)
                        for split in ("train", "validation")}
        self._examples = self._splits["train"]
        if augmentation.cropped_size:
            self._examples = dataset.bordered("train").cache() if fits else dataset.bordered("train")
        self._window = min(dataset.counts["train"], SHUFFLE_WINDOW, fitting)

    def training(self, epoch: int, first_step: int = 0, context: tf.distribute.InputContext | None = None):
        """The rest of an epoch from `first_step`, as a tf.data.Dataset of one replica's batches.

        The last examples, too few for a batch, are left out; every epoch's order leaves out others.

        Args:
            epoch: int, from 0.
            first_step: int, from 0.
            context: from `strategy.distribute_datasets_from_function`; every worker gets its own rows of each global
                batch.
        """
        replicas = context.num_replicas_in_sync if context else 1
        if self.batch_size % replicas:
            raise ValueError(f"batch_size={self.batch_size} cannot be divided evenly among {replicas} replicas; use a "
                             "multiple.")
        mixed = (self.seed * 1_000_003 + epoch * 7919 + 1) % 2**31
        order = self._examples.shuffle(self._window, seed=mixed, reshuffle_each_iteration=False)
        order = order.take(self.steps_per_epoch * self.batch_size).enumerate().skip(first_step * self.batch_size)
        order = self._of_worker(order, context)
        seed = tf.constant([self.seed, epoch], tf.int32)

        def prepared(place, example):
            ready = _ready(example)
            own = tf.random.experimental.stateless_fold_in(seed, tf.cast(place, tf.int32), alg="philox")
            return ready | augment({"image": ready["image"], "mask": ready["mask"]}, own, self.augmentation)

        batches = order.map(prepared, tf.data.AUTOTUNE).batch(self.batch_size // replicas, drop_remainder=True)
        # An epoch ends when its iterator is gone, and that waits for the autotuner, which may sleep for seconds.
        # Without it as many examples are prepared at once as there are cores.
        options = tf.data.Options()
        options.autotune.enabled = False
        return batches.prefetch(tf.data.AUTOTUNE).with_options(options)

    def evaluation(self, split: str, context: tf.distribute.InputContext | None = None):
        """A whole split once, in its order, unaugmented; the last batch is filled up with rows of weight 0."""
        # A cropped training split is seldom read whole and uncropped, and would be held twice.
        held = split == "validation" or split == "train" and self._examples is self._splits["train"]
        examples = (self._splits[split] if held else self.dataset.examples(split)).map(_ready, tf.data.AUTOTUNE)
        filling = -self.dataset.counts[split] % self.batch_size
        nothing = tf.data.Dataset.from_tensors(
            tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), examples.element_spec))
        rows = self._of_worker(examples.concatenate(nothing.repeat(filling)).enumerate(), context)
        share = self.batch_size // (context.num_replicas_in_sync if context else 1)
        return rows.map(lambda _, row: row).batch(share, drop_remainder=True).prefetch(tf.data.AUTOTUNE)

    def _of_worker(self, rows, context):
        """Of numbered rows those that are a worker's own in each global batch."""
        if context is None or context.num_input_pipelines == 1:
            return rows
        share = self.batch_size // context.num_input_pipelines
        return rows.filter(lambda place, _: (place % self.batch_size) // share == context.input_pipeline_id)


def _ready(example):
    return {"image": model_range_from_uint8(example["image"]), "mask": tf.cast(example["mask"], tf.float32) / 255.0,
            "attributes": example["attributes"], "weight": tf.constant(1.0)}
