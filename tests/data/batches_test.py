"""Laws of BatchReader: batches are functions of seed, epoch and step, however they are shared and resumed."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.data import batches
from attr2image_tf.data.augmentation import NO_AUGMENTATION, AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.data.dataset import AttributeDataset
from attr2image_tf.data.schema import AttributeSchema

SIZE, BATCH = 8, 4
COUNTS = {"train": 22, "validation": 10, "test": 8}
AUGMENTATION = AugmentationConfig(minimum_gain=0.5, maximum_gain=1.0)


def examples(split):
    random = np.random.default_rng(len(split))
    count = COUNTS[split]
    # The first attribute tells which example it is.
    attributes = np.stack([np.arange(count), random.normal(size=count)], 1).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices({
        "image": random.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8),
        "mask": random.integers(0, 2, (count, SIZE, SIZE, 1), np.uint8) * np.uint8(255),
        "attributes": attributes, "name": [f"{split}-{index}" for index in range(count)]})


@pytest.fixture(scope="module")
def dataset():
    attributes = [example["attributes"] for example in examples("train").as_numpy_iterator()]
    return AttributeDataset("numbers", SIZE, AttributeSchema.measure(("index", "other"), attributes), COUNTS, examples)


@pytest.fixture(scope="module")
def reader(dataset):
    return BatchReader(dataset, batch_size=BATCH, seed=3, augmentation=AUGMENTATION)


def read(batches):
    return list(batches.as_numpy_iterator())


def indices(batches):
    return [int(index) for batch in batches for index in batch["attributes"][:, 0]]


def assert_equal(batches, others):
    assert len(batches) == len(others)
    for batch, other in zip(batches, others, strict=True):
        assert set(batch) == set(other)
        for name, value in batch.items():
            np.testing.assert_array_equal(value, other[name], err_msg=name)


def joined(parts):
    """Batches of consecutive parts as one."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def test_an_epoch_takes_examples_once_and_leaves_out_the_rest(reader):
    epoch = read(reader.training(0))
    assert len(epoch) == reader.steps_per_epoch == 5
    assert len(set(indices(epoch))) == 20
    batch = epoch[0]
    assert {name: (value.shape, value.dtype) for name, value in batch.items()} == {
        "image": ((4, 8, 8, 3), np.float32), "mask": ((4, 8, 8, 1), np.float32),
        "attributes": ((4, 2), np.float32), "weight": ((4,), np.float32)}
    assert all(np.all(each["weight"] == 1.0) for each in epoch)
    assert set(np.unique(batch["mask"])) == {0.0, 1.0}
    assert batch["image"].min() >= -1.0 and batch["image"].max() <= 1.0


def test_the_order_follows_from_seed_and_epoch(dataset, reader):
    first = read(reader.training(0))
    assert_equal(first, read(reader.training(0)))
    again = BatchReader(dataset, batch_size=BATCH, seed=3, augmentation=AUGMENTATION)
    assert_equal(first, read(again.training(0)))
    other = BatchReader(dataset, batch_size=BATCH, seed=4, augmentation=AUGMENTATION)
    orders = [tuple(indices(read(each))) for each in (reader.training(0), reader.training(1), other.training(0))]
    assert len(set(orders)) == 3 and list(range(20)) not in map(list, orders)
    # Over the epochs nobody is left out.
    assert set().union(*(indices(read(reader.training(epoch))) for epoch in range(8))) == set(range(22))


@pytest.mark.parametrize("step", [1, 4, 5])
def test_a_resumed_epoch_is_the_rest_of_the_epoch(reader, step):
    assert_equal(read(reader.training(2, first_step=step)), read(reader.training(2))[step:])


def test_an_example_is_augmented_anew_in_every_epoch(dataset, reader):
    plain = BatchReader(dataset, batch_size=BATCH, seed=3, augmentation=NO_AUGMENTATION)
    originals = {index: example["image"] / 127.5 - 1.0
                 for index, example in enumerate(examples("train").as_numpy_iterator())}
    for batch in read(plain.training(0)):
        for index, image in zip(indices([batch]), batch["image"], strict=True):
            np.testing.assert_allclose(image, originals[index], atol=1e-6)
    epochs = [{index: image for batch in read(reader.training(epoch))
               for index, image in zip(indices([batch]), batch["image"], strict=True)} for epoch in (0, 1)]
    both = set(epochs[0]) & set(epochs[1])
    assert all(np.any(epochs[0][index] != epochs[1][index]) for index in both)


def contexts(workers, replicas):
    return [tf.distribute.InputContext(workers, worker, replicas) for worker in range(workers)]


@pytest.mark.parametrize(("workers", "replicas"), [(1, 2), (2, 2), (2, 4), (4, 4)])
def test_shares_together_are_the_global_batch(reader, workers, replicas):
    each = replicas // workers
    for whole, make in ((reader.training(1, 2), lambda context: reader.training(1, 2, context)),
                        (reader.evaluation("validation"), lambda context: reader.evaluation("validation", context))):
        shares = [read(make(context)) for context in contexts(workers, replicas)]
        whole = read(whole)
        assert {len(share) for share in shares} == {len(whole) * each}
        steps = [joined([part for share in shares for part in share[step * each:(step + 1) * each]])
                 for step in range(len(whole))]
        assert_equal(steps, whole)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_covers_each_example_once_unaugmented(reader, split):
    batches = read(reader.evaluation(split))
    assert all(batch["image"].shape == (BATCH, SIZE, SIZE, 3) for batch in batches)
    everything = joined(batches)
    real = everything["weight"] == 1.0
    count = COUNTS[split]
    assert everything["attributes"][real, 0].tolist() == list(range(count))
    originals = np.stack([example["image"] for example in examples(split).as_numpy_iterator()])
    np.testing.assert_allclose(everything["image"][real], originals / 127.5 - 1.0, atol=1e-6)
    filling = everything["weight"][~real]
    assert len(filling) == -count % BATCH and np.all(filling == 0.0)


def test_a_batch_that_cannot_be_is_refused(dataset, reader):
    with pytest.raises(ValueError, match="22 training examples, fewer than batch_size=23"):
        BatchReader(dataset, batch_size=23, seed=0, augmentation=AUGMENTATION)
    with pytest.raises(ValueError, match="batch_size=4 cannot be divided evenly among 3 replicas"):
        reader.training(0, context=tf.distribute.InputContext(1, 0, 3))


def test_large_data_sets_are_shuffled_in_what_memory_allows(dataset, monkeypatch):
    window = 5
    monkeypatch.setattr(batches, "MEMORY_LIMIT_BYTES", window * 4 * SIZE**2)
    reader = BatchReader(dataset, batch_size=BATCH, seed=3, augmentation=NO_AUGMENTATION)
    orders = [joined(read(reader.training(epoch)))["attributes"][:, 0] for epoch in range(4)]
    for order in orders:
        # What comes at place n was among the first n + window that were read.
        assert np.all(order < np.arange(len(order)) + window)
        assert len(set(order)) == len(order) == COUNTS["train"] // BATCH * BATCH
    assert len({tuple(order) for order in orders}) == 4
