"""Laws of ranges, masks, composition, grids and files."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageCms

from attr2image_tf import pixels
from attr2image_tf.photos import reading


def test_every_level_survives_the_ranges():
    levels = np.arange(256, dtype=np.uint8)
    inside = pixels.model_range_from_uint8(levels)
    assert inside.dtype == tf.float32 and (inside[0], inside[-1]) == (-1.0, 1.0)
    np.testing.assert_array_equal(pixels.uint8_from_model_range(inside), levels)
    unit = pixels.unit_from_model_range(inside)
    np.testing.assert_allclose(unit, levels / 255.0, atol=1e-6)
    np.testing.assert_array_equal(pixels.uint8_from_unit(unit), levels)
    np.testing.assert_allclose(pixels.model_range_from_unit(unit), inside, atol=1e-6)


def test_values_outside_are_clipped_and_others_rounded_to_nearest():
    np.testing.assert_array_equal(pixels.unit_from_model_range(tf.constant([-3.0, 3.0])), [0.0, 1.0])
    np.testing.assert_array_equal(pixels.uint8_from_model_range(tf.constant([-3.0, 3.0])), [0, 255])
    np.testing.assert_array_equal(pixels.uint8_from_unit(tf.constant([-1.0, 2.0, 9.6 / 255, 9.4 / 255])),
                                  [0, 255, 10, 9])


def test_a_masked_background_is_mid_grey():
    images = tf.random.stateless_uniform([2, 4, 4, 3], [0, 1], -1.0, 1.0)
    masks = tf.cast(tf.random.stateless_uniform([2, 4, 4, 1], [0, 2]) > 0.5, tf.float32)
    foregrounds = pixels.mask_foreground(images, masks).numpy()
    shown = np.broadcast_to(masks == 1.0, foregrounds.shape)
    np.testing.assert_array_equal(foregrounds[shown], images.numpy()[shown])
    np.testing.assert_array_equal(pixels.uint8_from_model_range(foregrounds)[~shown], 128)


def test_foreground_and_gated_picture_compose_to_the_picture():
    images = tf.random.stateless_uniform([2, 4, 4, 3], [0, 1], -1.0, 1.0)
    masks = tf.random.stateless_uniform([2, 4, 4, 1], [0, 2])
    composed = pixels.compose(pixels.mask_foreground(images, masks), 1.0 - masks, images)
    np.testing.assert_allclose(composed, images, atol=1e-6)


def test_grid_places_pictures_on_white():
    random = np.random.default_rng(0)
    rows = [[random.integers(0, 255, (5, 6, 3), np.uint8) for _ in range(count)] for count in (3, 2)]
    sheet = pixels.grid(rows)
    assert sheet.dtype == np.uint8 and sheet.shape == (2 + 2 * 7, 2 + 3 * 8, 3)
    covered = np.zeros(sheet.shape[:2], bool)
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            place = np.s_[2 + 7 * y:7 + 7 * y, 2 + 8 * x:8 + 8 * x]
            np.testing.assert_array_equal(sheet[place], picture)
            covered[place] = True
    assert np.all(sheet[~covered] == 255)


def test_grid_takes_floats_and_single_channels_and_enlarges():
    picture = np.linspace(0.0, 1.0, 6, dtype=np.float32).reshape(2, 3, 1)
    sheet = pixels.grid([[picture]], scale=3)[2:-2, 2:-2]
    expected = np.repeat(np.rint(picture * 255).astype(np.uint8), 3, axis=-1).repeat(3, 0).repeat(3, 1)
    np.testing.assert_array_equal(sheet, expected)


def test_labels_take_room_and_leave_pictures_alone():
    rows = [[np.full((40, 40, 3), 7 * (1 + row), np.uint8)] for row in range(2)]
    plain = pixels.grid(rows)
    labelled = pixels.grid(rows, row_labels=["a row\nof two", "b"], column_labels=["column"])
    top, left = (large - small for large, small in zip(labelled.shape[:2], plain.shape[:2], strict=True))
    assert top > 0 and left > 0
    np.testing.assert_array_equal(labelled[top:, left:], plain)
    # Something is written in each margin.
    assert labelled[top:, :left].min() < 100 and labelled[:top, left:].min() < 100


@pytest.mark.parametrize("rows", [[], [[]], [[np.zeros((2, 2, 3)), np.zeros((2, 3, 3))]]])
def test_grid_refuses_nothing_and_sizes_that_differ(rows):
    with pytest.raises(ValueError, match="grid: expected pictures of one size"):
        pixels.grid(rows)


def test_saved_pictures_are_read_back(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (5, 6, 3), np.uint8)
    path = pixels.save(picture, tmp_path / "deep" / "sheet.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)
    pixels.save(255 - picture, path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), 255 - picture)
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["sheet.png"]


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "sheet.png"
    pixels.save(np.zeros((2, 2, 3), np.uint8), path)
    before = path.read_bytes()
    with pytest.raises((TypeError, ValueError)):
        pixels.save(np.zeros((2, 2, 5), np.uint8), path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("file", ["grey.png", "grey.tif"])
def test_16_bits_become_8_by_their_share(tmp_path, file):
    levels = np.linspace(0, 65535, 64).round().astype(np.uint16).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / file)
    with Image.open(tmp_path / file) as picture:
        seen = np.asarray(reading.as_seen(picture))
    np.testing.assert_array_equal(seen, np.repeat((levels / 257.0).round()[..., None], 3, -1))


def test_transparent_pixels_are_seen_as_white():
    picture = np.full([4, 4, 4], 100, np.uint8)
    picture[:2, :, 3] = 0
    picture[2:, :, 3] = 255
    seen = np.asarray(reading.as_seen(Image.fromarray(picture)))
    assert (seen[:2] == 255).all() and (seen[2:] == 100).all()


def test_pixels_whose_white_nobody_knows_are_refused():
    with pytest.raises(ValueError, match="pixels do not have 8 or 16 bits per channel; save it as PNG or JPEG"):
        reading.as_seen(Image.fromarray(np.zeros([4, 4], np.float32)))


@pytest.mark.parametrize(("box", "size"), [((0, 0, 7, 5), (3, 4)), ((1.25, 0.5, 6.5, 4.75), (2, 3)),
                                           ((2, 1, 4, 3), (5, 5)), ((0, 0, 7, 5), (7, 5))])
def test_an_area_mean_is_one(box, size):
    values = np.random.default_rng(0).uniform(size=(5, 7))
    # Each pixel cut into 40 x 40, each of which lies in one new pixel or is split evenly.
    fine = values.repeat(40, 0).repeat(40, 1)
    left, top, right, bottom = (round(40 * edge) for edge in box)
    part = fine[top:bottom, left:right].repeat(size[1], 0).repeat(size[0], 1)
    expected = part.reshape(size[1], bottom - top, size[0], right - left).mean((1, 3))
    np.testing.assert_allclose(pixels.area_mean(values, box, size), expected, rtol=1e-5)


@pytest.mark.parametrize("place", range(0, 160, 7))
def test_whatever_a_pixel_covers_counts(place):
    values = np.zeros([160, 160], bool)
    values[:, place] = True
    shares = pixels.area_mean(values, (0, 0, 160, 160), (64, 64))
    covered = {int(place / 2.5), int(np.ceil((place + 1) / 2.5)) - 1}
    assert set(np.flatnonzero(shares[0]).tolist()) == covered and shares.sum() == pytest.approx(64 / 2.5)


def masks():
    """Files of one shape, the left half: drawn, in the opacity, or as a cut-out."""
    half = np.zeros([40, 60], np.uint8)
    half[:, :30] = 255
    white, noise = np.full([40, 60], 255, np.uint8), np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    around = white.copy()
    around[:, 50:] = 0
    yield "drawn", Image.fromarray(half)
    yield "drawn in a palette", Image.fromarray(half).convert("P")
    yield "white, opaque on the shape", Image.fromarray(np.dstack([white, white, white, half]))
    yield "grey and opacity", Image.fromarray(np.dstack([white, half]))
    yield "black, opaque on the shape", Image.fromarray(np.dstack([np.zeros([40, 60, 3], np.uint8), half]))
    yield "a cut-out", Image.fromarray(np.dstack([noise, half]))
    yield "drawn, all opaque", Image.fromarray(np.dstack([half, half, half, white]))
    yield "drawn, all clear", Image.fromarray(np.dstack([half, half, half, 0 * white]))
    yield "drawn, clear around the drawing", Image.fromarray(np.dstack([half, half, half, around]))


MASKS = dict(masks())


@pytest.mark.parametrize("kind", MASKS)
def test_a_mask_is_bright_where_its_shape_is(kind):
    drawn = reading.as_drawn(MASKS[kind])
    assert drawn.shape == (40, 60, 3) and (drawn[:, :30] == 255).all() and (drawn[:, 30:] == 0).all()


def profile(gamma):
    """sRGB's colour profile with another gamma, and sRGB's name."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    # A tag's curve: "para", reserved, kind 0 (a bare gamma), reserved, the gamma as 16.16.
    place = content.index(b"para")
    content[place:place + 16] = b"para" + bytes(8) + int(gamma * 65536).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_of_another_profile_are_converted(tmp_path, mode):
    levels = np.tile(np.arange(256, dtype=np.uint8)[:, np.newaxis, np.newaxis], (1, 8, 3))
    Image.fromarray(levels).convert(mode).save(tmp_path / "a.png", icc_profile=profile(1.0))
    with Image.open(tmp_path / "a.png") as picture:
        seen = np.asarray(reading.as_seen(picture))
    plain = np.asarray(Image.fromarray(levels).convert(mode).convert("RGB"))[..., 0].astype(float) / 255
    # Linear light as sRGB has it.
    expected = np.where(plain <= 0.0031308, 12.92 * plain, 1.055 * plain ** (1 / 2.4) - 0.055) * 255
    np.testing.assert_allclose(seen[..., 0], expected, atol=1.5)


@pytest.mark.parametrize("content", [b"no profile", "its own"])
def test_a_profile_that_says_nothing_changes_nothing(tmp_path, content):
    if content == "its own":
        content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    levels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=content)
    with Image.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(reading.as_seen(picture)), levels)
