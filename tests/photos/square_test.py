"""Laws of squares cut from pictures and put back."""

import struct

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.photos import reading
from attr2image_tf.photos.reading import PictureError, read, read_hidden
from attr2image_tf.photos.square import Square
from attr2image_tf.photos.turned_square import TurnedSquare


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


def test_a_change_is_added_inside_and_fades_out_where_the_picture_goes_on(picture):
    photo = np.full((400, 600, 3), 100, np.uint8)
    for square, open_edges in ((Square(70, 30, 300), "left right top bottom"), (Square(0, 30, 300), "right top bottom"),
                               (Square.central(400, 600), "left right")):
        small = square.cut(photo, 16)
        change = square.put_back(photo, small, small + np.uint8(50)).astype(int) - photo
        inner = change[square.top:square.top + square.side, square.left:square.left + square.side, 0]
        outside = change.copy()
        outside[square.top:square.top + square.side, square.left:square.left + square.side] = 0
        assert not outside.any()
        assert (inner[len(inner) // 4:-len(inner) // 4, len(inner) // 4:-len(inner) // 4] == 50).all()
        middle = len(inner) // 2
        edges = {"left": inner[middle, 0], "right": inner[middle, -1], "top": inner[0, middle],
                 "bottom": inner[-1, middle]}
        assert {name for name, edge in edges.items() if edge <= 3} == set(open_edges.split())
        assert {edge for name, edge in edges.items() if name not in open_edges} <= {50}
        assert max(np.abs(np.diff(inner, axis=axis)).max() for axis in (0, 1)) <= 4


def test_a_grey_picture_stays_grey_and_neighbours_are_kept_off():
    photo = np.full((200, 400, 3), 100, np.uint8)
    left, right = TurnedSquare(150.0, 100.0, 180.0), TurnedSquare(250.0, 100.0, 180.0)
    after = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    result = left.put_back(photo, left.cut(photo, 16), after, others=[right])
    assert (result == result[..., :1]).all() and result[100, 110, 0] > 105
    # The neighbour's face has its middle at 250, and reaches to 0.32 of a side from there.
    assert (result[104, 195:305] == 100).all()
    coloured = photo.copy()
    coloured[0, 0] = 1, 2, 3
    assert (left.put_back(coloured, left.cut(photo, 16), after)[100, 110] != 100).any()
    beside = Square(60, 10, 180)
    kept = beside.put_back(photo, beside.cut(photo, 16), after, others=[Square(160, 10, 180)])
    assert (kept[104, 195:240] == 100).all() and (kept[100, 100] > 105).all()


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_a_large_square_is_cut_as_a_small_one_of_the_same_picture(hidden, angle):
    rows, columns = np.mgrid[:2000, :1600] / 2000.0
    photo = np.stack([128 + 100 * np.sin(9 * rows + 5 * columns), 255 * rows, 255 * columns], -1).astype(np.uint8)
    region = TurnedSquare(800.0, 1000.0, 1300.0, angle)
    mask = np.zeros(photo.shape[:2], bool)
    mask[700:900, 500:1100] = hidden
    small = region.cut(photo, 16, mask)
    exact = TurnedSquare(80.0, 100.0, 130.0, angle).cut(np.asarray(Image.fromarray(photo).reduce(10)), 16)
    touched = region.touched(mask, 16)
    assert touched.any() == hidden and not touched.all()
    assert np.abs(small.astype(int) - exact)[~touched].max() <= 6
    assert np.abs(region.share(mask, 16) - (touched * region.share(mask, 16))).max() == 0.0
    if hidden:
        black, white = (region.cut(np.where(mask[..., np.newaxis], np.uint8(level), photo), 16, mask)
                        for level in (0, 255))
        np.testing.assert_array_equal(black[~touched], white[~touched])


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


def broken_exif(orientation, **others):
    """A block with an orientation, and a rational of nothing below zero: its parts are -1 / 0."""
    entries = [(0x0112, 3, 1, struct.pack("<HH", orientation, 0)), (0x011A, 10, 1, struct.pack("<I", 38))]
    table = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + struct.pack("<ii", -1, 0)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_broken_entry_beside_the_orientation_counts_for_nothing(tmp_path, kind):
    levels = np.kron(np.array([[40, 90], [140, 220], [10, 250]], np.uint8), np.ones((16, 16), np.uint8))
    picture = Image.fromarray(np.repeat(levels[..., np.newaxis], 3, -1))
    for orientation, turns in ((6, -1), (3, 2), (8, 1)):
        picture.save(tmp_path / f"a.{kind}", exif=broken_exif(orientation))
        expected = np.rot90(np.asarray(picture), turns).astype(int)
        np.testing.assert_allclose(read(tmp_path / f"a.{kind}")[8::16, 8::16], expected[8::16, 8::16], atol=6)


def test_a_damaged_exif_block_is_no_reason_not_to_read_a_picture(tmp_path):
    random, picture = np.random.default_rng(0), Image.fromarray(np.full((8, 8, 3), 90, np.uint8))
    for number in range(300):
        block = bytearray(broken_exif(6))
        for place in random.integers(6, len(block), 1 + number % 8):
            block[place] = random.integers(0, 256)
        picture.save(tmp_path / "a.jpg", exif=bytes(block[:random.integers(8, len(block) + 1)]))
        assert (np.abs(read(tmp_path / "a.jpg").astype(int) - 90) < 3).all()


def test_raw_files_are_refused_by_name_and_phones_formats_name_what_reads_them(tmp_path, monkeypatch):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.dng", "tiff")
    with pytest.raises(PictureError, match="a.dng' is a raw file, which cannot be developed here; save it as JPEG"):
        read(tmp_path / "a.dng")
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(PictureError, match="in no known format"):
        read(tmp_path / "a.HEIC")
    monkeypatch.setattr(reading, "load_formats", lambda: False)
    with pytest.raises(PictureError, match="in no known format; save it as JPEG, or run pip install pillow-heif"):
        read(tmp_path / "a.HEIC")


@pytest.mark.parametrize("orientation", [1, 6])
def test_photos_of_phones_are_read_upright(orientation, tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    picture = Image.new("RGB", (64, 32), (200, 40, 40))
    picture.paste((40, 40, 200), (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.heic", exif=exif.tobytes())
    seen = read(tmp_path / "a.heic")
    expected = np.asarray(picture if orientation == 1 else picture.transpose(Image.Transpose.ROTATE_270))
    assert seen.shape == expected.shape and np.abs(seen.astype(int) - expected).mean() < 4
    # And what is called so and is none.
    picture.save(tmp_path / "b.jpg")
    (tmp_path / "b.jpg").rename(tmp_path / "b.HEIC")
    assert read(tmp_path / "b.HEIC").shape == (32, 64, 3)
