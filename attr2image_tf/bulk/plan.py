"""Plan: a bulk run as its output folder describes it: what it does, with what inputs, and which shards are done.

    OUTPUT/plan.json                      the task, the models and the inputs
    OUTPUT/inputs.parquet                 the inputs in their order
    OUTPUT/shards/00003-of-00100.parquet  results; a shard is done when this is there
    OUTPUT/pictures/                      the resulting pictures, by name or as 00003-of-00100.tar
    OUTPUT/unreadable/00003-of-00100.csv  pictures of the shard that cannot be used, with the reason
    OUTPUT/manifest.json                  at the end
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import threading
from collections.abc import Mapping, Sequence

import attr2image_tf
from attr2image_tf.bulk import items as item_tables
from attr2image_tf.bulk.config import BulkConfig
from attr2image_tf.bulk.engine import Engine
from attr2image_tf.bulk.inputs import Files, find_items
from attr2image_tf.bulk.versions import ModelVersion, fingerprint, load_models, sha256_of
from attr2image_tf.data.errors import clear_disk_errors
from attr2image_tf.data.folder.check import check_share
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path, leftovers, lock, write_text
from attr2image_tf.photos import folders
from attr2image_tf.pretrained import models_folder

PLAN, INPUTS, MANIFEST = "plan.json", "inputs.parquet", "manifest.json"
SHARDS, PICTURES, UNREADABLE, LOCK = "shards", "pictures", "unreadable", ".lock"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A bulk run.

    Attributes:
        output: the folder.
        config: BulkConfig.
        models: text, the folder of the models.
        versions: ModelVersion by model.
        count: number of inputs.
        inputs_sha256: checksum of the list of inputs, and of the mask picture if there is one.
    """

    output: pathlib.Path
    config: BulkConfig
    models: str
    versions: Mapping[str, ModelVersion]
    count: int
    inputs_sha256: str

    @property
    def shards(self) -> int:
        return -(-self.count // self.config.shard_size)

    def shard_path(self, number: int) -> pathlib.Path:
        return self.output / SHARDS / f"{self.label(number)}.parquet"

    def label(self, number: int) -> str:
        """A shard's number and that of all, for names of files."""
        return f"{number:05d}-of-{self.shards:05d}"

    def missing(self) -> list[int]:
        """Numbers of the shards that are not done."""
        folder = self.output / SHARDS
        there = set(os.listdir(folder)) if folder.is_dir() else set()
        return [number for number in range(self.shards) if self.shard_path(number).name not in there]

    def engine(self) -> Engine:
        """The models as they were when the run began: a process looks once whether they are, and loads them once.

        Raises:
            ValueError: they are gone, or others now.
        """
        with _lock:
            return _engine(self.config, self.models, tuple(self.versions.items()))

    def check_unreadable(self) -> int:
        """How many pictures cannot be used, so far.

        Raises:
            DataError: more than a few that one leaves out.
        """
        paths = sorted((self.output / UNREADABLE).glob("[0-9]*.csv"))
        lines = [line for path in paths for line in path.read_text().splitlines()[1:]]
        check_share(lines, self.count)
        return len(lines)

    @contextlib.contextmanager
    def alone(self):
        """Nobody else works on the run by this while the block lasts; what a killed process left is removed.

        Raises:
            ValueError: another process works on it.
        """
        held = lock(self.output / LOCK)
        if held is None:
            raise ValueError(f"output={str(self.output)!r}: another process is working there; wait until it ends, or "
                             "name another folder.")
        with held:
            _remove_leftovers(self.output)
            yield

    def finish(self, command: Sequence[str]) -> dict:
        """Writes the manifest, once all shards are there, and returns it.

        Raises:
            ValueError: shards are missing, or too many pictures cannot be used.
        """
        if missing := self.missing():
            raise ValueError(f"{len(missing):,} of {self.shards:,} shards are missing in {str(self.output)!r}; the "
                             "same command makes them.")
        unreadable = self.check_unreadable()
        manifest = {"attr2image_tf": attr2image_tf.__version__, "command": list(command),
                    "inputs": self.count, "done": self.count - unreadable, "unreadable": unreadable,
                    "shards": self.shards} | self._told()
        write_text(self.output / MANIFEST, json.dumps(manifest, indent=2))
        return manifest

    def to_json(self) -> str:
        """JSON text, which `load` reads."""
        return json.dumps(self._told() | {"folder": self.models}, indent=2)

    def _told(self):
        return {"config": self.config.to_dict(), "count": self.count, "inputs_sha256": self.inputs_sha256,
                "models": {name: each.to_dict() for name, each in self.versions.items()}}


def begin(config: BulkConfig, models: str | os.PathLike, inputs: Sequence[str], output: str | os.PathLike,
          files: Files | None = None) -> Plan:
    """The plan of a run, new or found in its output folder; everything is checked before any work.

    Args:
        models: folder of the exports, "pretrained:NAME", or for `score` folder of a regressor.
        inputs: texts as `find_items` takes them.
        output: the folder of the results, on a file system that all workers see.
        files: Files; those of this machine by default.

    Raises:
        ValueError: something cannot be used, or the folder holds results of something else.
        OSError: a file cannot be read or written.
    """
    if "://" in str(output):
        raise ValueError(f"output={str(output)!r}: expected a folder that all workers can reach, not an address; "
                         "mount it, or copy the results there afterwards.")
    output = as_path(output).absolute()
    check_writable(output, "output")
    models = str(models_folder(models).absolute())
    versions = fingerprint(config.task, models)
    schema = Engine(config, load_models(config.task, models, versions)).schema
    table = item_tables.to_table(find_items(config, inputs, schema, output, files or Files()))
    sums = [item_tables.checksum(table)]
    if config.hide and folders.is_picture(config.hide):
        sums.append(sha256_of([config.hide]))
    plan = Plan(output, config, models, versions, len(table), "-".join(sums))
    _check_folder(plan)
    with clear_disk_errors(output, "--output"):
        if not (output / PLAN).is_file():
            item_tables.write(table, output / INPUTS, config.shard_size)
        # Models may have been moved meanwhile.
        write_text(output / PLAN, plan.to_json())
    return plan


def load(output: str | os.PathLike) -> Plan:
    """The plan that `begin` left in a folder.

    Raises:
        ValueError: there is none.
    """
    output = as_path(output)
    try:
        content = json.loads((output / PLAN).read_text())
    except FileNotFoundError:
        raise ValueError(f"{str(output)!r} has no {PLAN}; expected the output folder of trainers.bulk.") from None
    return Plan(output, BulkConfig.from_dict(content["config"]), content["folder"],
                {name: ModelVersion.from_dict(each) for name, each in content["models"].items()}, content["count"],
                content["inputs_sha256"])


_lock = threading.Lock()


@functools.lru_cache(maxsize=1)
def _engine(config, models, versions):
    return Engine(config, load_models(config.task, models, dict(versions)))


def _check_folder(plan):
    """Raises ValueError, which names what is there or differs, unless the folder is new or was begun with this plan."""
    if not (plan.output / PLAN).is_file():
        there = os.listdir(plan.output) if plan.output.is_dir() else []
        if others := sorted(name for name in there if name != INPUTS and not name.startswith(".")):
            raise ValueError(f"output={str(plan.output)!r} holds other files, such as {others[0]!r}; name a new or an "
                             "empty folder.")
        return
    before = load(plan.output)
    advice = f"name another --output, or delete {str(plan.output)!r}."
    old, new = before.config.to_dict(), plan.config.to_dict()
    for name in new:
        if old[name] != new[name]:
            raise ValueError(f"output={str(plan.output)!r} was begun with {name}={old[name]!r}, not {new[name]!r}; "
                             + advice)
    if before.versions != plan.versions:
        raise ValueError(f"output={str(plan.output)!r} was begun with other models ("
                         + ", ".join(f"{name} {each.version or each.sha256[:12]}"
                                     for name, each in before.versions.items()) + "); " + advice)
    if before.inputs_sha256 != plan.inputs_sha256:
        raise ValueError(f"output={str(plan.output)!r} was begun with other inputs ({before.count:,}, now "
                         f"{plan.count:,}); {advice}")


def _remove_leftovers(output):
    """Removes what a process left that was killed while it wrote, and nothing else: the folder may be the user's."""
    kinds = {output: (PLAN, INPUTS, MANIFEST), output / SHARDS: ".parquet", output / UNREADABLE: ".csv"}
    pictures = [path for path in (output / PICTURES).rglob("*") if path.is_dir()]
    for folder, endings in (kinds | dict.fromkeys([output / PICTURES, *pictures], (".png", ".tar"))).items():
        for path in leftovers(folder):
            if path.name.endswith(endings):
                path.unlink(missing_ok=True)
