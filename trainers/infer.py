"""Infers latents and attributes of pictures, changes attributes, and fills in hidden parts.

    python -m trainers.infer --models=models --images=portrait.jpg --output=out
    python -m trainers.infer --models=models --images=photo.jpg --region=face --output=out --set="Smiling=+2"
    python -m trainers.infer --models=models --images=portrait.jpg --output=out --hide=90,100,160,140 --samples=3

The central square of each picture (or what --region names: a square, or every detected face) is scaled to the model's
size and its latents are inferred, and its attributes too unless --attributes gives them. For each picture --output gets
NAME.png (input, reconstruction and result side by side), NAME_result.png (the whole picture at its own size with the
result put back, and the date and camera from its file; transparent parts become white) and NAME.json (energies,
attributes and the place of the region). sheet.png shows the first of these rows. If a photo has several faces, each has
its own files, NAME_1 and so on, the best first, and NAME_result.png has all of them changed.
"""

import sys
import time

from absl import flags, logging

from attr2image_tf.client.local import LocalModels
from attr2image_tf.data.folder.check import OTHERS, summary
from attr2image_tf.errors import check_writable
from attr2image_tf.files import as_path
from attr2image_tf.photos.hiding import parse_hidden
from trainers.flags import define_path, define_paths, require, run, warn_of_unseen
from trainers.infer_flags import NoFaceError, find_pictures, known_attributes, parse_region
from trainers.jobs import batches, read_jobs, solve
from trainers.results import Results, name_results

define_path("models", "models", "Folder of the exported models.")
define_paths("images", "A picture, or a folder of pictures with its subfolders.")
flags.DEFINE_list("region", [], 'Part of the photo the model sees: face for every detected face (pip install '
                  '"attr2image-tf[photos]"), or left,top,side of a square in pixels. Default: the central square.')
flags.DEFINE_integer("face", None, "Use only this face; 1 is the best (large and central). Default: all faces.",
                     lower_bound=1)
flags.DEFINE_string("attributes", None, 'Attributes of the pictures: a request such as "Male=-1,Senior=max", with all '
                    'others at the mean, or a CSV file as for trainers.prepare. Default: inferred.')
flags.DEFINE_string("hide", None, "Part to fill in: left,top,right,bottom of a box in pixels, or a mask picture of the "
                    "same size, white where hidden (in a cut-out, where it is opaque).")
flags.DEFINE_integer("samples", 0, "Number of sampled completions besides the likeliest.", lower_bound=0)
flags.DEFINE_string("set", None, 'Attributes to set: "Smiling=+2,Eyeglasses=max"; amounts are standard deviations from '
                    'the training mean, min, mean or max.')
flags.DEFINE_bool("correlated", False, "Also move correlated attributes, as in the training data.")
flags.DEFINE_integer("seed", 0, "Seed of the samples.", lower_bound=0, upper_bound=2**31 - 1)
flags.DEFINE_integer("batch_size", 16, "Pictures computed together.", lower_bound=1)
define_path("output", None, "Folder for the results.")
flags.DEFINE_bool("overwrite", False, "Overwrite existing files that this command did not write.")


def main(values):
    require(values, "output", "name a folder for the results")
    output = as_path(values.output)
    check_writable(output, "output")
    searches = find_pictures(values.images, output)
    tables = [each for each in (values.hide, values.attributes) if each and as_path(each).is_file()]
    parts = parse_region(values.region, values.face)
    numbered = values.region == ["face"] and values.face is None
    pictures = name_results(searches, output, tables, numbered=numbered)
    files = Results(output, list(pictures), numbered=numbered, overwrite=values.overwrite)
    hidden = parse_hidden(values.hide)
    if values.samples and not values.hide:
        raise ValueError(f"samples={values.samples}: sampled completions need --hide; name the part to fill in.")
    models = LocalModels(values.models)
    schema, size = models.describe("latent_optimizer")
    known = known_attributes(values.attributes, schema, searches)
    if values.set:
        schema.request(values.set)
        warn_of_unseen(schema, values.set)
    output.mkdir(parents=True, exist_ok=True)
    asked = {"hide": values.hide, "set": values.set, "correlated": values.correlated, "seed": values.seed}

    def change(attributes):
        return schema.request(values.set, base=attributes, correlated=values.correlated)

    for line in summary({OTHERS: [name for search in searches for name in search.others]}):
        logging.warning("%s", line)
    started, done, left_out = time.monotonic(), set(), []
    jobs = read_jobs(pictures, size, parts, hidden, known, left_out)
    for batch, left in batches(pictures, jobs, values.batch_size):
        results = solve(models, batch, change if values.set else None, values.samples, values.seed)
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
