"""CelebA: aligned faces with 40 attributes, and masks if you have or want them.

    data = open_celeba(source_dir="/folder/that/holds/celeba")                    # no masks: for CVAE and VAE
    data = open_celeba(source_dir="/folder/that/holds/celeba", masks="drawn")     # CelebAMask-HQ
    data = open_celeba(source_dir="/folder/that/holds/celeba", masks="predicted")
"""

import dataclasses
import os
import pathlib
import shutil
import zipfile
import zlib

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from attr2image_tf import pixels
from attr2image_tf.data import foreground, preparing, source_files
from attr2image_tf.data.celeba import files as celeba_files
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.errors import UNUSABLE, DataError

MASKS = ("none", "drawn", "predicted")
# Of the aligned 178 x 218 picture (PAPER: x 25..170, y 30..210): left, top, right, bottom.
CROP = (25, 30, 170, 210)


@dataclasses.dataclass(eq=False)
class CelebaConfig(tfds.core.BuilderConfig):
    """image_size: int, pixels. masks: one of MASKS."""

    image_size: int = 64
    masks: str = "none"


def _config(image_size, masks):
    return CelebaConfig(name=f"{image_size}{'' if masks == 'none' else f'_{masks}_masks'}", image_size=image_size,
                        masks=masks, description=f"{image_size} x {image_size} pixels; masks: {masks}.")


class CelebaAttributes(preparing.SourceBuilder):
    """tfds builder of CelebA with attributes ("celeba_attributes"; made from tfds' "celeb_a").

    The official split has 162,770 training, 19,867 validation and 19,962 test pictures, no person in two. With drawn
    masks, the set has the 30,000 pictures of CelebAMask-HQ, which are cropped differently, in the same split.

    Features of an example: image uint8 [H, W, 3], mask uint8 [H, W, 1] (255 on the foreground; all 0 where the
    configuration has no masks), attributes float32 [40] of 0 and 1, name (person and picture, `2880_000001`; the place
    in tfds' set where there are no files).
    Metadata: `schema` (AttributeSchema as JSON, measured on the training split), `skipped` (number by kind). Pictures
    that are skipped are named in `skipped.txt` beside the prepared files.

    Args:
        source_dir: the folder that holds `celeba/` with the official files. If None tfds downloads them.
        data_dir: the folder for prepared sets; tfds' own by default.
        config: "64", "64_drawn_masks", "64_predicted_masks" and so on, or a CelebaConfig.
    """

    description = "Aligned faces with 40 attributes, in the official split."
    homepage = celeba_files.HOME
    citation = "Liu et al. 2015 (pictures, attributes); Lee et al. 2020 (masks)"
    BUILDER_CONFIGS = [_config(size, masks) for size in (64, 128) for masks in MASKS]

    def features(self):
        return self.builder_config.image_size, celeba_files.ATTRIBUTE_COUNT, {"name": tfds.features.Text()}

    def _split_generators(self, dl_manager):
        del dl_manager
        make = {"none": self._aligned, "drawn": self._drawn, "predicted": self._predicted}
        return make[self.builder_config.masks]()

    def _aligned(self):
        source = self._celeb_a()
        total = source.info.splits.total_num_examples
        preparing.check_space(self.data_dir, total, self.builder_config.image_size)
        self._unusable = preparing.Unusable(total)
        return {split: self._generate_examples(source, split) for split in SPLITS}

    def _celeb_a(self):
        """tfds' own set, prepared."""
        builder = celeba_files.celeb_a_builder(self.source_dir, self.data_dir_root)
        if not builder.is_prepared():
            try:
                builder.download_and_prepare()
            # What `celeba_files.check_files` does not see, such as a wrong checksum within the archive.
            except (KeyError, IndexError, ValueError, zipfile.BadZipFile, zlib.error) as error:
                raise DataError(f"the files of CelebA in {self.source_dir or 'the download'} do not match or are "
                                f"damaged ({type(error).__name__}: {_last_line(error)}). Fetch them again from "
                                f"{celeba_files.HOME}.") from error
            except tfds.core.download.download_manager.NonMatchingChecksumError as error:
                raise DataError("CelebA cannot be downloaded: its host refuses when it gets too many requests. "
                                f"Fetch the files from {celeba_files.HOME}, put them into FOLDER/celeba/ and pass "
                                "--data_dir=FOLDER.") from error
        return builder

    def _generate_examples(self, source, split):
        """Of the aligned pictures; `_drawn_examples` are others."""
        size = self.builder_config.image_size
        no_mask, rows = preparing.empty_mask(size), []
        names = list(source.info.features["attributes"])
        known = {} if self.source_dir is None else celeba_files.names_by_content(self.source_dir)
        # tfds would end at the first picture that does not decode.
        dataset = source.as_dataset(split=split, read_config=tfds.ReadConfig(try_autocache=False, add_tfds_id=True),
                                    decoders={"image": tfds.decode.SkipDecoding()})
        for example in dataset.as_numpy_iterator():
            # The place in tfds' set where no file at hand has this content.
            name = known.get(celeba_files.content_key(example["image"]), example["tfds_id"].decode())
            try:
                image = _aligned_picture(example["image"])
            except ValueError as error:
                self._unusable.leave_out(name, error, source.data_dir, f"Fetch {celeba_files.PICTURES}.zip again from "
                                         f"{celeba_files.HOME}, and delete {source.data_dir}, which holds the "
                                         "broken ones.")
                continue
            image = image.resize((size, size), Image.Resampling.LANCZOS, box=CROP)
            attributes = np.array([example["attributes"][name] for name in names], np.float32)
            rows.append(attributes)
            yield name, {"image": pixels.to_png(np.asarray(image)), "mask": no_mask, "name": name,
                         "attributes": attributes}
        self.finish(split, [*map(celeba_files.readable, names)], rows, {UNUSABLE: self._unusable})

    def _drawn(self):
        if self.source_dir is None:
            raise DataError("masks drawn by people are those of CelebAMask-HQ, which cannot be downloaded by itself. "
                            f"Fetch it from {celeba_files.MASKED_HOME}, unpack it in FOLDER/celeba/, beside "
                            f"{celeba_files.PARTITION}, and pass --data_dir=FOLDER.")
        names, pictures = celeba_files.read_masked(self.source_dir)
        total = sum(map(len, pictures.values()))
        for split in SPLITS:
            if len(pictures[split]) < 2:
                raise DataError(f"{celeba_files.celeba_dir(self.source_dir)}: the {split} split of CelebAMask-HQ has "
                                f"{len(pictures[split])} pictures; at least 2 are needed.")
        preparing.check_space(self.data_dir, total, self.builder_config.image_size)
        self._unusable = preparing.Unusable(total)
        return {split: self._drawn_examples(split, names, pictures[split]) for split in SPLITS}

    def _drawn_examples(self, split, names, pictures):
        rows = []
        for picture in pictures:
            try:
                image, mask = celeba_files.read_picture(picture, self.builder_config.image_size)
            except ValueError as error:
                self._unusable.leave_out(picture.name, error, picture.path.parent, "Unpack CelebAMask-HQ again.")
                continue
            rows.append(picture.attributes)
            yield picture.name, {"image": pixels.to_png(image), "mask": pixels.to_png(mask),
                                 "attributes": picture.attributes, "name": picture.name}
        self.finish(split, [*map(celeba_files.readable, names)], rows, {UNUSABLE: self._unusable})

    def _predicted(self):
        base = _builder(self.builder_config.image_size, "none", self.source_dir, self.data_dir_root)
        if not base.is_prepared():
            preparing.prepare(base)
        # What the aligned pictures lack is lacking here too.
        shutil.copy(pathlib.Path(base.data_dir) / "skipped.txt", self.data_dir)
        return self.with_predicted_masks(
            base, lambda network, batch: {"mask": foreground.predict(network, batch["image"])})


def open_celeba(*, image_size: int = 64, source_dir: str | os.PathLike | None = None,
                prepared_dir: str | os.PathLike | None = None, masks: str = "none") -> AttributeDataset:
    """CelebA, ready to read; what is not prepared yet is prepared first.

    Args:
        image_size, source_dir, prepared_dir: as in `data.load`.
        masks: "none"; "drawn" for the pictures and masks of CelebAMask-HQ; "predicted" for masks that the foreground
            network of `trainers.train_foreground` predicts.

    Returns:
        AttributeDataset named "celeba", "celeba:drawn" or "celeba:predicted".

    Raises:
        DataError: a file is missing or broken, there is no foreground network, or no disk space.
    """
    if masks not in MASKS:
        raise ValueError(f"celeba: masks={masks!r}; expected {', '.join(MASKS)}.")
    builder = _builder(image_size, masks, source_dir, prepared_dir)
    if not builder.is_prepared():
        _check(image_size, masks, builder.source_dir, builder.data_dir_root)
        with preparing.only_one(builder):
            if not builder.is_prepared():
                preparing.prepare(builder)
    return preparing.opened(builder, "celeba" if masks == "none" else f"celeba:{masks}", image_size,
                            has_masks=masks != "none")


def _check(image_size, masks, source_dir, root):
    """Complains before any folder is made."""
    if masks == "predicted" and not foreground.is_trained(foreground.network_dir(image_size, root)):
        raise DataError(f"{foreground.network_dir(image_size, root)} holds no foreground network, which predicts the "
                        "masks. Train one on the drawn masks of LFW: python -m trainers.train_foreground.")
    # What is prepared needs no files any more. A folder `celeb_a` alone says nothing: a failed run leaves an empty one.
    if (masks == "drawn" or source_dir is None or celeba_files.celeb_a_builder(None, root).is_prepared()
            or masks == "predicted" and _builder(image_size, "none", source_dir, root).is_prepared()):
        return
    celeba_files.check_files(celeba_files.find_files(source_dir))


def _aligned_picture(content):
    """A picture of CelebA, in RGB.

    Raises:
        ValueError: it does not decode, or has another size.
    """
    image = source_files.decode(content)
    if image.size != celeba_files.PICTURE_SIZE:
        raise ValueError(f"is {image.width} x {image.height} pixels, expected "
                         f"{' x '.join(map(str, celeba_files.PICTURE_SIZE))}")
    return image


def _last_line(error):
    """tfds puts lines of its own before the text of an error."""
    return (str(error).strip().splitlines() or [""])[-1]


def _builder(image_size, masks, source_dir, prepared_dir):
    return preparing.make_builder(CelebaAttributes, _config(image_size, masks), prepared_dir, source_dir)
