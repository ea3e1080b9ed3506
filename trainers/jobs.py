"""Sends pictures through the exported latent optimiser: what each needs, and what comes back."""

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from absl import logging

from attr2image_tf.client import verbs
from attr2image_tf.client.local import Models
from attr2image_tf.photos.reading import read
from attr2image_tf.photos.square import Region

NUMBERS = ("energy", "reconstruction_energy", "prior_energy", "iterations", "evaluations", "stopped")


@dataclasses.dataclass(frozen=True)
class Job:
    """A picture and what is known about it.

    Attributes:
        name: text that its results are named after.
        path: the file.
        region: the part of it that the model sees.
        small: uint8 [size, size, 3], the region at the model's size.
        observed: bool [size, size], False where any part of a pixel is hidden.
        attributes: float32 [A], or None to infer them.
        about: what the record says about the region.
        others: regions of the picture that have jobs of their own.
    """

    name: str
    path: pathlib.Path
    region: Region
    small: np.ndarray
    observed: np.ndarray
    attributes: np.ndarray | None
    about: dict
    others: Sequence[Region]

    @classmethod
    def make(cls, name, path, picture, region, size, hidden, attributes, about=None, others=()) -> "Job":
        """Cuts the region.

        Raises:
            ValueError: the picture has no such region, or all of it is hidden, or nothing.
        """
        region.check(*picture.shape[:2])
        observed = np.ones((size, size), bool) if hidden is None else region.observed(hidden, size)
        return cls(name, path, region, region.cut(picture, size, hidden), observed, attributes, about or {}, others)

    def shown(self) -> np.ndarray:
        """What the model is shown, uint8 [size, size, 3]; hidden pixels are grey."""
        return np.where(self.observed[..., np.newaxis], self.small, np.uint8(128))


class Result(NamedTuple):
    """What was found for a job.

    Attributes:
        image: uint8 [size, size, 3], the result: filled in, changed, or else the reconstruction.
        columns: uint8 pictures by title, for a sheet.
        attributes: float32 [A], found or given.
        numbers: NUMBERS by name, as LatentOptimizer returns them.
    """

    image: np.ndarray
    columns: dict[str, np.ndarray]
    attributes: np.ndarray
    numbers: dict[str, float]


def read_jobs(files, size, parts, hidden, known, left_out):
    """Pairs of a place in `files`, from 1, and a Job of that picture; what cannot be used is named in the log.

    Args:
        files: path by name.
        size: of the model's pictures.
        parts, hidden, known: functions from `parse_region`, `parse_hidden` and `known_attributes`.
        left_out: list that gets the ValueError of each picture or part of it that cannot be used.
    """
    def leave_out(what, error):
        logging.warning("Left out %s: %s", what, error)
        left_out.append(error)

    for place, (name, path) in enumerate(files.items(), start=1):
        try:
            picture = read(path)
            masked, attributes, found = hidden(picture), known(path), parts(picture)
        except ValueError as error:
            leave_out(path, error)
            continue
        for suffix, region, about in found:
            try:
                yield place, Job.make(f"{name}{suffix}", path, picture, region, size, masked, attributes, about,
                                      [other for _, other, _ in found if other is not region])
            except ValueError as error:
                leave_out(f"{path}{f', face {suffix[1:]}' if suffix else ''}", error)


def batches(files, jobs, batch_size):
    """Lists of jobs of `read_jobs`, each with the number of pictures that are still to be looked at after it."""
    batch = list(itertools.islice(jobs, batch_size))
    while batch:
        # Read ahead: pictures that cannot be used take no more time.
        following = list(itertools.islice(jobs, batch_size))
        yield [job for _, job in batch], len(files) - following[0][0] + 1 if following else 0
        batch = following


def solve(models: Models, jobs: Sequence[Job], change: Callable | None, samples: int, seed: int) -> list[Result]:
    """Infers, completes and edits one batch.

    Args:
        jobs: all with attributes, or all without; all with something hidden, or none.
        change: function of attributes float32 [A] to the new ones, or None.
        samples: completions besides the most probable.
        seed: of the samples.
    """
    images, observed = np.stack([job.small for job in jobs]), np.stack([job.observed for job in jobs])
    given = None if jobs[0].attributes is None else np.stack([job.attributes for job in jobs])
    columns, hiding = {}, not observed.all()
    if hiding:
        found = verbs.complete(models, images, observed, given, seed=seed, samples=samples)
        columns |= {"recon-\nstruction": found["reconstructions"], "completed": found["images"]}
        for number, sample in enumerate(found["samples"]):
            columns["or" + " " * number] = sample["images"]
    else:
        found = verbs.infer(models, images, observed, given)
        columns["recon-\nstruction"] = found["images"]
    result, attributes = found["images"], found["attributes"]
    if change:
        new = np.stack([change(vector) for vector in attributes])
        result = columns["edited"] = verbs.edit(models, result if hiding else images, found["latents"], attributes,
                                                new)["images"]
    return [Result(result[row], {title: column[row] for title, column in columns.items()}, attributes[row],
                   {name: found[name][row].item() for name in NUMBERS}) for row in range(len(jobs))]
