"""The models of a run as they were when it began: their versions and checksums, and loading these and no others."""

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterable, Mapping

from attr2image_tf.bulk.tasks import TASKS
from attr2image_tf.client.local import LocalModels
from attr2image_tf.config import Config


@dataclasses.dataclass(frozen=True)
class ModelVersion(Config):
    """A model as it was when the run began.

    Attributes:
        version: text, the number of its folder; "" of a regressor.
        sha256: of its files.
    """

    version: str
    sha256: str


def fingerprint(task: str, models: str | os.PathLike, versions: Mapping[str, str] | None = None
                ) -> dict[str, ModelVersion]:
    """Versions and checksums of the models that a task calls, by name.

    Raises:
        ValueError: one is not there.
    """
    if TASKS[task].model == "regressor":
        # Keras is needed for this task alone.
        from attr2image_tf.evaluation import attribute_regressor
        return {"regressor": ModelVersion("", sha256_of(attribute_regressor.files_of(models)))}
    exports = LocalModels(models, versions)
    folders = {name: exports.newest(name) for name in dict.fromkeys(("generator", TASKS[task].model))}
    return {name: ModelVersion(folder.name, sha256_of(path for path in sorted(folder.rglob("*")) if path.is_file()))
            for name, folder in folders.items()}


def load_models(task: str, folder: str, versions: Mapping[str, ModelVersion]):
    """The models of a task, loaded once a process: LocalModels, or an AttributeRegressor.

    Raises:
        ValueError: they are gone, or others than `versions` now.
    """
    numbers = {name: each.version for name, each in versions.items() if each.version}
    now = fingerprint(task, folder, numbers)
    for name, before in versions.items():
        if now[name] != before:
            raise ValueError(f"models={folder!r}: the files of {name} have changed since the run began; put the old "
                             "ones back, or name another --output.")
    return _load(folder, tuple(sorted(versions.items())))


# Not by task: those of one folder share what is loaded. Two, since `generator` alone is part of both.
@functools.lru_cache(maxsize=2)
def _load(folder, versions):
    numbers = {name: each.version for name, each in versions}
    if "regressor" in numbers:
        from attr2image_tf.evaluation import attribute_regressor
        return attribute_regressor.load(folder)
    return LocalModels(folder, numbers)


def sha256_of(paths: Iterable[str | os.PathLike]) -> str:
    """SHA-256 of the names and contents of files."""
    result = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            result.update(os.path.basename(path).encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return result.hexdigest()
