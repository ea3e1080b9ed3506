"""Finds what is behind pictures, changes their attributes, fills in what is hidden.

    python -m trainers.infer --models=models --images=portrait.jpg --output=out
    python -m trainers.infer --models=models --images=photo.jpg --region=face --output=out --set="Smiling=+2"
    python -m trainers.infer --models=models --images=portrait.jpg --output=out --hide=90,100,160,140 --samples=3

Of every picture the central square (or --region: a square, or the faces that are found) is taken, scaled to the model's
size, and its latents are found; its attributes too, unless --attributes gives them. --output gets for each picture
NAME.png (input, reconstruction, result side by side), NAME_result.png (the whole picture at its own size, changed, with
what its file says of date and camera; what was transparent is white) and NAME.json (energies, attributes, where the
region is), and sheet.png with the first of all. Each face of a photo with several has its own, NAME_1 and so on, the
best first, and NAME_result.png has all of them changed.
"""

import sys
import time

from absl import flags, logging

from attr2image_tf.client.local import LocalModels
from attr2image_tf.data.folder.check import OTHERS, summary
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path
from attr2image_tf.photos.hiding import parse_hidden
from trainers.flags import define_path, define_paths, run, warn_of_unseen
from trainers.infer_flags import (
    NoFaceError,
    find_pictures,
    known_attributes,
    parse_region,
)
from trainers.jobs import batches, read_jobs, solve
from trainers.results import Results, name_results

_MODELS = define_path("models", "models", "Folder of the exported models.")
_IMAGES = define_paths("images", "A picture, or a folder of pictures with its subfolders.")
_REGION = flags.DEFINE_list("region", [], "What the model is to see: face for the faces that are found (pip install "
                            '"attr2image-tf[photos]"), or left,top,side in pixels of a square; the central square by '
                            "default.")
_FACE = flags.DEFINE_integer("face", None, "Number of the only face that counts, 1 for the best: large, and near the "
                             "middle. By default each face has a result.", lower_bound=1)
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
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Write over files of these names that this command did not write.")


def main(values):
    if not _OUTPUT.value:
        raise ValueError("--output is missing; name a folder for the results.")
    output = as_path(_OUTPUT.value)
    check_writable(output, "output")
    searches = find_pictures(_IMAGES.value, output)
    tables = [each for each in (_HIDE.value, _ATTRIBUTES.value) if each and as_path(each).is_file()]
    parts = parse_region(_REGION.value, _FACE.value)
    numbered = _REGION.value == ["face"] and _FACE.value is None
    pictures = name_results(searches, output, tables, numbered=numbered)
    files = Results(output, list(pictures), numbered=numbered, overwrite=_OVERWRITE.value)
    hidden = parse_hidden(_HIDE.value)
    if _SAMPLES.value and not _HIDE.value:
        raise ValueError(f"samples={_SAMPLES.value}: other answers need --hide, which says what is asked.")
    models = LocalModels(_MODELS.value)
    models.newest("latent_optimizer")
    schema, size = models.describe()
    known = known_attributes(_ATTRIBUTES.value, schema, searches)
    if _SET.value:
        schema.request(_SET.value)
        warn_of_unseen(schema, _SET.value)
    output.mkdir(parents=True, exist_ok=True)
    asked = {"hide": _HIDE.value, "set": _SET.value, "correlated": _CORRELATED.value, "seed": _SEED.value}

    def change(attributes):
        return schema.request(_SET.value, base=attributes, correlated=_CORRELATED.value)

    for line in summary({OTHERS: [name for search in searches for name in search.others]}):
        logging.warning("%s", line)
    started, done, left_out = time.monotonic(), set(), []
    jobs = read_jobs(pictures, size, parts, hidden, known, left_out)
    for batch, left in batches(pictures, jobs, _BATCH_SIZE.value):
        results = solve(models, batch, change if _SET.value else None, _SAMPLES.value, _SEED.value)
        for job, result in zip(batch, results, strict=True):
            files.write(job, result, schema, asked, hidden)
        files.write_sheet()
        done |= {job.path for job in batch}
        seconds = time.monotonic() - started
        logging.info("%d of %d pictures, %.1f s each, %.0f s left.", len(done), len(pictures), seconds / len(done),
                     seconds / len(done) * left)
    files.finish()
    if len(done) < len(pictures):
        print(f"{len(pictures) - len(done)} of {len(pictures)} pictures were left out; the log above names them.",
              file=sys.stderr)
    if not done:
        faceless = sum(isinstance(error, NoFaceError) for error in left_out)
        sys.exit("error: none of the pictures could be used"
                 f"{f'; no face was found in {faceless} of them' if faceless else ''}.")
    print(output)


if __name__ == "__main__":
    run(main)
