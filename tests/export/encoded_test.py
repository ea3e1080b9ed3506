"""Laws of encoded pictures inside the graphs."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from attr2image_tf.signatures import encoded


@tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
def decode(contents):
    return encoded.decode(contents, 16, 3, "image_bytes")


def content(picture, kind="PNG", **options):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width, height):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def test_png_comes_out_as_it_went_in(picture):
    images = decode([content(picture), content(picture[::-1])])
    np.testing.assert_allclose(images * 255.0, [picture, picture[::-1]], atol=1e-3)
    again = encoded.encode(images).numpy()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(again[1]))), picture[::-1])


def test_jpeg_and_grey_pictures_are_read(picture):
    smooth = np.full((40, 24, 3), (200, 100, 50), np.uint8)
    np.testing.assert_allclose(decode([content(smooth, "JPEG")])[0] * 255.0, smooth[:16, :16], atol=2)
    np.testing.assert_allclose(decode([content(picture[..., 0])])[0, ..., 1] * 255.0, picture[..., 0], atol=1e-3)


def test_the_central_square_is_taken():
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, 16:32] = 99
    np.testing.assert_allclose(decode([content(wide)]) * 255.0, 99, atol=1e-4)


# A header that promises a billion pixels is refused before anything is decoded.
@pytest.mark.parametrize(("bad", "message"), [
    (b"", "expected the bytes of a PNG or JPEG picture"), (b"GIF89a", "expected the bytes of a PNG or JPEG picture"),
    (b"\x89PNG\r\n\x1a\n", "expected the bytes of a PNG or JPEG picture"),
    (png_header(32_000, 32_000), "at most 16777216 pixels; its height and width are"),
    (png_header(2**31, 2**31), "at most 16777216 pixels"),
    (content(np.zeros((1, 1, 3), np.uint8)), "at least 8 x 8"),
    (png_header(20, 20) + b"broken", "image_bytes"), (b"\xff\xd8\xff\xe0broken", "image_bytes")])
def test_what_is_no_picture_is_refused_by_name(picture, bad, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message) as caught:
        decode([content(picture), bad])
    assert "image_bytes" in str(caught.value)


def test_what_is_hidden_has_no_share_in_what_counts_as_observed():
    observed = np.ones((2, 40, 40, 1), np.float32)
    observed[:, 7:20, 11:12] = 0.0
    pictures = np.full((2, 40, 40, 3), 0.5, np.float32)
    pictures[0, 7:20, 11:12], pictures[1, 7:20, 11:12] = 0.0, 1.0
    image_bytes, observed_bytes = (encoded.encode(tf.constant(part)) for part in (pictures, observed))
    seen = encoded.decode(observed_bytes, 16, 1, "observed_bytes", whole=True).numpy()
    images = encoded.decode(image_bytes, 16, 3, "image_bytes").numpy()
    assert set(np.unique(seen)) == {0.0, 1.0} and 0.0 < seen.mean() < 1.0
    np.testing.assert_allclose(images[0] * seen[0], images[1] * seen[1], atol=1e-3)


def test_weights_between_hidden_and_observed_stay_at_the_models_own_size():
    weights = np.linspace(0.0, 1.0, 256, dtype=np.float32).reshape(1, 16, 16, 1)
    observed_bytes = encoded.encode(tf.constant(weights))
    np.testing.assert_allclose(encoded.decode(observed_bytes, 16, 1, "observed_bytes", whole=True), weights, atol=1e-2)
