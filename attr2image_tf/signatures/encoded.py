"""Encoded pictures inside the exported graphs: PNG or JPEG in, PNG out."""

from attr2image_tf import pixels
from attr2image_tf.later import tf

# Above this a file of a few kilobytes can unfold into gigabytes; below that there is nothing to see.
LARGEST_PIXELS, SMALLEST_SIDE = 4096 * 4096, 8


def decode(encoded, size: int, channels: int, name: str, whole: bool = False):
    """float32 [B, size, size, channels] in [0, 1] of encoded pictures, string [B]: their central square, scaled.

    JPEG's EXIF orientation is left to the client. Whatever is no picture of at least 8 x 8 and at most 4096 * 4096
    pixels fails as INVALID_ARGUMENT; sizes are read from the header, before anything is decoded.

    Args:
        name: of the input, for messages.
        whole: whether a value that scaling made of anything less than 1 becomes 0. Of what is observed: pixels that
            something hidden has a share in show some of it.
    """
    def one(content):
        picture = _decode(content, channels, name)
        shape = tf.shape(picture)
        side = tf.minimum(shape[0], shape[1])
        top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
        square = tf.cast(picture[top:top + side, left:left + side], tf.float32) / 255.0
        # At the model's own size it changes nothing.
        scaled = tf.image.resize(square, [size, size], antialias=True)
        if whole:
            # Sums of a filter's weights are 1 up to rounding.
            scaled = tf.where(side == size, scaled, tf.cast(scaled > 0.999, tf.float32))
        return tf.ensure_shape(scaled, [size, size, channels])

    # The op's own message for damaged data carries its name scope and nothing else of ours.
    with tf.name_scope(name):
        return tf.clip_by_value(tf.map_fn(one, encoded, fn_output_signature=tf.float32), 0.0, 1.0)


def encode(images):
    """PNG string [B] of pictures float32 [B, H, W, 3] in [0, 1]."""
    return tf.map_fn(tf.io.encode_png, pixels.uint8_from_unit(images), fn_output_signature=tf.string)


def _decode(content, channels, name):
    start = tf.strings.substr(content, 0, 8)
    is_png = (start == b"\x89PNG\r\n\x1a\n") & (tf.strings.length(content) >= 33)
    is_jpeg = tf.strings.substr(start, 0, 2) == b"\xff\xd8"
    known = tf.debugging.Assert(is_png | is_jpeg, [f"{name}: expected the bytes of a PNG or JPEG picture, got",
                                                   tf.strings.length(content), "others"])
    with tf.control_dependencies([known]):
        height, width = tf.unstack(tf.cond(is_png, lambda: _png_size(content),
                                           lambda: tf.image.extract_jpeg_shape(content)[:2]))
    large = tf.cast(height, tf.int64) * tf.cast(width, tf.int64) <= LARGEST_PIXELS
    small = tf.minimum(height, width) >= SMALLEST_SIDE
    fits = tf.debugging.Assert(large & small, [
        f"{name}: expected a picture of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} and at most {LARGEST_PIXELS} "
        "pixels; its height and width are", height, width])
    with tf.control_dependencies([fits]):
        return tf.cond(is_png, lambda: tf.io.decode_png(content, channels),
                       lambda: tf.io.decode_jpeg(content, channels))


def _png_size(content):
    """Height and width, int32 [2]."""
    # Width and height are two big-endian numbers in the first chunk.
    octets = tf.reshape(tf.cast(tf.io.decode_raw(tf.strings.substr(content, 16, 8), tf.uint8), tf.int64), [2, 4])
    width_height = tf.reduce_sum(octets * tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64), -1)
    return tf.cast(tf.minimum(width_height[::-1], 2**31 - 1), tf.int32)
