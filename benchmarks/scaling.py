"""How cost grows: a training step with picture size and batch, the data pipeline with the number of pictures.

    python -m benchmarks.scaling --output=scaling

Each number comes from a process of its own, so that its peak memory is its own. Steps are of the paper's layered model.
The data are rendered pictures written as a user's folder and prepared by `trainers.prepare`; what has been prepared
stays in --output, and the same command goes on.
"""

import csv
import itertools
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
from absl import flags, logging
from PIL import Image

from attr2image_tf import data
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.files import replacing_folder, write_text
from benchmarks.memory import peak_gib
from benchmarks.steps import make_config, make_step
from benchmarks.workers import Work, Worker
from trainers.flags import define_path, run

_OUTPUT = define_path("output", None, "Folder for results and prepared pictures.")
_IMAGE_SIZES = flags.DEFINE_list("image_sizes", ["32", "64", "128", "256"], "Picture sizes, at --batch_size.")
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["8", "16", "32", "64", "128"], "Batch sizes, at 64 pixels.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Pictures of a step, where their size varies.", lower_bound=1)
_PICTURES = flags.DEFINE_list("pictures", ["1000", "10000", "100000"], "Sizes of the data set.")
_WIDTH = flags.DEFINE_float("width", 1.0, "Factor on the channels.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Steps of one measurement.", lower_bound=1)

ATTRIBUTES = 40
BATCH = 32


def make(image_size: int, batch_size: int, width: float) -> Work:
    """A step at a size."""
    return make_step(make_config(image_size=image_size, width=width), batch_size)


def measure_step(image_size: int, batch_size: int) -> dict:
    """Time and memory of a step at a size."""
    with Worker(make, image_size=image_size, batch_size=batch_size, width=_WIDTH.value) as worker:
        worker.measure(_REPEATS.value)
        return {"image_size": image_size, "batch_size": batch_size} | worker.result()


def write_pictures(folder: pathlib.Path, count: int):
    """A user's folder: smooth noise and attributes.csv; complete or absent."""
    with replacing_folder(folder) as beside:
        _write_pictures(beside, count)


def _write_pictures(folder, count):
    random = np.random.default_rng(0)
    for number in range(count):
        path = folder / "images" / f"{number // 1000:03d}" / f"{number:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize((64, 64)).save(path, compress_level=1)
    with open(folder / "attributes.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", *(f"attribute {index}" for index in range(ATTRIBUTES))])
        for number, row in enumerate(random.normal(size=(count, ATTRIBUTES)).round(3)):
            table.writerow([f"{number // 1000:03d}/{number:06d}.png", *row])


def make_pass(folder: str) -> Work:
    """A pass over the training pictures as `trainers.train` reads them; its details are of the first one."""
    started = time.perf_counter()
    dataset = data.load(f"folder:{folder}")
    reader = BatchReader(dataset, batch_size=BATCH, seed=0, augmentation=AugmentationConfig(flip_probability=0.5))
    details = {"open_seconds": time.perf_counter() - started, "training_pictures": dataset.counts["train"]}
    epochs = itertools.count()

    def read():
        started = time.perf_counter()
        for number, _ in enumerate(reader.training(next(epochs))):
            if number == 0:
                details.setdefault("first_batch_seconds", time.perf_counter() - started)
        details.setdefault("first_pass_seconds", time.perf_counter() - started)

    return Work(read, details)


def measure_data(folder: pathlib.Path, count: int) -> dict:
    """Preparing and reading a data set of so many pictures."""
    raw, prepared = folder / f"raw-{count}", folder / "prepared" / str(count)
    result = {"pictures": count}
    record = folder / f"prepared-{count}.json"
    if not record.exists():
        if not raw.exists():
            logging.info("Drawing %d pictures.", count)
            write_pictures(raw, count)
        started = time.perf_counter()
        process = subprocess.Popen([
            sys.executable, "-m", "trainers.prepare", f"--images={raw / 'images'}", f"--name={count}",
            f"--attributes={raw / 'attributes.csv'}", f"--output={prepared.parent}"], stdout=subprocess.DEVNULL)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, peak_gib(process.pid))
            time.sleep(0.1)
        if process.returncode:
            raise ValueError(f"trainers.prepare ended with status {process.returncode}; see above.")
        write_text(record, json.dumps({"prepare_seconds": time.perf_counter() - started, "prepare_memory_gib": peak}))
    with Worker(make_pass, folder=str(prepared)) as worker:
        worker.measure(1)
        return result | json.loads(record.read_text()) | worker.result()


def step_table(results: list[dict]) -> str:
    """The results of steps as Markdown."""
    lines = ["| pixels | batch | s a step | pictures a second | GFLOP a picture | GFLOP/s | GiB |", "| --- " * 7 + "|"]
    for each in results:
        rows = each["batch_size"]
        lines.append(f"| {each['image_size']} | {rows} | {each['seconds']:.3f} | {rows / each['seconds']:.1f} | "
                     f"{each['gflop'] / rows:.2f} | {each['gflop'] / each['seconds']:.0f} | "
                     f"{each.get('gpu_memory_gib', each['peak_memory_gib']):.2f} |")
    return "\n".join(lines)


def data_table(results: list[dict]) -> str:
    """The results of data sets as Markdown."""
    lines = ["| pictures | prepared a second | GiB | open, s | first batch, s | read a second, first | later | GiB |",
             "| --- " * 8 + "|"]
    for each in results:
        rows = each["training_pictures"]
        lines.append(
            f"| {each['pictures']:,} | {each['pictures'] / each['prepare_seconds']:.0f} | "
            f"{each['prepare_memory_gib']:.2f} | {each['open_seconds']:.2f} | {each['first_batch_seconds']:.2f} | "
            f"{rows / each['first_pass_seconds']:.0f} | {rows / each['seconds']:.0f} | {each['peak_memory_gib']:.2f} |")
    return "\n".join(lines)


def main(values):
    if not _OUTPUT.value:
        raise ValueError("--output is missing; name a folder for results and prepared pictures.")
    sizes, batches, counts = ([int(value) for value in flag.value]
                              for flag in (_IMAGE_SIZES, _BATCH_SIZES, _PICTURES))
    for size in sizes:
        make_config(image_size=size)  # Refused before anything is measured.
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    results = {"cores": len(os.sched_getaffinity(0)), "width": _WIDTH.value, "steps": [], "data": []}

    def add(kind, result):
        logging.info("%s", result)
        results[kind].append(result)
        write_text(folder / "scaling.json", json.dumps(results, indent=2))

    for size in sizes:
        add("steps", measure_step(size, _BATCH_SIZE.value))
    for batch in batches:
        add("steps", measure_step(64, batch))
    for count in counts:
        add("data", measure_data(folder, count))
    print(f"{step_table(results['steps'])}\n\n{data_table(results['data'])}")


if __name__ == "__main__":
    run(main, computes=False)
