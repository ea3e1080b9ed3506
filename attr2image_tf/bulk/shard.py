"""do_shard: one shard from its inputs to its files, whoever calls it: Apache Beam, Ray, or a loop."""

import concurrent.futures
import contextlib
import csv
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from attr2image_tf.bulk import items as item_tables
from attr2image_tf.bulk import plan as plans
from attr2image_tf.bulk.engine import Engine
from attr2image_tf.bulk.inputs import Files
from attr2image_tf.bulk.items import Item
from attr2image_tf.bulk.tasks import Batch
from attr2image_tf.data.errors import clear_disk_errors
from attr2image_tf.files import replacing, shortened, write_text
from attr2image_tf.workers import core_count, in_order

# Columns of a text or a number; all others are lists of float32.
_KINDS = {"path": pa.string(), "stopped": pa.string(), "request": pa.string(), "picture": pa.string(),
          "energy": pa.float32(), "reconstruction_error": pa.float32(), "seed": pa.int32(), "number": pa.int32()}


class Done(NamedTuple):
    """What became of inputs: how many were read, have a result, and could not be used; and the time it took."""

    read: int
    done: int
    failed: int
    seconds: float


def do_shard(output: str | os.PathLike, number: int, *, engine: Engine | None = None, files: Files | None = None,
             progress: Callable[[Done], object] = lambda done: None) -> Done:
    """Does one shard of a run that `plan.begin` has begun; its files are there complete or not at all.

    It may be done several times, also at once: the files are the same.

    Args:
        output: the folder of the run.
        number: of the shard, from 0.
        engine: the models, loaded; by default they are loaded once a process.
        files: Files; those of this machine by default.
        progress: gets what became of each batch.

    Raises:
        ValueError: models, plan or inputs are not what they were, too many pictures cannot be used, or the disk is
            full.
        OSError: a file cannot be written.
    """
    plan = plans.load(output)
    engine, config = engine or plan.engine(), plan.config
    items = item_tables.read(plan.output / plans.INPUTS, number)
    columns, failed, started = {}, [], time.monotonic()
    with clear_disk_errors(plan.output, "--output"):
        with _pictures(plan, number) as pictures:
            for batch, unusable, seconds in _batches(items, engine, files or Files(), config.batch_size):
                failed += unusable
                before = time.monotonic()
                if batch:
                    _add(columns, plan, pictures, [item for item, _ in batch], *engine.run([each for _, each in batch]))
                progress(Done(len(batch) + len(unusable), len(batch), len(unusable),
                              seconds + time.monotonic() - before))
        _write_unreadable(plan.output / plans.UNREADABLE / f"{plan.label(number)}.csv", failed)
        # Last, since its presence says that the shard is done.
        with replacing(plan.shard_path(number)) as beside:
            pq.write_table(_table(config, engine.schema.names, columns), beside)
    plan.check_unreadable()
    return Done(len(items), len(items) - len(failed), len(failed), time.monotonic() - started)


def _batches(items, engine, files, size) -> Iterator[tuple[list[tuple[Item, Batch]], list[tuple[str, str]], float]]:
    """Batches of what can be used, each with what could not be used since the one before, and the time they took.

    A batch depends on the shard alone. The next ones are read while the model is at work.
    """
    def read(item):
        try:
            return engine.read(item, files)
        except ValueError as error:
            return str(error)

    with concurrent.futures.ThreadPoolExecutor(core_count()) as pool:
        subjects = zip(items, in_order(pool, read, ((item,) for item in items), ahead=2 * size), strict=True)
        while True:
            started, batch, unusable = time.monotonic(), [], []
            for item, subject in subjects:
                if isinstance(subject, str):
                    unusable.append((item.source, subject))
                else:
                    batch.append((item, subject))
                if len(batch) == size:
                    break
            if not batch and not unusable:
                return
            yield batch, unusable, time.monotonic() - started


def _add(columns, plan, pictures, items, answer, drawn):
    """Adds what a batch gave to the columns, and writes its pictures."""
    new = {"path": [item.source for item in items], **answer}
    if plan.config.task == "generate":
        new |= {name: [getattr(item, name) for item in items] for name in ("request", "seed", "number")}
    if pictures:
        new["picture"] = [pictures(item.name, content)
                          for item, content in zip(items, drawn, strict=True)]
    for name, values in new.items():
        columns.setdefault(name, []).extend(values)


@contextlib.contextmanager
def _pictures(plan, number):
    """A function of a name and a PNG that writes it and returns where, below the output folder; or None."""
    folder = plan.output / plans.PICTURES
    if plan.config.pictures == "none" or not plan.config.about.draws:
        yield None
    elif plan.config.pictures == "names":
        def write(name, content):
            path = folder / name
            path = path.with_name(shortened(f"{path.name}.png"))
            with replacing(path) as beside:
                beside.write_bytes(content)
            return path.relative_to(plan.output).as_posix()
        yield write
    else:
        with replacing(folder / f"{plan.label(number)}.tar") as beside, tarfile.open(beside, "w") as archive:
            def add(name, content):
                # Without times and owners, so that the same pictures are the same file.
                member = tarfile.TarInfo(f"{name}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
                return f"{plans.PICTURES}/{plan.label(number)}.tar/{name}.png"
            yield add


def _table(config, names, columns):
    """Columns as a table whose kind does not depend on what is in it."""
    expected = ("path", *(("request", "seed", "number") if config.task == "generate" else ()), *config.about.columns,
                *(("picture",) if config.about.draws and config.pictures != "none" else ()))
    schema = pa.schema([(name, _KINDS.get(name, pa.list_(pa.float32()))) for name in expected],
                       metadata={"attribute_names": json.dumps(names), "task": config.task})
    return pa.table([pa.array(columns.get(name, []), schema.field(name).type) for name in expected], schema=schema)


def _write_unreadable(path, failed):
    if not failed:
        path.unlink(missing_ok=True)
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [("path", "reason"), *((name, " ".join(reason.split())) for name, reason in failed)])
    write_text(path, text.getvalue())
