"""Trains the network that predicts foreground masks, and prepares the data set that has them.

    python -m trainers.train_foreground --data_dir=/folder/that/holds/lfw

It learns from hand-drawn masks, reports pixel accuracy and foreground intersection over union (IoU) on people it was
not trained on, and writes under --prepared_dir the network, the data set with a mask for every picture, and a sheet of
masks to look at. The same command continues a run that was killed; finished parts are kept.
"""

import pathlib

import numpy as np
from absl import flags

from attr2image_tf import pixels
from attr2image_tf.data import foreground
from trainers.flags import config_from_flags, define_config, define_source_flags, define_threads, run

flags.DEFINE_enum("dataset", "lfw", ("lfw",), "Data set; only lfw has pictures with and without masks.")
define_source_flags()
flags.DEFINE_integer("image_size", 64, "Height and width in pixels; a multiple of 16.", lower_bound=32)
define_config(foreground.Settings, only=("epochs", "seed"))
define_threads()


def mask_sheet(drawn: tuple[np.ndarray, np.ndarray], predicted_for_drawn: np.ndarray,
               predicted: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Pictures, masks and foregrounds on grey: held-out pictures with both masks above, predicted ones below.

    Args:
        drawn: images uint8 [N, H, W, 3] and drawn masks uint8 [N, H, W, 1].
        predicted_for_drawn: what the network says of the same pictures, uint8 [N, H, W, 1].
        predicted: images and predicted masks of pictures that have no drawn one.

    Returns:
        uint8 [H', W', 3]; twelve pictures in a row, evenly spaced.
    """
    def rows(images, masks):
        return [masks, (images * (masks / 255.0) + 127.5 * (1.0 - masks / 255.0)).round().astype(np.uint8)]

    columns = 12
    held_out = np.linspace(0, len(drawn[0]) - 1, min(columns, len(drawn[0]))).astype(int)
    others = np.linspace(0, len(predicted[0]) - 1, min(3 * columns, len(predicted[0]))).astype(int)
    images, masks = drawn[0][held_out], drawn[1][held_out]
    table = [images, *rows(images, masks), *rows(images, predicted_for_drawn[held_out])]
    labels = ["held out", "drawn", "foreground", "predicted", "foreground"]
    for chosen in np.split(others, range(columns, len(others), columns)):
        images = predicted[0][chosen]
        table += [images, *rows(images, predicted[1][chosen])]
        labels += ["no mask", "predicted", "foreground"]
    return pixels.grid(table, row_labels=labels)


def main(values):
    from attr2image_tf.data.lfw import builder as lfw
    where = {"image_size": values.image_size, "prepared_dir": values.prepared_dir}
    lfw.prepare_lfw(source_dir=values.data_dir, predicted_masks=False, **where)
    metrics = lfw.train_foreground(settings=config_from_flags(foreground.Settings, values), **where)
    lfw.prepare_lfw(**where)

    folder = lfw.network_dir(**where)
    held_out = lfw.drawn_arrays("validation", **where)
    others = [example for example in lfw.open_lfw(**where).examples("test").as_numpy_iterator()
              if example["mask_source"] == lfw.PREDICTED]
    sheet = mask_sheet(held_out, foreground.predict(foreground.load(folder), held_out[0]),
                       tuple(np.stack([example[part] for example in others]) for part in ("image", "mask")))
    path = pixels.save(sheet, pathlib.Path(folder) / "masks.png")
    print(f"held-out pixel accuracy {metrics['pixel_accuracy']:.4f}, foreground IoU {metrics['foreground_iou']:.4f} "
          f"({metrics['held_out_examples']} pictures of people the network was not trained on)\nmask sheet: {path}")


if __name__ == "__main__":
    run(main)
