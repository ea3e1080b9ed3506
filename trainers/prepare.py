"""Prepares your own pictures for training.

    python -m trainers.prepare --images=shoes/images --attributes=shoes/attributes.csv --name=shoes --output=prepared
    python -m trainers.train --dataset=folder:prepared/shoes --model=cvae --run=runs/shoes

`attributes.csv` has file names in its first column and one attribute in each other column, as numbers or yes/no. All
files are checked first; the findings are printed and saved with the prepared set as report.txt and contact_sheet.png.
The same command continues a run that was killed. For pictures without attributes,

    python -m trainers.prepare --images=shoes/images --attributes=new.csv --predict_attributes=runs/regressor_a

writes new.csv with the attributes that a trained regressor (`trainers.train_regressor`) reads from them.
"""

import csv
import io
import itertools
import pathlib
import time

import numpy as np
from absl import flags, logging

from attr2image_tf import pixels
from attr2image_tf.data.folder import check as folder_check
from attr2image_tf.data.folder import chunks as folder_chunks
from attr2image_tf.data.folder.table import read_table
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path, check_outputs, write_text
from attr2image_tf.photos import folders
from trainers.flags import define_path, require, run

SHEET, REPORT = "contact_sheet.png", "report.txt"

define_path("images", None, "Folder of the pictures, searched with its subfolders.")
define_path("attributes", None, "CSV file: file name, then one attribute per column.")
define_path("masks", None, "Folder of masks with the pictures' names; bright is foreground (in cut-outs, what is "
            "opaque).")
flags.DEFINE_string("name", None, "Name of the prepared set.")
define_path("output", "prepared", "Folder in which the prepared set gets a folder of its name.")
flags.DEFINE_string("group", None, "Column that groups pictures, such as the person; groups are never split.")
flags.DEFINE_enum("fit", None, folder_chunks.FITS, "Framing: middle (the largest central square), mask (the object "
                  "with a margin), whole (squeezed to a square) or face (the best face, upright and scaled as in LFW; "
                  'pip install "attr2image-tf[photos]"). Default: mask if there are masks, else middle.')
flags.DEFINE_integer("image_size", 64, "Height and width in pixels; a multiple of 32.", lower_bound=32)
flags.DEFINE_float("validation_share", 0.1, "Share of pictures (or groups) for validation.", 0.0, 0.5)
flags.DEFINE_float("test_share", 0.1, "Share of pictures (or groups) for testing.", 0.0, 0.4)
define_path("predict_attributes", None, "Folder of a trained attribute regressor, with which --attributes is written.")
flags.DEFINE_bool("dry_run", False, "Check, print the report, and stop.")
flags.DEFINE_integer("threads", 0, "Pictures processed at once; 0 for one per core.", lower_bound=0)

_SECONDS_BETWEEN_LINES = 10.0


def shown(items, total: int, what: str):
    """The same items; says every few seconds how far it is, how fast and how much time is left."""
    started = reported = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - reported > _SECONDS_BETWEEN_LINES or done == total:
            rate = done / max(now - started, 1e-9)
            logging.info("%s: %s of %s pictures, %.0f a second, %.0f s left.", what, f"{done:,}", f"{total:,}", rate,
                         (total - done) / rate)
            reported = now


def predict(images: str, output: str, regressor_folder: str, fit: str, without: pathlib.Path):
    """Writes a CSV file of the attributes that a regressor sees in a folder of pictures, all but those in `without`.

    Raises:
        ValueError: the file exists, there are no pictures, or no regressor.
    """
    path = as_path(output)
    if path.exists():
        raise ValueError(f"attributes={output!r} exists; --predict_attributes writes a new file, so name another.")
    from attr2image_tf.evaluation import attribute_regressor
    regressor = attribute_regressor.load(regressor_folder)
    if not as_path(images).is_dir():
        raise ValueError(f"images={images!r} is not a folder; name the folder of the pictures.")
    files, others = folders.find_pictures(as_path(images), [without])
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", *regressor.schema.names])

    def readable():
        for name, file in shown(files.items(), len(files), "Predicting"):
            try:
                yield name, folder_chunks.make_small(file, None, regressor.config.image_size, fit)[0]
            except ValueError as error:
                logging.warning("%s %s; it gets no row.", name, error)

    pictures, written = readable(), 0
    while batch := list(itertools.islice(pictures, 64)):
        attributes, _ = regressor(np.stack([image for _, image in batch]))
        table.writerows([name, *(f"{value:.4f}" for value in row)]
                        for (name, _), row in zip(batch, attributes, strict=True))
        written += len(batch)
    if not written:
        raise ValueError(f"images={images!r} has no readable picture; expected files such as "
                         f"{folders.COMMON_ENDINGS}, found {len(files)} of them and {len(others)} others.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
    logging.info("Wrote %s: %d attributes of %s pictures, read by the regressor in %s.", path,
                 len(regressor.schema), f"{written:,}", regressor_folder)


def main(values):
    for name in ("images", "attributes"):
        require(values, name, "see python -m trainers.prepare --help")
    if values.image_size % 32:
        raise ValueError(f"image_size={values.image_size}: expected a multiple of 32.")
    fit = values.fit or ("mask" if values.masks else "middle")
    if fit == "mask" and not values.masks:
        raise ValueError("fit='mask' needs --masks; name the folder of the masks.")
    folder_chunks.check_fit(fit)
    output = pathlib.Path(values.output) / (values.name or "unnamed")
    place = output.expanduser()
    check_writable(place, "output")
    if values.predict_attributes:
        if fit == "mask":
            raise ValueError("--predict_attributes looks at whole pictures; use --fit=middle, --fit=whole "
                             "or --fit=face.")
        predict(values.images, values.attributes, values.predict_attributes, fit, place)
    if not values.name and not values.dry_run:
        if values.predict_attributes:
            return
        raise ValueError("--name is missing; name the prepared set, for example --name=shoes.")

    table = read_table(values.attributes, values.group)
    found = folder_check.check_folder(values.images, table, values.masks, without=[place], threads=values.threads,
                                      progress=shown)
    read = [path for picture in found.pictures for path in (picture.path, picture.mask) if path]
    check_outputs([("the contact sheet", place / SHEET), ("the report", place / REPORT)], [table.path, *read])
    from attr2image_tf.data.folder import builder as folder
    from attr2image_tf.data.folder import report as folder_report
    shares = {"validation_share": values.validation_share, "test_share": values.test_share}
    chunks = folder_chunks.Chunks(output, found.pictures, image_size=values.image_size, fit=fit)
    source = folder.make_source(found, table, chunks, {}, **shares)
    text = folder_report.report(found, table, source)
    print(text)
    folder.check_output(found, source, output)
    if values.dry_run:
        return
    sheet = folder_report.contact_sheet(found, image_size=values.image_size, fit=fit, progress=shown)
    print(f"contact sheet: {pixels.save(sheet, place / SHEET)}")
    write_text(place / REPORT, f"{text}\n\n{folder_report.all_problems(found)}")
    folder.prepare_folder(found, table, output, image_size=values.image_size, fit=fit, threads=values.threads,
                          progress=shown, **shares)
    print(f"Train on it with --dataset=folder:{output}")


if __name__ == "__main__":
    run(main, computes=False)
