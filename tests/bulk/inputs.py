"""Inputs of bulk runs that are small enough to be done in seconds, and what came of them."""

import csv
import pathlib

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from attr2image_tf import bulk
from attr2image_tf.photos.reading import read
from tests.export import tiny_models

# Sorted as the runs sort them; one of another size than the models'.
NAMES = ("a/one.png", "a/two.png", "b.png", "c.jpg", "d.png", "e.png", "f.png")
CONFIG = {"shard_size": 3, "batch_size": 2}


def write_pictures(folder: pathlib.Path, names=NAMES, seed=0) -> pathlib.Path:
    """A folder of noise; returns it."""
    generator = np.random.default_rng(seed)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = generator.integers(0, 256, (32 + 8 * (number % 2), 32 + 4 * (number % 3), 3), np.uint8)
        Image.fromarray(picture).save(folder / name)
    return folder


def pictures(folder: pathlib.Path, names=NAMES) -> list[np.ndarray]:
    return [read(folder / name) for name in names]


def write_list(path: pathlib.Path, names=NAMES) -> np.ndarray:
    """A CSV list with attributes, which are returned."""
    values = np.random.default_rng(1).random((len(names), 3)).round(3).astype(np.float32)
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("file", *tiny_models.NAMES), *((name, *map(str, row)) for name, row in
                                                                    zip(names, values, strict=True))])
    return values


def do(config: bulk.BulkConfig, models, inputs, output, order=list) -> bulk.Plan:
    """A run without Beam; `order` is a function of the shards' numbers."""
    plan = bulk.begin(config, models, [str(each) for each in inputs], output)
    for number in order(plan.missing()):
        bulk.do_shard(plan.output, number)
    plan.finish(["test"])
    return plan


def rows(plan: bulk.Plan) -> dict[str, list]:
    """All results, by column."""
    paths = sorted((plan.output / "shards").glob("*.parquet"))
    tables = [pq.read_table(path) for path in paths]
    return {name: [value for table in tables for value in table[name].to_pylist()] for name in tables[0].column_names}


def contents(output: pathlib.Path) -> dict[str, bytes]:
    """What a run left, but for the manifest, which names the command."""
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in sorted(output.rglob("*"))
            if path.is_file() and path.name not in ("manifest.json", ".lock")}
