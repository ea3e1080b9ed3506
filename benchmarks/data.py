"""Pictures per second of the input pipeline: reading, order, augmentation, batches.

    python -m benchmarks.data --dataset=lfw --data_dir=DATA --output=data.json

The first pass reads the prepared files, later ones memory. Training consumes what its log calls pictures per second.
"""

import json
import os
import pathlib
import statistics
import time

from absl import flags

from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.files import write_text
from benchmarks.memory import peak_gib
from trainers.flags import define_dataset_flags, define_path, load_dataset, run

define_dataset_flags()
_OUTPUT = define_path("output", None, "JSON file for the results; optional.")
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


def table(results: dict) -> str:
    """The results as Markdown."""
    warm = results["warm_pictures_per_second"]
    cells = [results["dataset"], f"{results['pictures']:,}", results["image_size"], results["rotation"],
             f"{results['cold_pictures_per_second']:,.0f}",
             f"{statistics.median(warm):,.0f} ({min(warm):,.0f} to {max(warm):,.0f})",
             f"{results['peak_memory_gib']:.2f}"]
    return "\n".join(["| data set | pictures | pixels | rotation | cold, pictures a second | warm | GiB |",
                      "| --- " * 7 + "|", f"| {' | '.join(map(str, cells))} |"])


def main(values):
    dataset = load_dataset(values)
    reader = BatchReader(dataset, batch_size=_BATCH_SIZE.value, seed=0,
                         augmentation=AugmentationConfig(flip_probability=0.5, maximum_rotation=_ROTATION.value))
    rates = measure(reader, _EPOCHS.value)
    results = {"dataset": dataset.name, "image_size": dataset.image_size, "pictures": dataset.counts["train"],
               "cores": len(os.sched_getaffinity(0)), "batch_size": _BATCH_SIZE.value, "rotation": _ROTATION.value,
               "cold_pictures_per_second": rates[0], "warm_pictures_per_second": rates[1:],
               "peak_memory_gib": peak_gib()}
    if _OUTPUT.value:
        write_text(pathlib.Path(_OUTPUT.value), json.dumps(results, indent=2))
    print(table(results))


if __name__ == "__main__":
    run(main)
