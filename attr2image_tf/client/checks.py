"""Checks of the arguments of a client."""

import operator

import numpy as np
from PIL import Image

from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.photos import reading
from attr2image_tf.photos.faces import find_faces
from attr2image_tf.photos.square import Region, Square
from attr2image_tf.randomness import seed_rows


def as_picture(picture) -> np.ndarray:
    """A picture as uint8 [H, W, 3].

    Raises:
        ValueError: it is none, or has no pixels.
    """
    picture = np.asarray(reading.as_seen(picture) if isinstance(picture, Image.Image) else picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3 or not picture.size:
        raise ValueError(f"picture: expected uint8 [H, W, 3] with at least one pixel, got {picture.dtype} "
                         f"{list(picture.shape)}.")
    return picture


def as_hidden(hidden, picture: np.ndarray) -> np.ndarray | None:
    """What is hidden of a picture as bool [H, W], or None.

    Raises:
        ValueError: it is of another type or size.
    """
    if hidden is None:
        return None
    hidden = np.asarray(hidden)
    if hidden.dtype != bool or hidden.shape != picture.shape[:2]:
        raise ValueError(f"hidden: expected bool {list(picture.shape[:2])}, got {hidden.dtype} {list(hidden.shape)}.")
    return hidden


def as_region(region, picture: np.ndarray) -> Region:
    """What of a picture the model is to see: the central square for None, the best face's region for "face".

    Raises:
        ValueError: it is none, the picture has no such region or no face, or nothing that finds faces is installed.
    """
    if region is None:
        return Square.central(*picture.shape[:2])
    if isinstance(region, str) and region == "face":
        faces = find_faces(picture)
        if not faces:
            raise ValueError("region='face': no face was found in the picture; pass its Square.")
        region = faces[0].region
    if not isinstance(region, Region):
        raise ValueError(f"region={region!r}: expected None, 'face', a Square or the region of a Face.")
    region.check(*picture.shape[:2])
    return region


def requested_rows(schema: AttributeSchema, request, seed, count, varied, correlated) -> tuple[np.ndarray, np.ndarray]:
    """Attributes float32 [count, A] and seeds int32 [count, 2] for arguments of `Client.generate`.

    Raises:
        ValueError: one of them cannot be used.
    """
    seed, count = as_whole("seed", seed, 0), as_whole("count", count, 1)
    if not varied:
        vectors = np.tile(schema.vector(request, correlated=correlated), (count, 1))
    elif correlated:
        vectors = schema.draw(request, count, seed=seed)
    else:
        vectors = np.stack([schema.vector(request, base=row) for row in schema.draw({}, count, seed=seed)])
    return vectors, seed_rows(seed, count)


def as_whole(name: str, value, least: int) -> int:
    """A whole number from `least` to what int32 holds; Python's and numpy's are taken.

    Raises:
        ValueError: it is none, or outside.
    """
    try:
        number = least - 1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = least - 1
    if not least <= number < 2**31:
        raise ValueError(f"{name}={value!r}: expected a whole number from {least} to {2**31 - 1}.")
    return number


def as_at_least_0(name: str, value) -> float:
    """A number of at least 0.

    Raises:
        ValueError: it is none, or below.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0.0 <= number < np.inf:
        raise ValueError(f"{name}={value!r}: expected a number of at least 0.")
    return number
