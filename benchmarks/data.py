"""Pictures per second of the input pipeline: reading, order, augmentation, batches.

    python -m benchmarks.data --dataset=lfw --data_dir=DATA

The first pass reads the prepared files, later ones memory. Training consumes what its log calls pictures per second.
"""

import json
import os
import time

from absl import app, flags

from attr2image_tf import runtime
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.errors import clear_errors
from trainers.flags import define_dataset_flags, load_dataset

define_dataset_flags()
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Examples of a batch.", lower_bound=1)
_EPOCHS = flags.DEFINE_integer("epochs", 3, "Passes over the training split; the first one is cold.", lower_bound=2)
_ROTATION = flags.DEFINE_float("rotation", 0.0, "Largest angle of random rotation, in radians.")


def measure(reader: BatchReader, epochs: int) -> list[float]:
    """Pictures per second of each epoch, from the first request to the last batch."""
    rates = []
    for epoch in range(epochs):
        started = time.perf_counter()
        for _ in reader.training(epoch):
            pass
        rates.append(reader.steps_per_epoch * reader.batch_size / (time.perf_counter() - started))
    return rates


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    runtime.prepare(0)
    with clear_errors():
        dataset = load_dataset(flags.FLAGS)
        reader = BatchReader(dataset, batch_size=_BATCH_SIZE.value, seed=0,
                             augmentation=AugmentationConfig(flip_probability=0.5, maximum_rotation=_ROTATION.value))
    rates = measure(reader, _EPOCHS.value)
    print(json.dumps({"dataset": dataset.name, "image_size": dataset.image_size, "cores": len(os.sched_getaffinity(0)),
                      "batch_size": _BATCH_SIZE.value, "cold_pictures_per_second": round(rates[0]),
                      "warm_pictures_per_second": [round(rate) for rate in rates[1:]]}))


if __name__ == "__main__":
    app.run(main)
