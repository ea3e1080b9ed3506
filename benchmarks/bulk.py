"""Bulk work beside a bare loop over the same SavedModel or regressor, in the same run: pictures a second.

    python -m benchmarks.bulk --models=models --regressor=runs/regressor_a --pictures=100000 --output=bulk

Rendered pictures are written to --output/photos once. Then `encode`, `score` and, of fewer, `infer` are timed in turn,
each in processes of its own: the loop, which reads, scales and computes batch after batch and writes one Parquet file
at the end, and `trainers.bulk` with one worker and with two. The rate of `trainers.bulk` counts from the moment when
every worker may have made its first shard, as the loop's does from when its model is loaded; the time of the whole
command is in the results too. Every round begins anew.
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from absl import flags, logging

from attr2image_tf import pixels
from attr2image_tf.client.local import LocalModels
from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.files import write_text
from attr2image_tf.photos.folders import find_pictures
from attr2image_tf.photos.reading import read
from attr2image_tf.photos.square import Square
from benchmarks.memory import peak_gib
from benchmarks.workers import Work, Worker
from trainers.flags import define_path, require, run

_MODELS = define_path("models", "models", "Folder of the exported models.")
_REGRESSOR = define_path("regressor", None, "Folder of a trained regressor.")
_PICTURES = flags.DEFINE_integer("pictures", 100_000, "Rendered pictures.", lower_bound=1)
_INFERRED = flags.DEFINE_integer("inferred", 2000, "Of these, pictures whose latents are inferred.", lower_bound=1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 64, "Pictures at once.", lower_bound=1)
_SHARD_SIZE = flags.DEFINE_integer("shard_size", 1024, "Pictures of a shard; of inferred ones an eighth of it.",
                                   lower_bound=8)
_ROUNDS = flags.DEFINE_integer("rounds", 1, "Rounds, of which the medians are reported.", lower_bound=1)
_OUTPUT = define_path("output", None, "Folder for the pictures and the results.")

_TASKS = ("encode", "score", "infer")
_WORKERS = (1, 2)
_SECONDS_BETWEEN_SAMPLES = 5.0


def write_pictures(folder: pathlib.Path, count: int):
    """Emblems as PNG files in folders of a thousand; what is there is kept."""
    emblems = open_emblems(image_size=64, train=max(2, count), validation=1, test=1)
    for number, example in enumerate(emblems.examples("train").take(count).as_numpy_iterator()):
        path = folder / f"{number // 1000:03}" / f"{number:06}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels.save(example["image"], path)


def pictures_of(task: str) -> tuple[list[str], int, int]:
    """The folders that a task reads, how many pictures are in them, and how many make a shard."""
    folders = sorted(path for path in (pathlib.Path(_OUTPUT.value) / "photos").iterdir())
    if task != "infer":
        return list(map(str, folders)), _PICTURES.value, _SHARD_SIZE.value
    # Whole folders, of a thousand each.
    count = min(-(-_INFERRED.value // 1000) * 1000, _PICTURES.value)
    return list(map(str, folders[:-(-count // 1000)])), count, _SHARD_SIZE.value // 8


def make_loop(task: str, models: str, folders: list[str], batch_size: int, output: str) -> Work:
    """What one would write without this: a loop over batches."""
    files = [path for folder in folders for path in find_pictures(folder).pictures.values()]
    if task == "score":
        regressor = attribute_regressor.load(models)
        size = regressor.config.image_size

        def compute(small):
            return regressor(small)[0]
    else:
        exports = LocalModels(models)
        schema, size = exports.describe()

        def compute(small):
            images, attributes = small / np.float32(255), np.tile(schema.mean, (len(small), 1))
            everywhere = np.ones((len(small), size, size, 1), np.float32)
            if task == "infer":
                return exports.call("latent_optimizer", "infer", images=images, attributes=attributes,
                                    observed=everywhere)["latents"]
            return exports.call("generator", "encode", images=images, masks=everywhere,
                                attributes=attributes)["latents_mean"]

    def call():
        results = []
        for start in range(0, len(files), batch_size):
            pictures = [read(path) for path in files[start:start + batch_size]]
            results += list(compute(np.stack([Square.central(*each.shape[:2]).cut(each, size) for each in pictures])))
        pq.write_table(pa.table({"path": [str(path) for path in files], "found": results}), output)

    return Work(call)


def make_loop_once(**settings) -> Work:
    """`make_loop` for a Worker, whose first call does not count: it does nothing."""
    work, calls = make_loop(**settings), []

    def call():
        if calls:
            work.call()
        calls.append(True)

    return Work(call)


def time_loop(task: str, models: str) -> dict[str, float]:
    """Rate and memory of the loop."""
    folders, count, _ = pictures_of(task)
    with Worker(make_loop_once, task=task, models=models, folders=folders, batch_size=_BATCH_SIZE.value,
                output=str(pathlib.Path(_OUTPUT.value) / "loop.parquet")) as worker:
        worker.measure(1)
        result = worker.result()
    return {"rate": count / result["seconds"], "gib": result["peak_memory_gib"]}


def time_bulk(task: str, models: str, workers: int) -> dict:
    """Rate of `trainers.bulk`, seconds of the whole command, and memory of all its processes over time."""
    place = pathlib.Path(_OUTPUT.value)
    folders, count, shard_size = pictures_of(task)
    shutil.rmtree(place / "results", ignore_errors=True)
    command = [sys.executable, "-m", "trainers.bulk", f"--task={task}", f"--models={models}",
               *(f"--input={folder}" for folder in folders), f"--output={place / 'results'}",
               f"--batch_size={_BATCH_SIZE.value}", f"--shard_size={shard_size}", f"--direct_num_workers={workers}"]
    # The attributes of all are at the mean, as in the loop.
    command += ["--attributes="] if task != "score" else []
    command += ["--pictures=none"] if task == "infer" else []
    command += ["--direct_running_mode=multi_processing"] if workers > 1 else []
    started, memory = time.perf_counter(), []
    with open(place / "log.txt", "w+") as log:
        # A session of its own, whose processes are then known.
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        while True:
            try:
                process.wait(_SECONDS_BETWEEN_SAMPLES)
                break
            except subprocess.TimeoutExpired:
                memory.append(round(session_gib(process.pid), 3))
        whole = time.perf_counter() - started
        log.seek(0)
        output = log.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {output[-2000:]}")
    times = sorted(path.stat().st_mtime for path in (place / "results" / "shards").iterdir())
    rate = (count - workers * shard_size) / (times[-1] - times[workers - 1])
    return {"rate": rate, "seconds": whole, "gib_over_time": memory}


def session_gib(session: int) -> float:
    """What all processes of a session hold in memory, in GiB, of Linux' /proc."""
    pages = 0
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            # The name, in brackets, may hold blanks.
            if int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session:
                pages += int((folder / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has ended meanwhile.
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30


def table(results: dict) -> str:
    """The results as Markdown."""
    lines = ["| task | loop, pictures a second | 1 worker | 2 workers | 1 worker / loop | 2 workers / 1 worker |",
             "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for task in _TASKS:
        loop, *bulk = (statistics.median(each["rate"] for each in results[f"{task} {how}"])
                       for how in ("loop", *_WORKERS))
        lines.append(f"| {task} | {loop:,.0f} | {bulk[0]:,.0f} | {bulk[1]:,.0f} | {bulk[0] / loop:.2f} | "
                     f"{bulk[1] / bulk[0]:.2f} |")
    return "\n".join(lines)


def main(values):
    for name in ("regressor", "output"):
        require(values, name, "name a folder")
    if _PICTURES.value < 4 * _SHARD_SIZE.value:
        raise ValueError(f"pictures={_PICTURES.value}: expected at least four shards of {_SHARD_SIZE.value}; more "
                         "pictures, or a smaller --shard_size.")
    write_pictures(pathlib.Path(_OUTPUT.value) / "photos", _PICTURES.value)
    results = {}
    for number in range(_ROUNDS.value):
        for task in _TASKS:
            models = _REGRESSOR.value if task == "score" else _MODELS.value
            for how in ("loop", *_WORKERS):
                result = time_loop(task, models) if how == "loop" else time_bulk(task, models, how)
                results.setdefault(f"{task} {how}", []).append(result)
                logging.info("Round %d of %d, %s, %s: %.1f pictures a second.", number + 1, _ROUNDS.value, task,
                             "loop" if how == "loop" else f"{how} workers", result["rate"])
    settings = {"pictures": _PICTURES.value, "batch_size": _BATCH_SIZE.value, "shard_size": _SHARD_SIZE.value,
                "cores": len(os.sched_getaffinity(0)), "peak_memory_gib": peak_gib()}
    write_text(pathlib.Path(_OUTPUT.value) / "bulk.json", json.dumps(settings | {"results": results}, indent=2))
    print(table(results))


if __name__ == "__main__":
    run(main, computes=False)
