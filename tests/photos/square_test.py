"""Laws of squares cut from pictures and put back."""

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.photos.reading import PictureError, read, read_hidden
from attr2image_tf.photos.square import Square


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


SQUARE = Square(left=7, top=3, side=33)


def test_the_central_square_is_as_large_as_can_be():
    assert Square.central(40, 60) == Square(left=10, top=0, side=40)
    assert Square.central(61, 40) == Square(left=0, top=10, side=40)


def test_at_its_own_size_a_cut_is_the_part_itself(picture):
    np.testing.assert_array_equal(SQUARE.cut(picture, 33), picture[3:36, 7:40])


def test_nothing_changed_gives_back_the_picture(picture):
    small = SQUARE.cut(picture, 16)
    np.testing.assert_array_equal(SQUARE.put_back(picture, small, small), picture)


def test_a_constant_change_is_added_inside_and_nowhere_else(picture):
    dim = picture // 2
    small = SQUARE.cut(dim, 16)
    expected = dim.copy()
    expected[3:36, 7:40] += 20
    np.testing.assert_array_equal(SQUARE.put_back(dim, small, small + np.uint8(20)), expected)


def test_what_was_hidden_is_replaced_and_the_rest_kept(picture):
    hidden = np.zeros((40, 60), bool)
    hidden[10:20, 5:30] = True
    small = SQUARE.cut(picture, 16)
    unseen = SQUARE.touched(hidden, 16)
    after = np.where(unseen[..., None], np.uint8(77), small)
    result = SQUARE.put_back(picture, small, after, hidden)
    inside = np.zeros_like(hidden)
    inside[3:36, 7:40] = True
    # Near the edge bicubic enlargement mixes in what is visible.
    np.testing.assert_array_equal(result[14:16, 11:26], 77)
    np.testing.assert_array_equal(result[~(hidden & inside)], picture[~(hidden & inside)])


def test_a_pixel_is_touched_when_any_part_of_it_is():
    hidden = np.zeros((40, 60), bool)
    hidden[3, 7] = True
    touched = SQUARE.touched(hidden, 11)
    assert touched[0, 0] and touched.sum() == 1


@pytest.mark.parametrize(("side", "size"), [(160, 64), (250, 64), (90, 64), (50, 64)])
def test_what_is_hidden_leaks_into_nothing_that_is_observed(side, size):
    random = np.random.default_rng(0)
    picture = random.integers(80, 170, (side, side, 3), np.uint8)
    hidden = np.zeros([side, side], bool)
    hidden[side // 3:side // 2, side // 4:3 * side // 4] = True
    hidden[:, 3 * side // 4 + 2] = True
    square = Square(0, 0, side)
    observed = ~square.touched(hidden, size)
    filled = (np.where(hidden[..., np.newaxis], filling, picture).astype(np.uint8)
              for filling in (0, 255, random.integers(0, 256, picture.shape)))
    black, white, noise = (square.cut(each, size, hidden) for each in filled)
    for other in (white, noise):
        np.testing.assert_array_equal(black[observed], other[observed])
    # Far from it the picture is cut as ever, and near it is no darker or brighter.
    plain = square.cut(picture, size)
    near = np.abs(black.astype(int) - plain).max(-1)
    far = side // 2 * size // side + 4
    assert near[far:, :size // 2].max() <= 1
    flat = square.cut(np.full_like(picture, 90), size, hidden)
    assert (flat[observed] == 90).all()


def test_nothing_hidden_is_the_plain_cut(picture):
    np.testing.assert_array_equal(SQUARE.cut(picture, 16, np.zeros((40, 60), bool)), SQUARE.cut(picture, 16))


@pytest.mark.parametrize("square", [Square(-1, 0, 5), Square(0, 0, 0), Square(30, 0, 31), Square(0, 10, 31)])
def test_squares_outside_are_refused(square):
    with pytest.raises(ValueError, match="does not lie within a picture of 60 x 40 pixels"):
        square.check(40, 60)


def test_files_are_read_upright_and_in_colour(tmp_path, picture):
    turned = Image.fromarray(picture)
    entries = turned.getexif()
    entries[0x0112] = 6  # to be shown turned clockwise
    turned.save(tmp_path / "turned.png", exif=entries)
    np.testing.assert_array_equal(read(tmp_path / "turned.png"), np.rot90(picture, -1))
    Image.fromarray(picture[..., 0]).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read(tmp_path / "grey.png"), np.repeat(picture[..., :1], 3, -1))
    # As prepared data sets have them.
    Image.fromarray(np.zeros([8, 8, 4], np.uint8)).save(tmp_path / "clear.png")
    assert read(tmp_path / "clear.png").min() == 255
    Image.fromarray(np.full([8, 8], 25700, np.uint16)).save(tmp_path / "deep.png")
    assert (read(tmp_path / "deep.png") == 100).all()


def test_masks_hide_where_they_are_bright(tmp_path):
    Image.fromarray(np.array([[0, 100], [200, 255]], np.uint8)).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_hidden(tmp_path / "mask.png"), [[False, False], [True, True]])
    # What is clear around a brush of any colour is not hidden.
    brush = np.zeros([2, 2, 4], np.uint8)
    brush[0] = 90, 0, 0, 255
    Image.fromarray(brush).save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_hidden(tmp_path / "mask.png"), [[True, True], [False, False]])


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_files_that_are_no_pictures_are_named(tmp_path, content):
    (tmp_path / "broken.png").write_bytes(content)
    with pytest.raises(PictureError, match="broken.png' cannot be read as a picture [(](?!.*object at)"):
        read(tmp_path / "broken.png")


def test_a_bomb_is_refused_before_it_unfolds(tmp_path):
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    with pytest.raises(PictureError, match="bomb.png'.*(20000 x 10000|200000000)"):
        read(tmp_path / "bomb.png")
