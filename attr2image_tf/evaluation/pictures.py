"""Pictures: a split of a data set as arrays, which is what experiments work on, a batch at a time."""

import dataclasses
import re

import numpy as np

from attr2image_tf.data.dataset import AttributeDataset
from attr2image_tf.later import tf

# How the person follows from a picture's name, by data set.
PEOPLE = {"lfw": lambda name: name.rpartition("_")[0],
          # Not told by the names of a set prepared without files, nor of CelebAMask-HQ.
          "celeba": lambda name: name.partition("_")[0] if re.fullmatch(r"\d+_\d+", name) else name}


@dataclasses.dataclass(frozen=True)
class Pictures:
    """N examples in the data set's order.

    Attributes:
        images: uint8 [N, H, W, 3].
        masks: uint8 [N, H, W, 1], 255 on the foreground.
        attributes: float32 [N, A].
        names: texts [N].
        people: texts [N], the same for pictures that are not independent of each other: those of one person, where
            the data set knows people; else each picture's own name.
    """

    images: np.ndarray
    masks: np.ndarray
    attributes: np.ndarray
    names: np.ndarray
    people: np.ndarray

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows) -> "Pictures":
        """Some of them, by a slice or an array of places."""
        return Pictures(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


def in_batches(compute, count: int, size: int):
    """What `compute`, a function of a slice, gives for `count` rows, at most `size` of them at once.

    That is an array with a row for each, or a tuple or dictionary of arrays; they come back joined.
    """
    parts = [compute(slice(start, start + size)) for start in range(0, count, size)]
    return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)


def read(dataset: AttributeDataset, split: str, limit: int = 0) -> Pictures:
    """The examples of a split, or `limit` of them evenly spaced over it (data sets are sorted); 0 for all."""
    count = dataset.counts[split]
    wanted = set(np.linspace(0, count - 1, min(limit or count, count)).round().astype(int).tolist())
    columns = {"image": [], "mask": [], "attributes": [], "name": []}
    for place, example in enumerate(dataset.examples(split).as_numpy_iterator()):
        if place in wanted:
            for column, values in columns.items():
                values.append(example[column])
    names = [name.decode() for name in columns.pop("name")]
    person = PEOPLE.get(dataset.name.partition(":")[0], str)
    return Pictures(*map(np.stack, columns.values()), np.array(names), np.array([person(name) for name in names]))
