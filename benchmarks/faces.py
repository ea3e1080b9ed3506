"""Faces found in photos: how well a model explains them beside the faces that it was trained on.

    python -m benchmarks.faces --models=models --data_dir=DATA --output=faces

Pictures of people of LFW's test split are scaled by 0.5 to 3, turned by up to 20 degrees and shifted by up to a fifth
of their side on a grey photo, by a seed. Each is cut three times: the square of the funneled picture, as the model was
trained on it; the same square of the photo, which is known; and the region of the best face that is found there, which
is another person's where its middle is off by more than half a side. The known square is the fair reference, since a
photo that was made smaller is softer than the picture. Error is the root mean squared difference between a cut and its
reconstruction by `infer_attributes`, in levels of 255.
Needs mtcnn (pip install ".[photos]").
"""

import json

import numpy as np
from absl import flags, logging
from PIL import Image

from attr2image_tf.client.local import LocalModels
from attr2image_tf.data.lfw import files as lfw_files
from attr2image_tf.files import as_path, write_text
from attr2image_tf.photos import faces
from attr2image_tf.photos.square import Square
from attr2image_tf.photos.turned_square import TurnedSquare
from trainers.flags import define_path, define_source_flags, define_threads, require, run

define_source_flags()
define_threads()
_MODELS = define_path("models", "models", "Folder of the exported models.")
_PICTURES = flags.DEFINE_integer("pictures", 200, "Test pictures, evenly over the split.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of scales, turns and shifts.", lower_bound=0)
_OUTPUT = define_path("output", None, "Folder for the results.")

FUNNELED = Square(lfw_files.CROP_LEFT, lfw_files.CROP_TOP, lfw_files.CROP_SIZE)
SCALES = (0.5, 1.0, 2.0, 3.0)
LARGEST_ANGLE = 20.0
LARGEST_SHIFT = 0.2
BATCH_SIZE = 16


def funneled_pictures(source_dir, count):
    """Pictures uint8 [250, 250, 3] of people of the test split by name, evenly spaced."""
    found = lfw_files.find_files(source_dir)
    people = set(lfw_files.read_people(found[lfw_files.TEST_PEOPLE]))
    contents = {name: content for name, content in lfw_files.read_archive(found[lfw_files.PICTURES], ".jpg")
                if name.rpartition("_")[0] in people}
    names = sorted(contents)
    chosen = [names[place] for place in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).astype(int))]
    return {name: lfw_files.decode_funneled(contents[name]) for name in chosen}


def as_photo(picture, random):
    """A funneled picture somewhere in a photo uint8 [H, W, 3], the TurnedSquare of its square there, and its scale."""
    scale = float(np.exp(random.uniform(*np.log(SCALES)[[0, -1]])))
    side = round(scale * lfw_files.PICTURE_SIZE)
    scale = side / lfw_files.PICTURE_SIZE
    angle = random.uniform(-LARGEST_ANGLE, LARGEST_ANGLE)
    photo_side = round(1.6 * side)
    x, y = photo_side / 2 + side * random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, 2)
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    # From the photo back to the picture, about the middles of both.
    back = (cosine, sine, side / 2 - cosine * x - sine * y, -sine, cosine, side / 2 + sine * x - cosine * y)
    photo = picture.resize((side, side), Image.Resampling.LANCZOS).transform(
        (photo_side, photo_side), Image.Transform.AFFINE, back, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))
    return np.asarray(photo), TurnedSquare(float(x), float(y), scale * lfw_files.CROP_SIZE, float(angle)), scale


def errors(models, cuts):
    """Root mean squared error of each cut's reconstruction, in levels: uint8 [N, size, size, 3] to float [N]."""
    found = []
    for first in range(0, len(cuts), BATCH_SIZE):
        images = cuts[first:first + BATCH_SIZE].astype(np.float32) / 255.0
        answer = models.call("latent_optimizer", "infer_attributes", images=images,
                             observed=np.ones((*images.shape[:-1], 1), np.float32))
        found.append(255.0 * np.sqrt(np.mean((answer["images"] - images) ** 2, (1, 2, 3))))
        logging.info("%d of %d cuts explained.", first + len(images), len(cuts))
    return np.concatenate(found)


def look_for(pictures, size, random):
    """A row for each picture: its scale, how many faces were found, how far off the best is, and three cuts or None."""
    rows = []
    for name, picture in pictures.items():
        photo, known, scale = as_photo(picture, random)
        found = faces.find_faces(photo)
        row = {"name": name, "scale": scale, "faces": len(found), "cuts": None}
        if found:
            region = found[0].region
            row |= {"shift": float(np.hypot(region.x - known.x, region.y - known.y)) / known.side,
                    "size": region.side / known.side, "turn": region.angle - known.angle}
            if row["shift"] < 0.5:
                row["cuts"] = [FUNNELED.cut(np.asarray(picture), size), known.cut(photo, size), region.cut(photo, size)]
        rows.append(row)
        if len(rows) % 50 == 0:
            logging.info("%d of %d pictures looked at.", len(rows), len(pictures))
    return rows


def table(rows):
    """The results as Markdown, by scale."""
    lines = ["| scale | pictures | no face | another face | error on the funneled square | on the known square | "
             "on the found region | found / known | found / funneled |", "| --- " * 9 + "|"]
    for low, high in (*zip(SCALES, SCALES[1:], strict=False), (SCALES[0], SCALES[-1])):
        part = [row for row in rows if low <= row["scale"] <= high]
        used = np.array([row["errors"] for row in part if row["errors"]]).reshape(-1, 3)
        funneled, known, found = used.mean(0) if len(used) else [np.nan] * 3
        none = sum(not row["faces"] for row in part)
        lines.append(f"| {low:g} to {high:g} | {len(part)} | {none} | {len(part) - none - len(used)} | "
                     f"{funneled:.2f} | {known:.2f} | {found:.2f} | {found / known:.3f} | {found / funneled:.3f} |")
    return "\n".join(lines)


def main(values):
    require(values, "output", "name a folder for the results")
    require(values, "data_dir", "name the folder that holds lfw/")
    faces.check_installed()
    models = LocalModels(_MODELS.value)
    models.newest("latent_optimizer")
    _, size = models.describe()
    rows = look_for(funneled_pictures(values.data_dir, _PICTURES.value), size, np.random.default_rng(_SEED.value))
    cuts = [row.pop("cuts") for row in rows]
    if not any(cuts):
        raise ValueError(f"in none of {len(rows)} pictures the face was found; give more --pictures.")
    explained = iter(errors(models, np.array([cut for three in cuts if three for cut in three])).tolist())
    for row, three in zip(rows, cuts, strict=True):
        row["errors"] = [next(explained) for _ in three] if three else None
    output, text = as_path(_OUTPUT.value), table(rows)
    write_text(output / "faces.json", json.dumps({"models": _MODELS.value, "seed": _SEED.value, "pictures": rows},
                                                 indent=1))
    write_text(output / "faces.md", text)
    used = [row for row in rows if row["errors"]]
    size_off, turn, shift = (np.median([value(row) for row in used]) for value in (
        lambda row: abs(np.log(row["size"])), lambda row: abs(row["turn"]), lambda row: row["shift"]))
    print(f"{text}\n\nThe found region differs from the known square by {100 * size_off:.1f} % in size, {turn:.1f} "
          f"degrees and {100 * shift:.1f} % of the side in place (medians).")


if __name__ == "__main__":
    run(main)
