"""A large photo is changed a band at a time, which nobody sees."""

import numpy as np
import pytest

from attr2image_tf.photos import square
from attr2image_tf.photos.square import Square
from attr2image_tf.photos.turned_square import TurnedSquare


@pytest.mark.parametrize("region", [Square(7, 3, 33), TurnedSquare(30.0, 20.0, 25.0, 20.0)])
@pytest.mark.parametrize("hides", [False, True])
def test_a_photo_in_bands_is_the_photo_at_once(region, hides, monkeypatch):
    photo, after = (np.random.default_rng(0).integers(0, 256, shape, np.uint8) for shape in ((40, 60, 3), (16, 16, 3)))
    hidden = np.zeros((40, 60), bool)
    hidden[12:22, 20:38] = hides
    before = region.cut(photo, 16)
    at_once = region.put_back(photo, before, after, hidden)
    assert (at_once != photo).sum() > 300
    for pixels in (1, 100, 333):
        monkeypatch.setattr(square, "_BAND_PIXELS", pixels)
        np.testing.assert_array_equal(region.put_back(photo, before, after, hidden), at_once)
