"""The files that `trainers.infer` writes: their names, whose they may be, and their content."""

import json
import pathlib
import re
from collections.abc import Callable, Sequence

from attr2image_tf import files, pixels
from attr2image_tf.files import write_text
from attr2image_tf.inference.optimizer_config import STOP_REASONS
from attr2image_tf.photos import reading
from trainers.infer_flags import Search
from trainers.jobs import Job, Result

# The names of what a command has written to a folder, so that the next one may write over it.
RECORD = ".attr2image_infer.json"
SHEET, SHEET_ROWS = "sheet.png", 16
_NUMBER = re.compile(r"(.+)_[1-9]\d*(_result\.png|\.png|\.json)")
# What may follow a picture's name in those of its results.
_LONGEST_ENDING = "_1000_result.png"


def result_paths(output: pathlib.Path, label: str) -> tuple[pathlib.Path, pathlib.Path, pathlib.Path]:
    """The files of one picture: side by side, the whole picture, and what was found."""
    return output / f"{label}.png", output / f"{label}_result.png", output / f"{label}.json"


def name_results(searches: Sequence[Search], output: pathlib.Path, inputs: Sequence, *, numbered: bool = False
                 ) -> dict[str, pathlib.Path]:
    """Pictures by the name of their results.

    Args:
        searches: from `find_pictures`.
        output: the folder of the results.
        inputs: paths of other files that are read.
        numbered: whether a picture may have several results, with _1, _2 and so on behind the name.

    Raises:
        ValueError: two files that will be written are one, or one is read.
    """
    pairs = [(files.shortened("_".join(pathlib.PurePosixPath(name).with_suffix("").parts), len(_LONGEST_ENDING)), path)
             for search in searches for name, path in search.pictures.items()]
    results = [(repr(str(path)), result) for label, path in pairs for result in result_paths(output, label)]
    inputs = [*(path for _, path in pairs), *inputs]
    files.check_outputs([*results, ("the sheet of all", output / SHEET)], inputs)
    if numbered:
        _check_numbers(dict(pairs), output, inputs)
    return dict(pairs)


def _check_numbers(pictures, output, inputs):
    """Refuses names that a numbered result of another picture may have; how many there are is not known yet."""
    here = [pathlib.Path(path) for path in inputs if pathlib.Path(path).parent.resolve() == output.resolve()]
    for name, path in [*pictures.items(), *((path.stem, path) for path in here)]:
        numbered = re.fullmatch(r"(.+)_[1-9]\d*(_result)?", name)
        if numbered and numbered[1] in pictures:
            raise ValueError(f"{str(path)!r} has the name that the result of a face of "
                             f"{str(pictures[numbered[1]])!r} may get; rename one of them, or give --face=1.")


class Results:
    """The folder with the results of one command.

    Args:
        output: the folder; made when something is first written.
        labels: names of the pictures' results.
        numbered: whether a picture may have several results.
        overwrite: whether files that no such command wrote may be overwritten.

    Raises:
        ValueError: a file that would be overwritten was not written by such a command.
    """

    def __init__(self, output: pathlib.Path, labels: Sequence[str], *, numbered: bool, overwrite: bool):
        self.output, self._record = output, output / RECORD
        self._before = set(json.loads(self._record.read_text())) if self._record.is_file() else set()
        there = {path.name for path in output.iterdir()} if output.is_dir() else set()
        mine = {path.name for label in labels for path in result_paths(output, label)} | {SHEET}
        labels = set(labels)
        self._numbered = {name for name in there if numbered and (found := _NUMBER.fullmatch(name))
                          and found[1] in labels}
        if foreign := sorted(((mine & there) | self._numbered) - self._before):
            if not overwrite:
                raise ValueError(f"{str(output / foreign[0])!r} would be overwritten, and this command did not write "
                                 "it; name another --output, or give --overwrite.")
            self._before |= set(foreign)
        self._written, self._rows, self._titles, self._photo = set(), [], [], None

    def write(self, job: Job, result: Result, schema, asked: dict, hidden: Callable) -> None:
        """Writes the files of one picture, or of one face of it, and the sheet of all.

        Args:
            job, result: of the picture.
            asked: what the flags asked for, for the record.
            hidden: function of a picture to what is hidden of it.
        """
        beside, whole, record = result_paths(self.output, job.name)
        self._own(beside, whole, record)
        row, titles = [job.shown(), *result.columns.values()], ["input", *result.columns]
        pixels.save(pixels.grid([row], column_labels=titles, scale=max(1, 128 // len(job.small))), beside)
        # Read anew: kept until now, many photos would take much memory.
        if self._photo is None or self._photo[0] != job.path:
            photo = reading.read(job.path)
            self._photo = job.path, photo, photo.copy() if job.others else None
        _, photo, changed = self._photo
        masked = hidden(photo)
        reading.save_like(job.region.put_back(photo, job.small, result.image, masked, job.others), whole, job.path)
        if job.others:
            changed[...] = job.region.put_back(changed, job.small, result.image, masked, job.others)
            together = result_paths(self.output, re.sub(r"_\d+$", "", job.name))[1]
            self._own(together)
            reading.save_like(changed, together, job.path)
        deviations = (result.attributes - schema.mean) / schema.scale
        attributes = {name: {"value": float(value), "standard_deviations": float(deviation)}
                      for name, value, deviation in zip(schema.names, result.attributes, deviations, strict=True)}
        write_text(record, json.dumps(
            {"image": str(job.path), "region": job.region.as_json(), **job.about, **asked, **result.numbers,
             "stopped": STOP_REASONS[result.numbers["stopped"]], "attributes": attributes}, indent=2))
        # A sheet for the eye, not an album.
        self._rows, self._titles = [*self._rows, row][:SHEET_ROWS], titles

    def write_sheet(self):
        """The first of all, below each other."""
        self._own(self.output / SHEET)
        pixels.save(pixels.grid(self._rows, column_labels=self._titles), self.output / SHEET)

    def finish(self):
        """Removes numbered results of an earlier command that this one has none in place of."""
        for name in self._numbered & self._before - self._written:
            (self.output / name).unlink(missing_ok=True)
        self._before -= self._numbered - self._written
        write_text(self._record, json.dumps(sorted(self._before)))

    def _own(self, *paths):
        """Notes that files are this command's, before they are there."""
        names = {path.name for path in paths}
        self._written |= names
        if not names <= self._before:
            self._before |= names
            write_text(self._record, json.dumps(sorted(self._before)))
