"""Laws of squares that lie in a picture at any angle and size."""

import numpy as np
import pytest

from attr2image_tf.data.lfw import files as lfw_files
from attr2image_tf.photos import faces
from attr2image_tf.photos.square import FEATHER, Square
from attr2image_tf.photos.turned_square import TurnedSquare

# One within its picture, one that reaches beyond it, one that is smaller than what the model sees of it.
REGIONS = [TurnedSquare(48.3, 41.7, 40.5, 17.0), TurnedSquare(20.0, 60.2, 70.0, -130.0),
           TurnedSquare(60.0, 40.0, 9.7, 40.0)]


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (80, 110, 3), np.uint8)


def inside(region, shape, margin=0.0):
    """Which pixels' middles are in a region, so many pixels from its edge, by its definition: bool [H, W]."""
    rows, columns = np.mgrid[:shape[0], :shape[1]] + 0.5
    offset = ((columns - region.x) + 1j * (rows - region.y)) * np.exp(-1j * np.radians(region.angle))
    return np.maximum(abs(offset.real), abs(offset.imag)) < region.side / 2 - margin


def scene(shape, region):
    """A smooth picture that turns, grows and moves with a region: uint8 [H, W, 3]."""
    rows, columns = np.mgrid[:shape[0], :shape[1]] + 0.5
    place = ((columns - region.x) + 1j * (rows - region.y)) * np.exp(-1j * np.radians(region.angle)) / region.side
    waves = [np.sin(7.0 * place.real + 1.0), np.cos(9.0 * place.imag), np.sin(5.0 * (place.real + place.imag))]
    return np.rint(127.5 + 120.0 * np.stack(waves, -1)).astype(np.uint8)


def test_a_face_at_the_usual_places_is_the_square_that_the_model_learned_from():
    points = np.array(faces.PLACES) * lfw_files.CROP_SIZE + [lfw_files.CROP_LEFT, lfw_files.CROP_TOP]
    region = TurnedSquare.fit(points, faces.PLACES)
    half = lfw_files.CROP_SIZE / 2
    assert (region.x, region.y) == pytest.approx((lfw_files.CROP_LEFT + half, lfw_files.CROP_TOP + half), abs=0.01)
    assert region.side == pytest.approx(lfw_files.CROP_SIZE, abs=0.01) and region.angle == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("region", REGIONS)
def test_a_fit_finds_the_region_in_which_points_lie_at_their_places(region):
    places = np.random.default_rng(0).random((4, 2))
    turn = np.radians(region.angle)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = (places - 0.5) @ axes * region.side + [region.x, region.y]
    found = TurnedSquare.fit(points, places)
    assert [found.x, found.y, found.side, found.angle] == pytest.approx(
        [region.x, region.y, region.side, region.angle], abs=1e-6)


def test_no_other_region_fits_better():
    random = np.random.default_rng(1)
    places, points = random.random((3, 2)), 50.0 * random.random((3, 2))

    def distance(region):
        corner = np.array([region.x, region.y])
        turn = np.radians(region.angle)
        axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        return (((places - 0.5) @ axes * region.side + corner - points) ** 2).sum()

    best = TurnedSquare.fit(points, places)
    for _ in range(50):
        other = np.array([best.x, best.y, best.side, best.angle]) + 0.1 * random.normal(size=4)
        assert distance(TurnedSquare(*other)) >= distance(best)


def test_upright_on_whole_pixels_it_is_a_square(picture):
    square, turned = Square(left=17, top=13, side=50), TurnedSquare(42.0, 38.0, 50.0)
    hidden = np.zeros(picture.shape[:2], bool)
    hidden[20:30, 25:48] = True
    for size in (16, 50):
        np.testing.assert_array_equal(turned.cut(picture, size), square.cut(picture, size))
        np.testing.assert_array_equal(turned.cut(picture, size, hidden), square.cut(picture, size, hidden))
        np.testing.assert_array_equal(turned.touched(hidden, size), square.touched(hidden, size))
        np.testing.assert_array_equal(turned.observed(hidden, size), square.observed(hidden, size))
        np.testing.assert_allclose(turned.share(hidden, size), square.share(hidden, size), atol=1e-6)
    small = square.cut(picture, 16)
    after = small // 2
    whole = inside(turned, picture.shape, margin=50.0 * FEATHER)
    for mask in (None, hidden):
        results = [region.put_back(picture, small, after, mask) for region in (turned, square)]
        np.testing.assert_array_equal(*(result[whole] for result in results))


@pytest.mark.parametrize(("scale", "angle"), [(0.5, -20.0), (1.0, 7.0), (1.7, 90.0), (3.0, 20.0)])
def test_a_photo_that_is_moved_turned_and_scaled_is_cut_alike(scale, angle):
    upright = TurnedSquare(80.0, 80.0, 100.0)
    moved = TurnedSquare(71.3 * scale + 40.0, 88.8 * scale + 40.0, 100.0 * scale, angle)
    side = round(200 * scale) + 80
    expected = upright.cut(scene((160, 160), upright), 32).astype(int)
    assert abs(moved.cut(scene((side, side), moved), 32) - expected).max() <= 2


def test_what_is_finer_than_the_small_picture_is_averaged():
    rows, columns = np.mgrid[:700, :700]
    stripes = np.repeat((255 * ((rows // 2 + columns // 2) % 2)).astype(np.uint8)[..., np.newaxis], 3, -1)
    small = TurnedSquare(350.0, 350.0, 470.0, 12.0).cut(stripes, 32)
    assert abs(small - 127.5).max() < 12


def test_beyond_the_picture_its_edge_goes_on():
    columns = np.repeat(np.arange(50, 170, dtype=np.uint8)[np.newaxis, :, np.newaxis], 90, 0).repeat(3, -1)
    small = TurnedSquare(10.0, 45.0, 120.0).cut(columns, 30)
    assert (small[:, :10] == 50).all() and (np.diff(small[15, 14:, 0].astype(int)) > 0).all()
    grey = TurnedSquare(5.0, 85.0, 120.0, 30.0).cut(np.full((90, 120, 3), 77, np.uint8), 30)
    assert (grey == 77).all()


@pytest.mark.parametrize("region", REGIONS)
def test_nothing_changed_gives_back_the_picture(picture, region):
    small = region.cut(picture, 16)
    np.testing.assert_array_equal(region.put_back(picture, small, small), picture)


@pytest.mark.parametrize("region", REGIONS)
def test_a_change_ends_at_the_edge_without_a_seam(region):
    grey = np.full((80, 110, 3), 100, np.uint8)
    small = region.cut(grey, 16)
    result = region.put_back(grey, small, small + np.uint8(60)).astype(int)
    assert (result[~inside(region, grey.shape)] == 100).all()
    assert (result[inside(region, grey.shape, FEATHER * region.side + 1e-3)] == 160).all()
    # Of a smooth step from 0 to 60 over the feather, no two neighbours differ by more than its steepest part.
    steepest = 1.5 * 60 / (FEATHER * region.side) * np.sqrt(2.0) + 1
    assert max(abs(np.diff(result, axis=axis)).max() for axis in (0, 1)) <= steepest


def test_a_change_comes_back_where_it_was():
    region = TurnedSquare(48.3, 41.7, 60.0, 25.0)
    photo = scene((80, 110), region) // 2
    changed = scene((80, 110), region) // 2 + np.uint8(30) * (scene((80, 110), region) > 127)
    result = region.put_back(photo, region.cut(photo, 32), region.cut(changed, 32))
    within = inside(region, photo.shape, margin=FEATHER * region.side)
    error = abs(result.astype(int) - changed)[within]
    assert error.mean() < 2 < abs(photo.astype(int) - changed)[within].mean()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("size", [16, 32])
def test_what_is_hidden_leaks_into_nothing_that_is_observed(region, size):
    random = np.random.default_rng(0)
    picture = random.integers(80, 170, (80, 110, 3), np.uint8)
    hidden = np.zeros((80, 110), bool)
    hidden[37:45, 30:62] = True
    hidden[:, 71] = True
    observed = region.observed(hidden, size)
    cuts = [region.cut(np.where(hidden[..., np.newaxis], filling, picture).astype(np.uint8), size, hidden)
            for filling in (0, 255, random.integers(0, 256, picture.shape))]
    for other in cuts[1:]:
        np.testing.assert_array_equal(cuts[0][observed], other[observed])
    flat = region.cut(np.full_like(picture, 90), size, hidden)
    assert (flat[observed] == 90).all()


@pytest.mark.parametrize("region", REGIONS)
def test_what_was_hidden_is_replaced_and_the_rest_kept(picture, region):
    hidden = np.zeros((80, 110), bool)
    hidden[37:45, 20:72] = True
    small = region.cut(picture, 32, hidden)
    after = np.where(region.touched(hidden, 32)[..., np.newaxis], np.uint8(77), small)
    result = region.put_back(picture, small, after, hidden)
    replaced = hidden & inside(region, hidden.shape)
    np.testing.assert_array_equal(result[~replaced], picture[~replaced])
    # Near the edge enlargement mixes in what is visible.
    deep = replaced & inside(region, hidden.shape, margin=3.0)
    deep[:40] = deep[42:] = deep[:, :24] = deep[:, 68:] = False
    assert deep.any() and (abs(result[deep].astype(int) - 77) <= 12).all()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("everything", [True, False])
def test_hiding_all_or_nothing_is_refused(region, everything):
    with pytest.raises(ValueError, match="covers all of the region" if everything else "covers nothing of the region"):
        region.observed(np.full((80, 110), everything), 16)


def test_a_mask_of_another_scale_is_cut_by_the_same_region():
    region = TurnedSquare(48.0, 42.0, 60.0, 25.0)
    mask = inside(TurnedSquare(52.0, 40.0, 30.0, 10.0), (80, 110))
    np.testing.assert_allclose(region.scaled(2.0).share(mask.repeat(2, 0).repeat(2, 1), 16), region.share(mask, 16),
                               atol=0.1)


@pytest.mark.parametrize("region", [TurnedSquare(-1, 5, 20), TurnedSquare(5, 81, 20), TurnedSquare(5, 5, 0.5),
                                    TurnedSquare(5, 5, 441), TurnedSquare(float("nan"), 5, 20)])
def test_regions_that_a_picture_does_not_have_are_refused(region):
    with pytest.raises(ValueError, match="expected a middle within the picture of 110 x 80 pixels, and a side of 1 to"):
        region.check(80, 110)
