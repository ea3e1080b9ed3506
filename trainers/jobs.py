"""Pictures on their way through the exported latent optimiser: what is asked of each, and what comes back."""

import csv
import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.client.local import LocalModels
from attr2image_tf.client.photos import PictureError, Square, read_hidden
from attr2image_tf.inference.completion import fill_in

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm")


@dataclasses.dataclass(frozen=True)
class Job:
    """A picture and what is known of it.

    Attributes:
        name: text, of its results.
        path: the file.
        picture: uint8 [H, W, 3].
        square: what the model sees of it.
        small: uint8 [size, size, 3], the square at the model's size.
        hidden: bool [H, W], or None.
        observed: float32 [size, size, 1], 0 where any part of a pixel is hidden, 1 elsewhere.
        attributes: float32 [A], or None where they are to be found.
    """

    name: str
    path: pathlib.Path
    picture: np.ndarray
    square: Square
    small: np.ndarray
    hidden: np.ndarray | None
    observed: np.ndarray
    attributes: np.ndarray | None

    @classmethod
    def make(cls, name, path, picture, square, size, hidden, attributes) -> "Job":
        """Cuts the square.

        Raises:
            ValueError: all of the square is hidden, or nothing of it.
        """
        observed = np.ones((size, size, 1), np.float32)
        if hidden is not None:
            observed = (~square.touched(hidden, size)).astype(np.float32)[..., None]
            if not observed.any() or observed.all():
                raise ValueError(f"what is hidden covers {'all' if not observed.any() else 'nothing'} of the region "
                                 f"{square.left},{square.top},{square.side} (left, top, side).")
        return cls(name, path, picture, square, square.cut(picture, size), hidden, observed, attributes)

    def shown(self) -> np.ndarray:
        """What the model is shown, uint8 [size, size, 3]; hidden pixels are grey."""
        return np.where(self.observed > 0, self.small, np.uint8(128))


@dataclasses.dataclass(frozen=True)
class Result:
    """What was found for a job.

    Attributes:
        image: uint8 [size, size, 3], the result: filled in, changed, or else the reconstruction.
        columns: uint8 pictures by title, for a sheet.
        attributes: float32 [A], found or given.
        energy, reconstruction_energy, prior_energy, iterations, evaluations, stopped: as LatentOptimizer returns them.
    """

    image: np.ndarray
    columns: dict[str, np.ndarray]
    attributes: np.ndarray
    energy: float
    reconstruction_energy: float
    prior_energy: float
    iterations: int
    evaluations: int
    stopped: int


def solve(models: LocalModels, jobs: Sequence[Job], change: Callable | None, samples: int, seed: int) -> list[Result]:
    """Infers, completes and edits one batch.

    Args:
        models: LocalModels.
        jobs: all with attributes, or all without; all with something hidden, or none.
        change: function of attributes float32 [A] to the new ones, or None.
        samples: int. Completions besides the most probable.
        seed: int. Of the samples.
    """
    images = np.stack([job.small for job in jobs]).astype(np.float32) / 255.0
    observed = np.stack([job.observed for job in jobs])
    inputs = {"images": images, "observed": observed}
    if jobs[0].attributes is not None:
        attributes = np.stack([job.attributes for job in jobs])
        found = models.call("latent_optimizer", "infer", **inputs, attributes=attributes)
    else:
        found = models.call("latent_optimizer", "infer_attributes", **inputs)
        attributes = found["attributes"]
    columns = {"recon-\nstruction": found["images"]}
    result = found["images"]
    if jobs[0].hidden is not None:
        completed = fill_in(*map(pixels.model_range_from_unit, (images, found["images"])), observed)
        result = columns["completed"] = pixels.unit_from_model_range(completed).numpy()
        for number in range(samples):
            seeds = np.stack([np.full(len(jobs), seed), np.full(len(jobs), number)], -1).astype(np.int32)
            columns["or" + " " * number] = models.call("latent_optimizer", "complete_sample", **inputs,
                                                       attributes=attributes, seed=seeds)["images"]
    if change:
        new = np.stack([change(vector) for vector in attributes])
        whole = result if jobs[0].hidden is not None else images
        edited = models.call("latent_optimizer", "edit_latents", images=whole, latents=found["latents"],
                             attributes=attributes, new_attributes=new)
        result = columns["edited"] = edited["images"]
    columns = {title: pixels.uint8_from_unit(column).numpy() for title, column in columns.items()}
    numbers = ("energy", "reconstruction_energy", "prior_energy", "iterations", "evaluations", "stopped")
    return [Result(pixels.uint8_from_unit(result[row]).numpy(),
                   {title: column[row] for title, column in columns.items()}, attributes[row],
                   **{name: found[name][row] for name in numbers}) for row in range(len(jobs))]


def find_pictures(names) -> dict[str, pathlib.Path]:
    """Picture files by the name of their results, folders searched through.

    Raises:
        ValueError: nothing named, a path that does not exist, no picture, or two pictures of one name.
    """
    if not names:
        raise ValueError("--images is missing; name a picture or a folder of pictures.")
    result = {}
    for name in names:
        path = pathlib.Path(name)
        if not path.exists():
            raise ValueError(f"images={name!r} does not exist; name a picture or a folder of pictures.")
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ENDINGS) if path.is_dir() else [path]
        for file in files:
            label = "_".join(file.relative_to(path).with_suffix("").parts) if path.is_dir() else file.stem
            if label in result:
                raise ValueError(f"{str(result[label])!r} and {str(file)!r} would both be written as {label}.png; "
                                 "rename one.")
            result[label] = file
    if not result:
        raise ValueError(f"images={', '.join(map(str, names))!r}: no picture there; expected files ending in "
                         f"{', '.join(ENDINGS)}.")
    return result


def parse_numbers(values, count, flag, meaning):
    """Whole numbers from texts.

    Raises:
        ValueError: too few or many, or one that is no whole number.
    """
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"{flag}={','.join(values)!r}: expected {meaning}, whole numbers.")
    return numbers


def parse_hidden(text: str | None):
    """Function of a picture to what is hidden of it, bool [H, W] or None, from the flag's text.

    Raises:
        ValueError: a box that is none, or a mask that cannot be read.
    """
    if text is None:
        return lambda picture: None
    if pathlib.Path(text).suffix.lower() in ENDINGS:
        mask = read_hidden(text)

        def hidden(picture):
            if mask.shape != picture.shape[:2]:
                raise PictureError(f"hide={text!r} has {mask.shape[1]} x {mask.shape[0]} pixels, the picture "
                                   f"{picture.shape[1]} x {picture.shape[0]}.")
            return mask
        return hidden
    left, top, right, bottom = parse_numbers(text.split(","), 4, "hide", "left,top,right,bottom or a mask picture")
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"hide={text!r}: expected left < right and top < bottom, at least 0.")

    def boxed(picture):
        result = np.zeros(picture.shape[:2], bool)
        result[top:bottom, left:right] = True
        return result
    return boxed


def known_attributes(text: str | None, schema) -> Callable:
    """Function of a picture's path to its attributes float32 [A], or to None, from the flag's text.

    Raises:
        ValueError: a request or a CSV file that cannot be used.
    """
    if text is None:
        return lambda path: None
    if not text.lower().endswith(".csv"):
        vector = schema.request(text)
        return lambda path: vector
    rows = _read_csv(text, schema)

    def known(path):
        for key in (str(path), path.name):
            if key in rows:
                return rows[key]
        raise ValueError(f"no row for {path.name!r} in {text!r}.")
    return known


def _read_csv(path, schema):
    with open(path, newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        columns = [schema.index(name) for name in header[1:]]
        if len(set(columns)) < len(columns):
            raise ValueError(f"{path!r}: two columns are of one attribute.")
        missing = sorted(set(range(len(schema))) - set(columns))
        if missing:
            raise ValueError(f"{path!r} has no column for {', '.join(schema.names[i] for i in missing[:5])}"
                             f"{' and others' if len(missing) > 5 else ''}; expected one for each attribute.")
        rows = {}
        for number, row in enumerate(reader, 2):
            try:
                # In the order of the schema; too short or too long a row is an error as well.
                by_column = dict(zip(columns, map(float, row[1:]), strict=True))
            except ValueError as error:
                raise ValueError(f"{path!r}, line {number}: expected a file name and {len(columns)} numbers "
                                 f"({error}).") from None
            rows[row[0]] = np.array([by_column[i] for i in range(len(schema))], np.float32)
    return rows
