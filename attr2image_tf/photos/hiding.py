"""Reads what is hidden in a picture from a text: a box, or a mask file."""

import numpy as np

from attr2image_tf.photos import folders
from attr2image_tf.photos.reading import PictureError, read_hidden


def parse_numbers(values, count, flag, meaning):
    """Whole numbers from texts.

    Raises:
        ValueError: too few or many, or one that is no whole number.
    """
    try:
        numbers = [int(value) for value in values]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"{flag}={','.join(values)!r}: expected {meaning}, whole numbers.")
    return numbers


def parse_hidden(text: str | None):
    """Function of a picture to what is hidden of it, bool [H, W] or None, from the flag's text.

    Raises:
        ValueError: a box that is none, or a mask that cannot be read.
    """
    if text is None:
        return lambda picture: None
    if folders.is_picture(text):
        mask = read_hidden(text)

        def hidden(picture):
            if mask.shape != picture.shape[:2]:
                raise PictureError(f"hide={text!r} has {mask.shape[1]} x {mask.shape[0]} pixels, the picture "
                                   f"{picture.shape[1]} x {picture.shape[0]}.")
            return mask
        return hidden
    left, top, right, bottom = parse_numbers(text.split(","), 4, "hide", "left,top,right,bottom or a mask picture")
    if not (0 <= left < right and 0 <= top < bottom):
        raise ValueError(f"hide={text!r}: expected left < right and top < bottom, at least 0.")

    def boxed(picture):
        result = np.zeros(picture.shape[:2], bool)
        result[top:bottom, left:right] = True
        return result
    return boxed
