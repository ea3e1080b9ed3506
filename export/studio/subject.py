"""A visitor's photo: the faces in it, the part that the model sees, and what was inferred from that."""

import dataclasses
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attr2image_tf import photos
from attr2image_tf.client import Client, Found
from attr2image_tf.photos.faces import check_installed, find_faces
from export.studio import attributes

# Of a photo with more pixels no more is kept: every visitor's photo stays in memory while they work on it.
LARGEST_SIDE = 3000


@dataclasses.dataclass(frozen=True)
class Photo:
    """A photo and the parts of it that a model can see.

    Attributes:
        pixels: uint8 [H, W, 3].
        regions: the parts, the best first, at least one.
        boxes: left, top, right and bottom of each, in pixels.
        note: sentences about how they were found and what was done to the photo.
    """

    pixels: np.ndarray
    regions: tuple[photos.Region, ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    note: str

    def others(self, region: photos.Region) -> list[photos.Region]:
        """The parts beside one, which are not changed with it."""
        return [other for other in self.regions if other != region]


@dataclasses.dataclass(frozen=True)
class Subject:
    """One part of a photo, and what was inferred from it.

    Attributes:
        region: one of the photo's regions.
        small: uint8 [size, size, 3], what the model sees.
        found: what was inferred from it.
    """

    photo: Photo
    region: photos.Region
    small: np.ndarray
    found: Found


def read(path: str) -> np.ndarray:
    """A file that was uploaded, as uint8 [H, W, 3].

    Raises:
        photos.PictureError: it cannot be used; the message has its name without its folder.
    """
    file = pathlib.Path(path)
    return photos.decode(file.read_bytes, file.name)


def whole_square(pixels: np.ndarray, note: str) -> Photo:
    """A photo of which the model sees the square in the middle."""
    square = photos.Square.central(*pixels.shape[:2])
    return Photo(pixels, (square,), ((square.left, square.top, square.left + square.side, square.top + square.side),),
                 note)


def make_photo(pixels: np.ndarray, faces: bool) -> Photo:
    """Finds the faces in a photo, or takes its central square.

    Args:
        pixels: uint8 [H, W, 3].
        faces: whether the model is one of faces.
    """
    (height, width), smaller, found = pixels.shape[:2], "", []
    if max(height, width) > LARGEST_SIDE:
        scale = LARGEST_SIDE / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
        smaller = (f" The photo has {width:,} x {height:,} pixels; here, and in what can be downloaded, it has "
                   f"{size[0]:,} x {size[1]:,}.")
    note = "The model sees the square in the middle."
    if faces:
        try:
            check_installed()
        except ValueError as error:
            note = (f"{error} Until then the model sees the square in the middle: choose a photo in which the face "
                    "fills it.")
        else:
            found, note = find_faces(pixels), "No face was found, so the model sees the square in the middle."
    if not found:
        return whole_square(pixels, note + smaller)
    note = "One face was found." if len(found) == 1 else f"{len(found)} faces were found."
    return Photo(pixels, tuple(face.region for face in found), tuple(tuple(face.box) for face in found), note + smaller)


def look(client: Client, photo: Photo, place: int) -> Subject:
    """Finds what is behind a part of a photo, which takes a second or more."""
    region = photo.regions[place]
    small = region.cut(photo.pixels, client.image_size)
    return Subject(photo, region, small, client.infer(small))


def edit(client: Client, subject: Subject, changes: dict[str, float],
         correlated: bool) -> tuple[np.ndarray, np.ndarray]:
    """The small picture and the whole photo with attributes changed, both uint8.

    Args:
        changes: standard deviations by name; what is asked for as it was found counts for nothing.
        correlated: whether other attributes go along.
    """
    as_found = attributes.deviations(client.schema, subject.found.vector)
    moved = {name: amount for name, amount in changes.items()
             if abs(amount - as_found[client.schema.index(name)]) > attributes.STEP / 2 + 1e-6}
    if not moved:
        return subject.small, subject.photo.pixels
    small = client.edit(subject.small, moved, found=subject.found, correlated=correlated)
    return small, subject.region.put_back(subject.photo.pixels, subject.small, small,
                                           others=subject.photo.others(subject.region))


def marked(photo: Photo, chosen: int, longest: int = 800) -> np.ndarray:
    """The photo, at most `longest` pixels a side, with a numbered frame around each part; the chosen one is bright."""
    picture = Image.fromarray(photo.pixels)
    picture.thumbnail((longest, longest))
    scale = picture.width / photo.pixels.shape[1]
    draw, width = ImageDraw.Draw(picture), max(2, round(max(picture.size) / 160))
    font = ImageFont.load_default(size=7 * width)
    # The chosen one lies above the others.
    for place in sorted(range(len(photo.boxes)), key=lambda place: place == chosen):
        left, top, right, bottom = (scale * edge for edge in photo.boxes[place])
        colour = "#ffb000" if place == chosen else "#ffffff"
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=width)
        if len(photo.boxes) > 1:
            label = draw.textbbox((left + width, top + width), str(place + 1), font=font)
            draw.rectangle((label[0] - 4, label[1] - 4, label[2] + 4, label[3] + 4), fill=colour)
            draw.text((left + width, top + width), str(place + 1), "black", font)
    return np.asarray(picture)
