"""Draws what a trained run has learned, as PNG sheets.

    python -m trainers.draw --run=runs/lfw --sheet=samples --request="Smiling=+2" --request="Male=min,Senior=+1"
    python -m trainers.draw --run=runs/lfw --sheet=layers
    python -m trainers.draw --run=runs/lfw --sheet=progression --attributes=Smiling,Male,Senior --correlated
    python -m trainers.draw --run=runs/lfw --sheet=names

A request sets attributes by name to min, mean, max or so many standard deviations from the mean. The others are drawn
as they go with these in the training data; with --novaried they stay at the mean, or follow with --correlated.
"""

import numpy as np
from absl import flags

from attr2image_tf import pixels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation import sheets
from attr2image_tf.files import as_path, check_no_pattern
from attr2image_tf.picture_files import check_picture_output
from attr2image_tf.run_folder import RunFolder
from trainers.flags import define_path, run

_RUN = define_path("run", None, "Folder of the trained run.")
_SHEET = flags.DEFINE_enum("sheet", "samples", ("samples", "layers", "progression", "names"),
                           "samples: a row a request. layers: x, x_F, g, x_B of each request. progression: a strip an "
                           "attribute, from minimum to maximum. names: print the attributes and their ranges.")
_REQUESTS = flags.DEFINE_multi_string("request", [], 'Such as "Smiling=+2,Male=min"; "" asks for nothing. A name with '
                                      """a comma or = in it stands in double quotes: '"size, in cm"=+1'.""")
_ATTRIBUTES = flags.DEFINE_list("attributes", [], "Attributes of progression; all of them by default.")
_CORRELATED = flags.DEFINE_bool("correlated", False,
                                "Move the other attributes to their conditional mean given the requested ones, under a "
                                "Gaussian fit of the training attributes, instead of leaving them at the mean.")
_VARIED = flags.DEFINE_bool("varied", True,
                            "Draw the attributes that are not requested from that fit, anew for each picture of "
                            "samples and layers (different people who all smile) and once for a progression.")
_COUNT = flags.DEFINE_integer("count", 8, "Pictures a row.", lower_bound=2)
_SEED = flags.DEFINE_integer("seed", 0, "Of the latents.", lower_bound=0, upper_bound=2**31 - 1)
_TEMPERATURE = flags.DEFINE_float("temperature", 1.0, "Factor on the noise that pictures are drawn from; below 1 they "
                                  "are more typical and more alike.", lower_bound=0.0)
_OUTPUT = define_path("output", None, "The PNG; RUN/SHEET.png by default.")


def draw(folder: RunFolder, schema: AttributeSchema) -> np.ndarray:
    """The sheet that the flags ask for, uint8 [H, W, 3]."""
    # Checked before the model is loaded.
    requests = {text: vectors(text, schema) for text in _REQUESTS.value or [""]}
    names = [schema.names[schema.index(name)] for name in _ATTRIBUTES.value] or list(schema.names)
    model = folder.load_model()
    if _SHEET.value == "progression":
        base = next(iter(requests.values()))[0]
        return sheets.progression(model, schema, names, steps=_COUNT.value, seed=_SEED.value, base=base,
                                  correlated=_CORRELATED.value, temperature=_TEMPERATURE.value)
    if _SHEET.value == "samples":
        return sheets.samples(model, {label(text): rows for text, rows in requests.items()},
                              count=_COUNT.value, seed=_SEED.value, temperature=_TEMPERATURE.value)
    attributes = np.concatenate(list(requests.values()))
    seeds = np.stack([np.full(len(attributes), _SEED.value), np.arange(len(attributes))], -1).astype(np.int32)
    return sheets.layers(model, attributes, seeds, temperature=_TEMPERATURE.value)


def label(text: str) -> str:
    """A request as it stands beside its row: a line an attribute."""
    return "\n".join(f"{name}={amount}" for name, amount in AttributeSchema.parse(text).items()) or "any"


def vectors(text: str, schema: AttributeSchema) -> np.ndarray:
    """The attributes of a request's pictures, float32 [count, A]."""
    if _VARIED.value:
        return schema.draw(schema.parse(text), _COUNT.value, seed=_SEED.value)
    return np.tile(schema.request(text, correlated=_CORRELATED.value), (_COUNT.value, 1))


def main(values):
    if not _RUN.value:
        raise ValueError("--run is missing; name the folder of a trained run.")
    check_no_pattern(_RUN.value, "run")
    folder = RunFolder(_RUN.value)
    schema = folder.read_schema()
    if _SHEET.value == "names":
        for row in zip(schema.names, schema.minimum, schema.mean, schema.maximum, strict=True):
            print("{:32s} {:9.4g} {:9.4g} {:9.4g}".format(*row))
        return
    output = as_path(_OUTPUT.value or folder.path / f"{_SHEET.value}.png")
    check_picture_output(output, "output")
    print(pixels.save(draw(folder, schema), output))


if __name__ == "__main__":
    run(main, computes=False)
