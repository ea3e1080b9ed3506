"""Draws pictures from a trained run, as PNG sheets.

    python -m trainers.draw --run=runs/lfw --sheet=samples --request="Smiling=+2" --request="Male=min,Senior=+1"
    python -m trainers.draw --run=runs/lfw --sheet=layers
    python -m trainers.draw --run=runs/lfw --sheet=progression --attributes=Smiling,Male,Senior --correlated
    python -m trainers.draw --run=runs/lfw --sheet=blind --data_dir=DATA
    python -m trainers.draw --run=runs/lfw --sheet=names

A request sets attributes by name to min, mean, max, a number of standard deviations from the mean, or yes or no if
there are two values. Unrequested attributes are sampled given the requested ones, as in the training data; --novaried
uses their expected values, --nocorrelated ignores the request for them.
"""

import numpy as np
from absl import flags

from attr2image_tf import pixels
from attr2image_tf.client.checks import requested_rows
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.files import as_path, write_text
from attr2image_tf.later import tf
from attr2image_tf.photos.folders import check_picture_output
from attr2image_tf.randomness import seed_rows
from attr2image_tf.run_folder import RunFolder
from trainers.flags import define_path, define_source_flags, load_run_dataset, require, run, warn_of_unseen

define_path("run", None, "Folder of the trained run.")
flags.DEFINE_enum("sheet", "samples", ("samples", "layers", "progression", "blind", "names"), "samples: one row per "
                  "request. layers: x, x_F, g, x_B per request. progression: one strip per attribute, from minimum to "
                  "maximum. blind: a real-or-generated quiz, answers in a CSV beside it. names: print attributes and "
                  "ranges.")
flags.DEFINE_multi_string("request", [], 'Such as "Smiling=+2,Male=min"; "" requests nothing. Put a name '
                          """with a comma or = in double quotes: '"size, in cm"=+1'.""")
flags.DEFINE_list("attributes", [], "Attributes of a progression. Default: all.")
flags.DEFINE_bool("correlated", None, "Move correlated attributes with the requested ones, as in the training data. "
                  "Default: yes for samples and layers, no for a progression.")
flags.DEFINE_bool("varied", True, "Sample unrequested attributes anew for each picture (once per progression); "
                  "otherwise use their expected values.")
flags.DEFINE_integer("count", 8, "Pictures per row.", lower_bound=2)
flags.DEFINE_integer("seed", 0, "Seed of the latents.", lower_bound=0, upper_bound=2**31 - 1)
flags.DEFINE_float("temperature", 1.0, "Factor on the noise that pictures are drawn from; below 1 they are more "
                   "typical and more alike.", lower_bound=0.0)
flags.DEFINE_integer("pictures", 48, "Pictures on a blind sheet; half are real.", lower_bound=2)
define_path("output", None, "PNG file to write. Default: RUN/SHEET.png.")
# Real pictures are those of the run's data set.
define_source_flags()


def draw(folder: RunFolder, schema: AttributeSchema, values) -> np.ndarray:
    """The sheet that the flags ask for, uint8 [H, W, 3]."""
    # Checked before the model is loaded.
    requests = {text: vectors(text, schema, values) for text in values.request or [""]}
    names = [schema.names[schema.index(name)] for name in values.attributes] or list(schema.names)
    from attr2image_tf.evaluation import sheets
    model = folder.load_model()
    if values.sheet == "progression":
        base = next(iter(requests.values()))[0]
        return sheets.progression(model, schema, names, steps=values.count, seed=values.seed, base=base,
                                  correlated=bool(values.correlated), temperature=values.temperature)
    if values.sheet == "samples":
        return sheets.samples(model, {label(text): rows for text, rows in requests.items()},
                              count=values.count, seed=values.seed, temperature=values.temperature)
    attributes = np.concatenate(list(requests.values()))
    seeds = seed_rows(values.seed, len(attributes))
    return sheets.layers(model, attributes, seeds, temperature=values.temperature)


def draw_blind(folder: RunFolder, values, output):
    """Writes the sheet of real test pictures and samples, and its key beside it; returns the key's path."""
    from attr2image_tf.evaluation import pictures, sheets
    model = folder.load_model()
    dataset = load_run_dataset(values, folder.read_config(), folder.read_schema(), model.picture_size)
    test = pictures.read(dataset, "test", 2 * (values.pictures // 2))
    order = np.random.default_rng(values.seed).permutation(len(test))

    def generate(attributes, seeds):
        drawn = model.generate(tf.constant(attributes), tf.constant(seeds), values.temperature)["images"]
        return pixels.unit_from_model_range(drawn)

    sheet, key = sheets.blind(generate, test.images[order], test.attributes[order], seed=values.seed)
    pixels.save(sheet, output)
    path = output.with_suffix(".key.csv")
    write_text(path, "number,what\n" + "".join(f"{number},{what}\n" for number, what in enumerate(key, start=1)))
    return path


def label(text: str) -> str:
    """A request as it stands beside its row: a line an attribute."""
    return "\n".join(f"{name}={amount}" for name, amount in AttributeSchema.parse(text).items()) or "any"


def vectors(text: str, schema: AttributeSchema, values) -> np.ndarray:
    """The attributes of a request's pictures, float32 [count, A]."""
    warn_of_unseen(schema, text)
    correlated = values.correlated is not False or values.sheet == "progression"
    return requested_rows(schema, schema.parse(text), values.seed, values.count, values.varied, correlated)[0]


def main(values):
    require(values, "run", "name the folder of a trained run")
    folder = RunFolder(values.run)
    schema = folder.read_schema()
    if values.sheet == "names":
        for row in zip(schema.names, schema.minimum, schema.mean, schema.maximum, strict=True):
            print("{:32s} {:9.4g} {:9.4g} {:9.4g}".format(*row))
        return
    output = as_path(values.output or folder.path / f"{values.sheet}.png")
    check_picture_output(output, "output")
    if values.sheet == "blind":
        key = draw_blind(folder, values, output)
        print(f"The key is {key}; numbers go on from row to row.\n{output}")
        return
    print(pixels.save(draw(folder, schema, values), output))


if __name__ == "__main__":
    run(main, computes=False)
