"""Labeled Faces in the Wild: pictures, 73 attributes and foreground masks, prepared once and then read quickly.

    data = open_lfw(source_dir="/folder/that/holds/lfw")
    data.counts                                 # {"train": ..., "validation": ..., "test": ...}
    next(iter(data.examples("train")))          # image, mask, attributes, name, mask_source

The prepared folder holds two sets: `lfw_attributes/<size>` with hand-drawn masks, and
`lfw_attributes/<size>_predicted_masks`, in which a small network (`foreground.py`) supplies the missing ones.
"""

import collections
import dataclasses
import os
import pathlib
import shutil
import time

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from attr2image_tf import pixels
from attr2image_tf.data import foreground, preparing
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.errors import UNUSABLE, DataError
from attr2image_tf.data.lfw import files as lfw_files

MASK_SOURCES = ("none", "drawn", "predicted")
NO_MASK, DRAWN, PREDICTED = range(3)


@dataclasses.dataclass(eq=False)
class LfwConfig(tfds.core.BuilderConfig):
    """image_size: int, pixels. predicted_masks: whether pictures without a drawn mask have a predicted one."""

    image_size: int = 64
    predicted_masks: bool = False


def _config(image_size, predicted_masks):
    masks = "masks: drawn by people, or predicted" if predicted_masks else "masks: drawn by people, or none"
    return LfwConfig(name=f"{image_size}{'_predicted_masks' if predicted_masks else ''}", image_size=image_size,
                     predicted_masks=predicted_masks, description=f"{image_size} x {image_size} pixels; {masks}.")


class LfwAttributes(preparing.SourceBuilder):
    """tfds builder of LFW with attributes and masks ("lfw_attributes"; tfds has an "lfw" of its own).

    The test people are those of View 1; 10 % of the training people of View 1 are the validation split, so no person is
    in two splits. A picture needs a row of attributes; what lacks one or the other is counted in the metadata and named
    in `skipped.txt` beside the prepared files.

    Features of an example: image uint8 [H, W, 3], mask uint8 [H, W, 1] (255 on the foreground; all 0 when there is
    none), mask_source (0 none, 1 drawn, 2 predicted), attributes float32 [73], person, name (`Aaron_Eckhart_0001`).
    Metadata: `schema` (AttributeSchema as JSON, measured on the training split), `drawn` (masks by split), `skipped`
    (number by kind).

    Args:
        source_dir: the folder that holds `lfw/` with the official files. If None they are downloaded.
        data_dir: the folder for prepared sets; tfds' own by default.
        config: "64", "128", "64_predicted_masks", "128_predicted_masks" or an LfwConfig.
    """

    description = "Faces in the wild with 73 attribute scores and foreground masks, split by people."
    homepage = "http://vis-www.cs.umass.edu/lfw/"
    citation = "Huang et al. 2007 (pictures); Kumar et al. 2009 (attributes); Kae et al. 2013 (part labels)"
    BUILDER_CONFIGS = [_config(size, predicted) for size in (64, 128) for predicted in (False, True)]
    url_infos = preparing.registered(lfw_files.OFFICIAL_FILES)

    def features(self):
        return self.builder_config.image_size, len(lfw_files.ATTRIBUTE_NAMES), {
            "mask_source": tfds.features.ClassLabel(names=list(MASK_SOURCES)), "person": tfds.features.Text(),
            "name": tfds.features.Text()}

    def _split_generators(self, dl_manager):
        if self.builder_config.predicted_masks:
            return self._predicted()
        files = (lfw_files.find_files(self.source_dir) if self.source_dir is not None else
                 preparing.download(dl_manager, lfw_files.OFFICIAL_FILES, lfw_files.where_to_get))
        size = self.builder_config.image_size
        rows, scores = lfw_files.read_scores(files[lfw_files.SCORES])
        people = _split_people(files)
        self._skipped = collections.defaultdict(list)
        self.info.metadata["drawn"] = dict.fromkeys(SPLITS, 0)

        pictures = {name for name, _ in lfw_files.read_archive(files[lfw_files.PICTURES], ".jpg")}
        self._skipped["rows without a picture"] = sorted(set(rows) - pictures)
        self._skipped["pictures without a row"] = sorted(pictures - set(rows))
        names = {split: set() for split in SPLITS}
        for name in sorted(pictures & set(rows)):
            split = people.get(_person(name))
            if split is None:
                self._skipped["pictures of people who are in neither list"].append(name)
            else:
                names[split].add(name)
        for split in SPLITS:
            if not names[split]:
                raise DataError(f"the {split} split is empty: {files[lfw_files.PICTURES]} has {len(pictures)} pictures "
                                f"ending in .jpg, {len(pictures & set(rows))} of them have a row in "
                                f"{files[lfw_files.SCORES]}, and none is of a person of this split. "
                                f"{lfw_files.where_to_get(lfw_files.PICTURES)}.")
        wanted = set().union(*names.values())
        preparing.check_space(self.data_dir, len(wanted), size)
        self._skipped[UNUSABLE] = preparing.Unusable(len(wanted))

        masks = {}
        for name, content in lfw_files.read_archive(files[lfw_files.LABELS], ".ppm"):
            if name not in wanted:
                self._skipped["labels without a picture"].append(name)
                continue
            try:
                masks[name] = pixels.to_png(lfw_files.decode_label(content, size))
            except ValueError as error:
                self._skipped["labels that cannot be used"].append(f"{name} {error}")
        scores_by_name = {name: scores[rows[name]] for name in wanted}
        return {split: self._generate_examples(split, names[split], files[lfw_files.PICTURES], scores_by_name, masks)
                for split in SPLITS}

    def _generate_examples(self, split, names, pictures, scores, masks):
        no_mask = preparing.empty_mask(self.builder_config.image_size)
        written = []
        for name, content in lfw_files.read_archive(pictures, ".jpg"):
            if name not in names:
                continue
            try:
                image = lfw_files.decode_picture(content, self.builder_config.image_size)
            except ValueError as error:
                self._skipped[UNUSABLE].leave_out(name, error, pictures,
                                                  f"{lfw_files.where_to_get(lfw_files.PICTURES)}.")
                continue
            self.info.metadata["drawn"][split] += name in masks
            written.append(name)
            yield name, {
                "image": pixels.to_png(image), "mask": masks.get(name, no_mask),
                "mask_source": DRAWN if name in masks else NO_MASK, "attributes": scores[name],
                "person": _person(name), "name": name,
            }
        self.finish(split, lfw_files.ATTRIBUTE_NAMES, [scores[name] for name in sorted(written)], self._skipped)

    def _predicted(self):
        base = _builder(self.builder_config.image_size, False, self.source_dir, self.data_dir_root)
        if not base.is_prepared():
            raise DataError(f"{base.data_dir} is missing; predicted masks are made from it. Run python -m "
                            "trainers.train_foreground.")

        def masks_of(network, batch):
            missing, masks = batch["mask_source"] == NO_MASK, batch["mask"].copy()
            masks[missing] = foreground.predict(network, batch["image"][missing])
            return {"mask": masks, "mask_source": np.where(missing, PREDICTED, batch["mask_source"])}

        return self.with_predicted_masks(base, masks_of)


def open_lfw(*, image_size: int = 64, source_dir: str | os.PathLike | None = None,
             prepared_dir: str | os.PathLike | None = None, masks: str = "any") -> AttributeDataset:
    """LFW, ready to read; what is not prepared yet is prepared first (`prepare_lfw`).

    Args:
        image_size, source_dir, prepared_dir: as in `data.load`.
        masks: "any" for every picture, with a drawn or predicted mask; "drawn" for the pictures whose mask was drawn by
            people (all of them are training people: the test split is then empty).

    Returns:
        AttributeDataset whose examples have, besides the usual, mask_source: int32, 1 drawn, 2 predicted. The schema is
        that of the whole training split, whatever `masks` is.

    Raises:
        DataError: a file is missing or broken, or there is no disk space.
    """
    if masks not in ("any", "drawn"):
        raise ValueError(f"masks is {masks!r}; expected 'any' or 'drawn'.")
    prepare_lfw(image_size=image_size, source_dir=source_dir, prepared_dir=prepared_dir,
                predicted_masks=masks == "any")
    builder = _builder(image_size, masks == "any", source_dir, prepared_dir)
    everything = preparing.examples_of(builder, "mask_source")

    def examples(split):
        dataset = everything(split).map(lambda example: {**example, "mask_source": tf.cast(example["mask_source"],
                                                                                           tf.int32)})
        return dataset.filter(lambda example: example["mask_source"] == DRAWN) if masks == "drawn" else dataset

    counts = {"counts": dict(builder.info.metadata["drawn"])} if masks == "drawn" else {}
    return preparing.opened(builder, "lfw", image_size, examples=examples, **counts)


def prepare_lfw(*, image_size: int = 64, source_dir: str | os.PathLike | None = None,
                prepared_dir: str | os.PathLike | None = None, predicted_masks: bool = True,
                settings: foreground.Settings | None = None) -> None:
    """Prepares what is missing: the base set, the foreground network, the set with predicted masks.

    Each of the three is complete or absent, so a run that was killed goes on with the first that is missing. A second
    process that prepares the same thing waits for the first.

    Args:
        image_size, source_dir, prepared_dir: as in `data.load`.
        predicted_masks: False stops after the base set.
        settings: how the foreground network is trained.

    Raises:
        DataError: a file is missing or broken, or there is no disk space.
    """
    base = _builder(image_size, False, source_dir, prepared_dir)
    predicted = _builder(image_size, True, source_dir, prepared_dir)
    if (predicted if predicted_masks else base).is_prepared():
        return
    if base.source_dir is not None and not base.is_prepared():
        lfw_files.find_files(base.source_dir)  # Complains before any folder is made.
    folder = network_dir(image_size, prepared_dir)
    with preparing.only_one(base):
        if not base.is_prepared():
            preparing.prepare(base)
        if predicted_masks:
            if not foreground.is_trained(folder):
                if image_size > foreground.LARGEST_SIZE:
                    prepare_lfw(image_size=foreground.LARGEST_SIZE, source_dir=source_dir, prepared_dir=prepared_dir,
                                predicted_masks=False)
                _train_foreground(image_size, prepared_dir, settings or foreground.Settings())
            if not predicted.is_prepared():
                preparing.prepare(predicted)


def train_foreground(*, image_size: int = 64, prepared_dir: str | os.PathLike | None = None,
                     settings: foreground.Settings | None = None) -> dict[str, float]:
    """Trains the foreground network on the drawn masks of a prepared base set, anew.

    The held-out masks are those of the validation split, of other people than the network is trained on; they are
    measured once, at the end. A set with masks that an earlier network predicted is removed when the new one is there.

    Returns:
        `foreground.agreement` with the held-out masks, `examples`, `held_out_examples` and `seconds`.

    Raises:
        DataError: there are no drawn masks, or there is no disk space.
    """
    base = _builder(image_size, False, None, prepared_dir)
    if not base.is_prepared():
        prepare_lfw(image_size=image_size, prepared_dir=prepared_dir, predicted_masks=False)
    with preparing.only_one(base):
        return _train_foreground(image_size, prepared_dir, settings or foreground.Settings())


def _train_foreground(image_size, prepared_dir, settings):
    started = time.monotonic()
    folder = network_dir(image_size, prepared_dir)
    image_size = min(image_size, foreground.LARGEST_SIZE)
    training = drawn_arrays("train", image_size=image_size, prepared_dir=prepared_dir)
    held_out = drawn_arrays("validation", image_size=image_size, prepared_dir=prepared_dir)
    logging.info("Training the foreground network on %d drawn masks (%d of other people are held out), %d epochs",
                 len(training[0]), len(held_out[0]), settings.epochs)
    network = foreground.train(*training, settings)
    metrics = foreground.agreement(foreground.predict(network, held_out[0]), held_out[1])
    metrics |= {"examples": len(training[0]), "held_out_examples": len(held_out[0]),
                "seconds": round(time.monotonic() - started, 1)}
    # In this order a run that is killed leaves no masks beside a network that did not predict them.
    for size in {config.image_size for config in LfwAttributes.BUILDER_CONFIGS} | {image_size}:
        if min(size, foreground.LARGEST_SIZE) == image_size:
            shutil.rmtree(_builder(size, True, None, prepared_dir).data_dir, ignore_errors=True)
    with preparing.clear_disk_errors(folder):
        foreground.save(network, folder, settings, metrics)
    logging.info("Trained the foreground network in %.0f s: pixel accuracy %.4f and foreground IoU %.4f on held-out "
                 "people; it is in %s", metrics["seconds"], metrics["pixel_accuracy"], metrics["foreground_iou"],
                 folder)
    return metrics


def drawn_arrays(split: str, *, image_size: int = 64, prepared_dir: str | os.PathLike | None = None
                 ) -> tuple[np.ndarray, np.ndarray]:
    """All pictures with a drawn mask: images uint8 [N, H, W, 3], masks uint8 [N, H, W, 1].

    Raises:
        DataError: there is none.
    """
    dataset = open_lfw(image_size=image_size, prepared_dir=prepared_dir, masks="drawn").examples(split)
    examples = list(dataset.as_numpy_iterator())
    if not examples:
        raise DataError(f"the {split} split has no drawn mask, so no network can be trained to predict the others. "
                        f"{lfw_files.where_to_get(lfw_files.LABELS)}.")
    return np.stack([example["image"] for example in examples]), np.stack([example["mask"] for example in examples])


def network_dir(image_size: int = 64, prepared_dir: str | os.PathLike | None = None) -> pathlib.Path:
    """Where the foreground network of a prepared folder lies."""
    return foreground.network_dir(image_size, _builder(image_size, False, None, prepared_dir).data_dir_root)


def _builder(image_size, predicted_masks, source_dir, prepared_dir):
    return preparing.make_builder(LfwAttributes, _config(image_size, predicted_masks), prepared_dir, source_dir)


def _split_people(files):
    train = lfw_files.read_people(files[lfw_files.TRAIN_PEOPLE])
    test = lfw_files.read_people(files[lfw_files.TEST_PEOPLE])
    both = sorted(set(train) & set(test))
    if both:
        raise DataError(f"{both[0]} is in both {files[lfw_files.TRAIN_PEOPLE]} and {files[lfw_files.TEST_PEOPLE]}; "
                        f"expected nobody in both. {lfw_files.where_to_get(lfw_files.TRAIN_PEOPLE)}.")
    validation = preparing.held_out(train)
    return {**dict.fromkeys(test, "test"), **dict.fromkeys(train, "train"), **dict.fromkeys(validation, "validation")}


def _person(name):
    return name.rpartition("_")[0]
