"""Laws of masks that all readers of official files share: exact shares of a pixel, and shapes in the opacity."""

import io

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.data import source_files
from attr2image_tf.data.celeba import files as celeba_files
from attr2image_tf.data.cub import files as cub_files
from attr2image_tf.data.errors import DataError
from attr2image_tf.data.lfw import files as lfw_files
from attr2image_tf.data.source_files import OfficialFile, find_official


def encoded(array, kind="png"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def shares(inside, box, size):
    """Shares of foreground by cutting every pixel into many."""
    part = inside[box[1]:box[3], box[0]:box[2]].repeat(size, 0).repeat(size, 1)
    side = part.shape[0] // size
    return part.reshape(size, side, size, side).mean((1, 3))


@pytest.fixture(scope="module")
def inside():
    """bool [250, 250], with edges that fall within small pixels."""
    inside = np.zeros([250, 250], bool)
    inside[73:161, 84:187] = True
    inside[90:93, 60:215] = True
    return inside


def test_labels_of_faces_are_shares(inside):
    label = np.where(inside[..., np.newaxis], [255, 0, 0], [0, 0, 255]).astype(np.uint8)
    mask = lfw_files.decode_label(encoded(label, "ppm"), 64)
    assert np.abs(mask[..., 0] - 255.0 * shares(inside, lfw_files.CROP, 64)).max() <= 0.5
    for nothing in (label[:1, :1], label[100:101, 100:101]):
        with pytest.raises(ValueError, match="is (background|foreground) everywhere"):
            lfw_files.decode_label(encoded(nothing.repeat(250, 0).repeat(250, 1), "ppm"), 64)


def test_masks_of_parts_are_shares(inside, tmp_path):
    Image.fromarray(inside).convert("RGB").save(tmp_path / "a.png")
    picture = celeba_files.MaskedPicture("a", tmp_path / "a.png", [tmp_path / "a.png"], np.zeros(40, np.float32))
    _, mask = celeba_files.read_picture(picture, 64)
    assert np.abs(mask[..., 0] - 255.0 * shares(inside, (0, 0, 250, 250), 64)).max() <= 0.5
    Image.new("L", (250, 250), 255).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="has a mask that is foreground everywhere"):
        celeba_files.read_picture(picture, 64)


@pytest.mark.parametrize("opaque", [False, True])
def test_segmentations_of_birds_are_shares_and_may_have_an_opacity(inside, opaque):
    square = np.zeros([250, 250], np.uint8)
    square[75:175, 75:175] = 255
    segmentation = np.dstack([square, np.full_like(square, 255)]) if opaque else square
    _, mask = cub_files.crop(encoded(np.zeros([250, 250, 3], np.uint8)), encoded(segmentation), 72)
    # 100 pixels of 125 in each direction.
    np.testing.assert_allclose(mask[..., 0].sum() / 255.0, 0.64 * 72**2, atol=1.0)
    assert mask[36, 7, 0] == round(255 * 0.8)
    with pytest.raises(ValueError, match="has a segmentation that is bird everywhere"):
        cub_files.crop(encoded(np.zeros([250, 250, 3], np.uint8)), encoded(np.full([250, 250], 255, np.uint8)), 72)


def test_a_mask_whose_shape_is_in_its_opacity_has_that_shape(inside):
    shape = np.where(inside, 255, 0).astype(np.uint8)
    mask = source_files.decode_mask(encoded(np.dstack([np.full([250, 250, 3], 255, np.uint8), shape])))
    np.testing.assert_array_equal(np.asarray(mask), shape)


def test_a_web_page_in_the_place_of_an_official_file_is_told(tmp_path):
    official = {"faces.tgz": OfficialFile("https://example.org/faces.tgz")}
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "faces.tgz").write_bytes(b"\xef\xbb\xbf\n <!DOCTYPE html><p>Quota exceeded")
    with pytest.raises(DataError, match="faces.tgz is a web page.*'<!DOCTYPE html>.*Get faces.tgz there.$"):
        find_official(tmp_path, "set", official, "Get {} there".format)
    (tmp_path / "set" / "faces.tgz").write_bytes(b"\x1f\x8b")
    assert list(find_official(tmp_path, "set", official, "Get {} there".format)) == ["faces.tgz"]
