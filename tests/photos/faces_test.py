"""Laws of faces that are found; what finds them stands in for itself where it is installed."""

import os
import pathlib
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.client.checks import as_region
from attr2image_tf.data.lfw import files as lfw_files
from attr2image_tf.photos import faces
from attr2image_tf.photos.faces import find_faces
from attr2image_tf.photos.reading import read
from attr2image_tf.photos.square import Square

REAL = os.environ.get("ATTR2IMAGE_DATA")


def row(left, top, side, confidence=0.999):
    """What MTCNN gives for a face in a square box, at the usual places."""
    points = np.array(faces.PLACES) * side + [left, top]
    # The mouth by its corners; the nose is anywhere.
    x, y = ([*points[:2, axis], 1.0, *(points[2, axis] + side * np.array(corners))]
            for axis, corners in ((0, (-0.1, 0.1)), (1, (0.02, -0.02))))
    return [0, left, top, left + side, top + side, confidence, *x, *y]


@pytest.fixture
def seen(monkeypatch):
    """Faces that a detector finds, to be filled with rows, and the shapes of the pictures it is given."""
    rows, shapes = [], []

    class Detector:
        def detect_faces(self, picture, *, box_format, output_type):
            assert (box_format, output_type) == ("xyxy", "numpy")
            shapes.append(picture.shape)
            return np.array(rows, np.float32)

    monkeypatch.setattr(faces, "check_installed", lambda: None)
    monkeypatch.setattr(faces, "_detector", lambda: (Detector(), threading.Lock()))
    return rows, shapes


def blank(height, width):
    return np.zeros((height, width, 3), np.uint8)


def test_the_largest_comes_first_and_of_two_the_one_in_the_middle(seen):
    rows, _ = seen
    rows += [row(0, 0, 60), row(120, 120, 60), row(200, 200, 100)]
    assert [face.box[0] for face in find_faces(blank(300, 300))] == [200, 120, 0]
    rows.clear()
    assert find_faces(blank(300, 300)) == []


def test_a_face_at_the_usual_places_has_its_region_around_them(seen):
    rows, _ = seen
    rows.append(row(30, 40, 100))
    [face] = find_faces(blank(200, 300))
    region = face.region
    assert (region.x, region.y, region.side, region.angle) == pytest.approx((80, 90, 100, 0), abs=1e-2)
    assert face.box == (30, 40, 130, 140) and face.confidence == pytest.approx(0.999)


@pytest.fixture
def ways(monkeypatch):
    """Rows that a detector finds where the bright corner of a picture is its upper left one, its upper right one after
    a quarter turn clockwise, and so on; and the number of times that it was asked."""
    rows, asked = {}, []

    class Detector:
        def detect_faces(self, picture, **_):
            corners = [picture[0, 0], picture[0, -1], picture[-1, -1], picture[-1, 0]]
            asked.append(int(np.argmax([corner[0] for corner in corners])))
            return np.reshape(np.array(rows.get(asked[-1], []), np.float32), (-1, 16))

    monkeypatch.setattr(faces, "check_installed", lambda: None)
    monkeypatch.setattr(faces, "_detector", lambda: (Detector(), threading.Lock()))
    return rows, asked


@pytest.mark.parametrize("turns", range(4))
def test_a_photo_on_its_side_or_its_head_has_the_faces_that_it_has_upright(ways, turns):
    rows, asked = ways
    rows[0] = [row(30, 40, 100), row(150, 20, 50)]
    upright = blank(200, 300)
    upright[0, 0] = 255
    # Clockwise, as the angle of a region counts.
    found = find_faces(np.ascontiguousarray(np.rot90(upright, -turns)))
    assert len(asked) == (1 if turns == 0 else 4)
    for face, (x, y, side) in zip(found, ((80, 90, 100), (175, 45, 50)), strict=True):
        middle = [(x, y), (200 - y, x), (300 - x, 200 - y), (y, 300 - x)][turns]
        assert (face.region.x, face.region.y, face.region.side) == pytest.approx((*middle, side), abs=1e-2)
        assert (face.region.angle - 90 * turns + 180) % 360 == pytest.approx(180, abs=1e-2)
        assert face.box == pytest.approx((middle[0] - side / 2, middle[1] - side / 2, middle[0] + side / 2,
                                          middle[1] + side / 2), abs=1e-2)


@pytest.mark.parametrize(("upright", "on_head", "turned"), [
    (0.999, 0.9999, False), (0.95, 0.98, False), (0.95, 0.99, True), (0.9, None, False), (None, 0.8, True)])
def test_an_upright_face_yields_to_one_that_is_much_surer_and_a_sure_one_to_none(ways, upright, on_head, turned):
    rows, asked = ways
    rows |= {way: [row(30, 40, 100, sure)] for way, sure in ((0, upright), (2, on_head)) if sure}
    photo = blank(200, 300)
    photo[0, 0] = 255
    [face] = find_faces(photo)
    assert abs(face.region.angle) == pytest.approx(180 if turned else 0, abs=1e-2)
    assert asked == ([0] if upright == 0.999 else [0, 3, 2, 1])


def test_a_face_whose_eyes_lie_below_its_mouth_is_turned(ways):
    rows, _ = ways
    on_head = row(30, 40, 100)
    on_head[6:11], on_head[11:16] = ([2 * middle - each for each in values] for middle, values in (
        (80, on_head[6:11]), (90, on_head[11:16])))
    rows[0] = [on_head]
    photo = blank(200, 300)
    photo[0, 0] = 255
    [face] = find_faces(photo)
    assert abs(face.region.angle) == pytest.approx(180, abs=1e-2)
    # What stands upright in another way of looking counts more.
    rows[2] = [row(170, 60, 100)]
    [face] = find_faces(photo)
    assert (face.region.x, face.region.y) == pytest.approx((80, 90), abs=1e-2)


def test_large_photos_are_searched_small_and_places_are_those_of_the_photo(seen):
    rows, shapes = seen
    rows.append(row(300, 100, 200))
    [face] = find_faces(blank(1500, 3000))
    assert shapes == [(500, 1000, 3)]
    assert face.box == pytest.approx((900, 300, 1500, 900)) and face.region.side == pytest.approx(600, abs=0.05)


def test_a_picture_too_small_for_a_face_has_none(seen):
    _, shapes = seen
    assert find_faces(blank(19, 100)) == [] and not shapes


def test_what_is_no_picture_is_refused(seen):
    for wrong in (np.zeros((40, 40, 3)), np.zeros((40, 40), np.uint8)):
        with pytest.raises(ValueError, match=r"picture: expected uint8 \[H, W, 3\], got"):
            find_faces(wrong)


@pytest.mark.parametrize("missing", ["mtcnn", "lz4"])
def test_without_what_finds_faces_a_sentence_says_how_to_get_it(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ValueError, match=r'finding faces needs mtcnn.*pip install "attr2image-tf\[photos\]"'):
        find_faces(blank(50, 50))


def test_the_client_takes_the_best_face_or_says_that_there_is_none(seen):
    rows, _ = seen
    picture = blank(300, 300)
    with pytest.raises(ValueError, match="region='face': no face was found in the picture"):
        as_region("face", picture)
    rows += [row(0, 0, 60), row(120, 120, 100)]
    assert as_region("face", picture) == find_faces(picture)[0].region
    for given in (Square(1, 2, 30), find_faces(picture)[1].region):
        assert as_region(given, picture) == given
    assert as_region(None, picture) == Square(0, 0, 300)
    with pytest.raises(ValueError, match="region='faces': expected None, 'face', a Square or"):
        as_region("faces", picture)
    with pytest.raises(ValueError, match="does not lie within"):
        as_region(Square(1, 2, 300), picture)


@pytest.fixture(scope="module")
def funneled():
    """A picture of LFW, uint8 [250, 250, 3]."""
    pytest.importorskip("mtcnn", reason='mtcnn is not installed; pip install ".[photos]" brings it')
    if not REAL or not (pathlib.Path(REAL) / "lfw").is_dir():
        pytest.skip("ATTR2IMAGE_DATA holds no lfw/")
    archive = lfw_files.find_files(REAL)[lfw_files.PICTURES]
    content = next(content for _, content in lfw_files.read_archive(archive, ".jpg"))
    return lfw_files.decode_funneled(content)


def test_a_real_face_is_framed_as_the_model_learned_it(funneled):
    region = find_faces(np.asarray(funneled))[0].region
    half = lfw_files.CROP_SIZE / 2
    assert (region.x, region.y) == pytest.approx((lfw_files.CROP_LEFT + half, lfw_files.CROP_TOP + half), abs=12)
    assert region.side == pytest.approx(lfw_files.CROP_SIZE, rel=0.15) and abs(region.angle) < 12


def test_a_real_photo_that_lies_on_its_side_is_seen_as_it_is_shown(funneled, tmp_path):
    expected = find_faces(np.asarray(funneled))[0].region
    entries = Image.Exif()
    entries[0x0112] = 6  # to be shown turned clockwise
    funneled.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "photo.png", exif=entries)
    region = find_faces(read(tmp_path / "photo.png"))[0].region
    assert (region.x, region.y, region.side) == pytest.approx((expected.x, expected.y, expected.side), abs=1e-3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_real_photo_without_its_exif_entry_is_cut_as_it_is_upright(funneled, turns):
    upright = np.asarray(funneled)
    small = find_faces(upright)[0].region.cut(upright, 64)
    turned = np.ascontiguousarray(np.rot90(upright, turns))
    again = find_faces(turned)[0].region.cut(turned, 64)
    # Half a pixel, by which a turn moves what a middle is, and rounding.
    assert np.abs(again.astype(int) - small).mean() < 4


def test_a_real_face_turned_and_enlarged_is_cut_alike(funneled):
    small = find_faces(np.asarray(funneled))[0].region.cut(np.asarray(funneled), 64)
    turned = np.asarray(funneled.resize((500, 500), Image.Resampling.LANCZOS).rotate(15, Image.Resampling.BICUBIC))
    face = find_faces(turned)[0]
    assert face.region.angle == pytest.approx(-15, abs=6)
    assert np.abs(face.region.cut(turned, 64).astype(int) - small).mean() < 15


def test_noise_has_no_face(funneled):
    assert find_faces(np.random.default_rng(0).integers(0, 256, np.asarray(funneled).shape, np.uint8)) == []


def test_weights_are_never_those_of_the_current_folder(tmp_path, monkeypatch):
    pytest.importorskip("mtcnn", reason='mtcnn is not installed; pip install ".[photos]" brings it')
    for name in ("pnet", "rnet", "onet"):
        (tmp_path / f"{name}.lz4").write_bytes(b"no weights")
    monkeypatch.chdir(tmp_path)
    detector, _ = faces._detector.__wrapped__()
    assert len(detector.stages) == 3
