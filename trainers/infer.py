"""Finds what is behind pictures, changes their attributes, fills in what is hidden.

    python -m trainers.infer --models=models --images=portrait.jpg --output=out
    python -m trainers.infer --models=models --images=portrait.jpg --output=out --set="Smiling=+2" --correlated
    python -m trainers.infer --models=models --images=portrait.jpg --output=out --hide=90,100,160,140 --samples=3

Of every picture the central square (or --region) is taken, scaled to the model's size, and its latents are found; its
attributes too, unless --attributes gives them. --output gets for each picture NAME.png (input, reconstruction, result
side by side), NAME_result.png (the whole picture at its own size, changed) and NAME.json (energies and attributes), and
sheet.png with the first of all.
"""

import json
import sys
import time

from absl import flags, logging

from attr2image_tf import pixels
from attr2image_tf.client.hiding import parse_hidden, parse_numbers
from attr2image_tf.client.local import LocalModels
from attr2image_tf.client.photos import Square
from attr2image_tf.data.folder.check import OTHERS, summary
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path, write_text
from attr2image_tf.inference.minimizers import STOP_REASONS
from trainers.flags import define_path, define_paths, run
from trainers.infer_flags import (
    find_pictures,
    known_attributes,
    name_results,
    result_paths,
)
from trainers.jobs import batches, read_jobs, solve

_MODELS = define_path("models", "models", "Folder of the exported models.")
_IMAGES = define_paths("images", "A picture, or a folder of pictures with its subfolders.")
_REGION = flags.DEFINE_list("region", [], "left,top,side in pixels of the square that the model is to see, such as "
                            "the face; the central square by default.")
_ATTRIBUTES = flags.DEFINE_string(
    "attributes", None, 'The attributes of the pictures: a request such as "Male=-1,Senior=max", the others at the '
    "mean; or a CSV file as trainers.prepare takes it. Found by default.")
_HIDE = flags.DEFINE_string("hide", None, "left,top,right,bottom in pixels of a box to fill in, or a mask picture of "
                            "the same size, white where hidden (a cut-out: where it is opaque).")
_SAMPLES = flags.DEFINE_integer("samples", 0, "Other answers for what is hidden, besides the most probable.",
                                lower_bound=0)
_SET = flags.DEFINE_string("set", None, 'Attributes to set: "Smiling=+2,Eyeglasses=max"; amounts are standard '
                           "deviations from the training mean, min, mean or max.")
_CORRELATED = flags.DEFINE_bool("correlated", False, "Move the other attributes along as they go in the training data.")
_SEED = flags.DEFINE_integer("seed", 0, "Of the samples.", lower_bound=0, upper_bound=2**31 - 1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "Pictures at a time.", lower_bound=1)
_OUTPUT = define_path("output", None, "Folder for the results.")
SHEET_ROWS = 16


def row(job, result):
    """What a person compares, in a row of a sheet."""
    return [job.shown(), *result.columns.values()]


def write(job, result, schema, asked, output):
    """Writes the three files of one picture."""
    beside, whole, record = result_paths(output, job.name)
    pixels.save(pixels.grid([row(job, result)], column_labels=["input", *result.columns],
                            scale=max(1, 128 // len(job.small))), beside)
    pixels.save(job.square.put_back(job.picture, job.small, result.image, job.hidden), whole)
    deviations = (result.attributes - schema.mean) / schema.scale
    attributes = {name: {"value": float(value), "standard_deviations": float(deviation)}
                  for name, value, deviation in zip(schema.names, result.attributes, deviations, strict=True)}
    write_text(record, json.dumps(
        {"image": str(job.path), "region": [job.square.left, job.square.top, job.square.side], **asked,
         "energy": float(result.energy), "reconstruction_energy": float(result.reconstruction_energy),
         "prior_energy": float(result.prior_energy), "iterations": int(result.iterations),
         "evaluations": int(result.evaluations), "stopped": STOP_REASONS[result.stopped],
         "attributes": attributes}, indent=2))


def main(values):
    if not _OUTPUT.value:
        raise ValueError("--output is missing; name a folder for the results.")
    output = as_path(_OUTPUT.value)
    check_writable(output, "output")
    searches = find_pictures(_IMAGES.value, output)
    tables = [each for each in (_HIDE.value, _ATTRIBUTES.value) if each and as_path(each).is_file()]
    pictures = name_results(searches, output, tables)
    region = Square(*parse_numbers(_REGION.value, 3, "region", "left,top,side")) if _REGION.value else None
    hidden = parse_hidden(_HIDE.value)
    if _SAMPLES.value and not _HIDE.value:
        raise ValueError(f"samples={_SAMPLES.value}: other answers need --hide, which says what is asked.")
    models = LocalModels(_MODELS.value)
    models.newest("latent_optimizer")
    schema, size = models.describe()
    known = known_attributes(_ATTRIBUTES.value, schema, searches)
    if _SET.value:
        schema.request(_SET.value)
    output.mkdir(parents=True, exist_ok=True)
    asked = {"hide": _HIDE.value, "set": _SET.value, "correlated": _CORRELATED.value, "seed": _SEED.value}

    def change(attributes):
        return schema.request(_SET.value, base=attributes, correlated=_CORRELATED.value)

    for line in summary({OTHERS: [name for search in searches for name in search.others]}):
        logging.warning("%s", line)
    started, done, rows, titles = time.monotonic(), 0, [], []
    jobs = read_jobs(pictures, size, region, hidden, known)
    for batch, left in batches(pictures, jobs, _BATCH_SIZE.value):
        results = solve(models, batch, change if _SET.value else None, _SAMPLES.value, _SEED.value)
        for job, result in zip(batch, results, strict=True):
            write(job, result, schema, asked, output)
            rows.append(row(job, result))
            titles = ["input", *result.columns]
        # A sheet for the eye, not an album.
        rows = rows[:SHEET_ROWS]
        pixels.save(pixels.grid(rows, column_labels=titles), output / "sheet.png")
        done += len(batch)
        seconds = time.monotonic() - started
        logging.info("%d of %d pictures, %.1f s each, %.0f s left.", done, len(pictures), seconds / done,
                     seconds / done * left)
    if done < len(pictures):
        print(f"{len(pictures) - done} of {len(pictures)} pictures were left out; the log above names them.",
              file=sys.stderr)
    if not done:
        sys.exit("error: none of the pictures could be used.")
    print(output)


if __name__ == "__main__":
    run(main)
