"""Workspace: the folder with the finished parts of an evaluation, so that a killed one goes on."""

import json
import os
import pathlib
import time
from collections.abc import Callable, Mapping

import numpy as np
from absl import logging

from attr2image_tf import pixels
from attr2image_tf.files import as_path, replacing, write_text


class Workspace:
    """A folder with NAME.json, NAME.npz and NAME_*.png of finished experiments, and partial/ with finished batches.

    Args:
        path: the folder.
        provenance: what every JSON file says about where its estimates come from.
    """

    def __init__(self, path: str | os.PathLike, provenance: Mapping):
        self.path = as_path(path)
        self.provenance = dict(provenance)
        self.path.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> dict | None:
        """A finished experiment's estimates, or None."""
        path = self.path / f"{name}.json"
        return json.loads(path.read_text())["figures"] if path.exists() else None

    def examples(self, name: str) -> dict[str, dict[str, np.ndarray]]:
        """The arrays of a finished experiment's estimates by the estimate's path, with "/" between its parts."""
        path, found = self.path / f"{name}.npz", {}
        if path.exists():
            with np.load(path) as file:
                for key in file:
                    estimate, _, array = key.rpartition("/")
                    found.setdefault(estimate, {})[array] = file[key]
        return found

    def pictures(self, name: str) -> dict[str, pathlib.Path]:
        """Paths of a finished experiment's pictures by title."""
        path = self.path / f"{name}.json"
        titles = json.loads(path.read_text())["pictures"] if path.exists() else {}
        return {title: self.path / file for title, file in titles.items()}

    def write(self, name: str, estimates: Mapping, pictures: Mapping[str, np.ndarray], seconds: float):
        """Writes an experiment: pictures uint8 [H, W, 3] by title, arrays among the estimates, then the estimates."""
        estimates, arrays = _without_arrays(estimates)
        if arrays:
            _save(self.path / f"{name}.npz", arrays)
        files = {}
        for number, (title, picture) in enumerate(pictures.items()):
            files[title] = pathlib.Path(pixels.save(picture, self.path / f"{name}_{number}.png")).name
        record = {"experiment": name, **self.provenance, "seconds": round(seconds, 1), "pictures": files,
                  "figures": estimates}
        # Last, since its presence says that the experiment is finished.
        write_text(self.path / f"{name}.json", json.dumps(record, indent=2))

    def rows(self, name: str, count: int, batch_size: int,
             compute: Callable[[slice], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Arrays with one row an example, computed batch by batch; what an earlier process finished is read.

        Args:
            name: text, of the work; the same for the same work.
            count: int. Examples.
            batch_size: int. Examples of a batch.
            compute: function of a slice of the examples to arrays with a row for each.
        """
        folder = self.path / "partial"
        folder.mkdir(exist_ok=True)
        parts, started, computed = [], time.monotonic(), 0
        for start in range(0, count, batch_size):
            path, end = folder / f"{name}-{start:06d}.npz", min(start + batch_size, count)
            if path.exists():
                with np.load(path) as file:
                    parts.append(dict(file))
                continue
            parts.append(dict(compute(slice(start, end))))
            _save(path, parts[-1])
            computed += end - start
            left = (time.monotonic() - started) / computed * (count - end)
            logging.info("%s/%s: %d of %d, %s left.", self.path.name, name, end, count, duration(left))
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}

    def finished_rows(self, name: str, key: str) -> np.ndarray | None:
        """One array of the batches that `rows` has finished for some work, or None."""
        parts = []
        for path in sorted((self.path / "partial").glob(f"{name}-*.npz")):
            with np.load(path) as file:
                parts.append(file[key])
        return np.concatenate(parts) if parts else None


def duration(seconds: float) -> str:
    """Such as "40 s" or "12 min"."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _without_arrays(estimates, path=""):
    """Nested estimates without the arrays at their leaves, and those arrays by path."""
    plain, arrays = {}, {}
    for key, value in estimates.items():
        if isinstance(value, Mapping):
            plain[key], below = _without_arrays(value, f"{path}{key}/")
            arrays |= below
        elif isinstance(value, np.ndarray):
            arrays[f"{path}{key}"] = value
        else:
            plain[key] = value
    return plain, arrays


def _save(path, arrays):
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)
