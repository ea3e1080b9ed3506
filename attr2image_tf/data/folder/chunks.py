"""Scales the user's files to small pictures, in parallel and in chunks that survive a killed process.

A chunk is a .zip of a few hundred pictures and masks, complete or absent; memory holds no more than one.
"""

import concurrent.futures
import dataclasses
import hashlib
import io
import json
import os
import pathlib
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from absl import logging
from PIL import Image

from attr2image_tf import pixels
from attr2image_tf.data.errors import DataError
from attr2image_tf.data.folder.check import Picture, read_mask, same_shape
from attr2image_tf.data.source_files import box_around, clear_decoding, mask_of_shares, small_mask
from attr2image_tf.files import replacing
from attr2image_tf.photos import reading
from attr2image_tf.workers import core_count, in_order

FITS = ("middle", "mask", "whole", "face")
CHUNK = 500
# Changes whenever the same files would be scaled to other pixels.
_SCALING = 2


@dataclasses.dataclass(frozen=True)
class ScaledPicture:
    """A picture of the prepared size.

    Attributes:
        name: text, as in Picture.
        image: PNG of [H, W, 3].
        mask: PNG of [H, W, 1], or None.
    """

    name: str
    image: bytes
    mask: bytes | None


def check_fit(fit: str) -> None:
    """Raises ValueError where a fit needs something that is not installed."""
    if fit == "face":
        from attr2image_tf.photos.faces import check_installed
        check_installed()


def make_small(path: pathlib.Path, mask_path: pathlib.Path | None, image_size: int, fit: str
               ) -> tuple[np.ndarray, np.ndarray | None]:
    """A picture and its mask, uint8 [H, W, 3] and uint8 [H, W, 1] (share of each pixel that is foreground times 255).

    Args:
        path: of the picture (`reading.as_seen`).
        mask_path: of the mask, of the picture's shape as it is shown (`read_mask`). Or None.
        image_size: pixels.
        fit: "middle" for the largest square in the middle, "mask" for the foreground with some space around it,
            "whole" for everything, squeezed into a square, "face" for the best face, set upright and scaled so that
            eyes and mouth come to their usual places (`Face.region`).

    Raises:
        ValueError: a file does not decode, the two differ in shape, there is no foreground, or no face.
    """
    image = _open(path, image_size if fit in ("middle", "whole") else None)
    mask = None
    if mask_path is not None:
        mask = read_mask(mask_path)
        if not same_shape(image.size, mask.size):
            raise ValueError(f"is {image.size[0]} x {image.size[1]}, its mask {mask.size[0]} x {mask.size[1]}")
    if fit == "face":
        return _small_face(image, mask, image_size)
    if fit == "whole":
        box = (0, 0, *image.size)
    elif fit == "mask":
        scale = [one / other for one, other in zip(image.size, mask.size, strict=True)]
        box = box_around([edge * factor for edge, factor in zip(mask.getbbox(), scale * 2, strict=True)], image.size)
    else:
        side = min(image.size)
        left, top = ((extent - side) / 2 for extent in image.size)
        box = (left, top, left + side, top + side)
    size = (image_size, image_size)
    small = np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))
    if mask is None:
        return small, None
    factors = [one / other for one, other in zip(mask.size, image.size, strict=True)] * 2
    mask_box = [min(edge * factor, limit) for edge, factor, limit in zip(box, factors, mask.size * 2, strict=True)]
    return small, small_mask(mask, mask_box, image_size)


def _small_face(image, mask, image_size):
    # A library of its own behind it.
    from attr2image_tf.photos.faces import find_faces
    picture = np.asarray(image)
    faces = find_faces(picture)
    if not faces:
        raise ValueError("has no face that can be detected")
    region = faces[0].region
    try:
        region.check(*picture.shape[:2])
    except ValueError as error:
        raise ValueError(f"has a face that cannot be cut out ({error})") from error
    small = region.cut(picture, image_size)
    if mask is None:
        return small, None
    shares = region.scaled(mask.width / image.width).share(np.asarray(mask) > 127, image_size)
    return small, mask_of_shares(shares)


def _open(path, image_size):
    with clear_decoding(path), Image.open(io.BytesIO(path.read_bytes())) as picture:
        if image_size is not None:
            # A JPEG is decoded at the smallest scale that has twice the pixels wanted: several times as fast.
            picture.draft("RGB", (2 * image_size, 2 * image_size))
        return reading.as_seen(picture)


class Chunks:
    """The small pictures of a folder; those that exist are not made again.

    Args:
        folder: folder of the chunks, as long as they are needed.
        pictures: list of Picture.
        image_size: int.
        fit: one of FITS.

    Raises:
        ValueError: fit is "face" and the face detector is not installed.
    """

    def __init__(self, folder: str | os.PathLike, pictures: list[Picture], *, image_size: int, fit: str):
        check_fit(fit)
        self.folder = pathlib.Path(folder)
        self.image_size, self.fit = image_size, fit
        self._chunks = [pictures[start:start + CHUNK] for start in range(0, len(pictures), CHUNK)]
        self.fingerprint = self._fingerprint()

    def make(self, threads: int = 0, progress: Callable[[Iterable, int, str], Iterable] = lambda items, *_: items
             ) -> dict[str, str]:
        """Makes the chunks that are missing; returns what is wrong with pictures that cannot be used, by name.

        Chunks of other pictures or settings, which an earlier run left, are removed first.

        Raises:
            OSError: no disk space.
        """
        mark = self.folder / "of.txt"
        if not mark.exists() or mark.read_text() != self.fingerprint:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            mark.write_text(self.fingerprint)
        missing = [(path, chunk) for path, chunk in zip(self._paths(), self._chunks, strict=True) if not path.exists()]
        if len(missing) < len(self._chunks):
            logging.info("%s chunks of %d pictures exist from an earlier run.",
                         f"{len(self._chunks) - len(missing):,}", CHUNK)
        with concurrent.futures.ThreadPoolExecutor(threads or core_count()) as pool:
            for _ in progress(self._make(missing, pool), sum(len(chunk) for _, chunk in missing), "Scaling"):
                pass
        return {name: problem for path in self._paths() for name, problem in _problems(path).items()}

    def read(self, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[ScaledPicture]:
        """The small pictures whose names are wanted, in order."""
        for path, chunk in zip(self._paths(), self._chunks, strict=True):
            with zipfile.ZipFile(path) as archive:
                inside = set(archive.namelist())
                for index, picture in enumerate(chunk):
                    if f"{index}.png" in inside and wanted(picture.name):
                        mask = archive.read(f"{index}.mask.png") if f"{index}.mask.png" in inside else None
                        yield ScaledPicture(picture.name, archive.read(f"{index}.png"), mask)

    def remove(self):
        """Removes the chunks."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _paths(self):
        return [self.folder / f"{number:06d}.zip" for number in range(len(self._chunks))]

    def _make(self, missing, pool):
        """Yields once a picture."""
        for path, chunk in missing:
            problems = {}
            with replacing(path) as beside, zipfile.ZipFile(beside, "w") as archive:
                results = in_order(pool, self._small, ((picture,) for picture in chunk))
                for index, (picture, small) in enumerate(zip(chunk, results, strict=True)):
                    if isinstance(small, str):
                        problems[picture.name] = small
                    else:
                        archive.writestr(f"{index}.png", small[0])
                        if small[1] is not None:
                            archive.writestr(f"{index}.mask.png", small[1])
                    yield picture
                archive.writestr("problems.json", json.dumps(problems))

    def _small(self, picture):
        try:
            image, mask = make_small(picture.path, picture.mask, self.image_size, self.fit)
        except ValueError as error:
            return str(error)
        return pixels.to_png(image), None if mask is None else pixels.to_png(mask)

    def _fingerprint(self):
        """Changes with the settings, and with any file that was added, removed or written since."""
        digest = hashlib.sha256(f"{_SCALING} {self.image_size} {self.fit} {CHUNK}\n".encode())
        for chunk in self._chunks:
            for picture in chunk:
                for path in filter(None, (picture.path, picture.mask)):
                    status = path.stat()
                    digest.update(f"{picture.name}\t{path}\t{status.st_size}\t{status.st_mtime_ns}\n".encode())
        return digest.hexdigest()


def _problems(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("problems.json"))
    except zipfile.BadZipFile as error:
        raise DataError(f"{path} is damaged ({error}); delete {path.parent} and start again.") from error
