"""Emblems: small rendered scenes whose factors are known; the data set that needs no files.

Each picture shows one coloured shape over a gradient, a checkerboard or clouds. Seventeen attributes describe it; what
they do not fix (light, exact shade, phase of the stripes, colours and layout of the background) is left to the latents.
Shapes are drawn from signed distances, so that masks are soft at the border by exactly one pixel at every size.

Position and tilt are attributes: a mirrored emblem no longer has the attributes of the original, so this data set
is not to be flipped. The background attributes belong to the whole picture; a layered model whose background knows
only its latents (DisCVAE) follows the first thirteen.
"""

from __future__ import annotations

import math

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.data.dataset import SPLITS, AttributeDataset
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.later import tf

SHAPES = ("Circle", "Square", "Triangle", "Star")
BACKGROUNDS = ("Gradient Background", "Checked Background", "Cloudy Background")
ATTRIBUTES = (*SHAPES, "Red", "Green", "Blue", "Large", "Striped", "Bordered", "Right", "Low", "Tilted", *BACKGROUNDS,
              "Bright Background")

_DRAWS = 40  # uniform numbers for each example, more than are used, so that a new factor does not change the old ones
_CHUNK = 32  # pictures rendered at once: their intermediate arrays stay in the cache

# Distance of each shape's edges from its centre, for shapes of about the area of the circle with radius 1, and the
# directions of the edges. A point is inside a star when it is on the inner side of all its five lines but at most one.
_EDGES = {"Circle": (0, 1.0), "Square": (4, 0.886), "Triangle": (3, 0.74), "Star": (5, 0.44)}


def open_emblems(*, image_size: int = 64, seed: int = 0, train: int = 4000, validation: int = 500, test: int = 500
                 ) -> AttributeDataset:
    """Opens the rendered data set; pictures are drawn while they are read.

    Example i of a split is a function of `seed`, the split and i alone: it does not change with the counts, and shows
    the same scene at every size.

    Args:
        image_size: int, height and width in pixels, at least 16.
        seed: int, at least 0.
        train: int, number of examples; likewise `validation` and `test`. At least 2, 1 and 1.

    Returns:
        AttributeDataset. Attributes are 0 or 1 (shape, Striped, Bordered, kind of background), in [0, 1] (Red, Green,
        Blue, Large, Bright Background) or in [-1, 1] (Right, Low, Tilted: from left, top and anticlockwise).

    Raises:
        ValueError: a size, a seed or a count is too small.
    """
    counts = dict(zip(SPLITS, (train, validation, test), strict=True))
    if image_size < 16:
        raise ValueError(f"emblems: image_size {image_size} is too small to show a shape; at least 16 is needed.")
    if seed < 0:
        raise ValueError(f"emblems: seed {seed} is negative.")
    for split, count in counts.items():
        if count < (2 if split == "train" else 1):
            raise ValueError(f"emblems: {count} examples in split {split!r} are too few.")

    def examples(split):
        if split not in counts:
            raise ValueError(f"emblems: unknown split {split!r}. Known: {', '.join(SPLITS)}.")
        draws = draw_scenes(seed, split, counts[split])
        names = [f"emblem-{seed}-{split}-{i:06d}" for i in range(counts[split])]

        def render_chunk(draws, attributes, names):
            pictures = render(draws, attributes, image_size)
            small = {key: pixels.uint8_from_unit(pictures[key]) for key in ("image", "mask")}
            return {**small, "attributes": attributes, "name": names}

        chunks = tf.data.Dataset.from_tensor_slices((draws, attributes_of(draws), names)).batch(_CHUNK)
        return chunks.map(render_chunk, num_parallel_calls=tf.data.AUTOTUNE).unbatch()

    schema = AttributeSchema.measure(ATTRIBUTES, attributes_of(draw_scenes(seed, "train", train)))
    return AttributeDataset("emblems", image_size, schema, counts, examples)


def attributes_of(draws: np.ndarray) -> np.ndarray:
    """The attributes float32 [N, 17] that belong to the first uniform numbers of each row of draws [N, 40]."""
    def one_hot(column, kinds):
        return np.floor(draws[:, column] * kinds).astype(int)[:, None] == np.arange(kinds)

    def signed(column):
        return draws[:, column] * 2 - 1

    color = _color(draws[:, 1] * 6, 0.6 + 0.4 * draws[:, 2], 0.6 + 0.4 * draws[:, 3])
    columns = [one_hot(0, len(SHAPES)), *color, draws[:, 4], draws[:, 5] < 0.5, draws[:, 6] < 0.5,
               signed(7), signed(8), signed(9), one_hot(10, len(BACKGROUNDS)), draws[:, 11]]
    return np.column_stack(columns).astype(np.float32)


def render(draws, attributes, image_size: int) -> dict[str, tf.Tensor]:
    """Draws scenes.

    Args:
        draws: float32 [B, 40] in [0, 1); the nuisance factors are taken from these.
        attributes: float32 [B, 17]; one-hot groups need not be exact, the largest counts.
        image_size: height and width in pixels.

    Returns:
        image, foreground, background: float32 [B, H, W, 3] in [0, 1]; mask: float32 [B, H, W, 1] in [0, 1]. Both
        layers are of the whole picture: image = mask * foreground + (1 - mask) * background.
    """
    draw = tf.unstack(draws[:, :, None, None], axis=1)
    value = dict(zip(ATTRIBUTES, tf.unstack(attributes[:, :, None, None], axis=1), strict=True))
    steps = (tf.range(image_size, dtype=tf.float32) + 0.5) * (2.0 / image_size) - 1.0
    right, down = steps[None, None, :], steps[None, :, None]

    # Channels stay apart until the end: arithmetic that broadcasts along a last axis of 3 is several times slower.
    foreground, mask = _foreground(draw, attributes, value, right, down, 2.0 / image_size)
    background = _background(draw, attributes, value, right, down)
    image = [behind + mask * (front - behind) for front, behind in zip(foreground, background, strict=True)]
    layers = {"image": image, "mask": [mask], "foreground": foreground, "background": background}
    return {key: tf.stack(channels, axis=-1) for key, channels in layers.items()}


def _foreground(draw, attributes, value, right, down, pixel):
    """The shape's paint, three channels [B, H, W], and its mask [B, H, W]; `pixel` is the width of a pixel."""
    radius = 0.3 + 0.22 * value["Large"]
    x = right - 0.25 * value["Right"] - 0.04 * (draw[12] - 0.5)
    y = down - 0.25 * value["Low"] - 0.04 * (draw[13] - 0.5)
    angle = 0.45 * value["Tilted"]
    x, y = tf.cos(angle) * x - tf.sin(angle) * y, tf.sin(angle) * x + tf.cos(angle) * y
    distance = _distance(tf.argmax(attributes[:, :len(SHAPES)], axis=1), x, y, radius)
    mask = tf.clip_by_value(0.5 - distance / pixel, 0.0, 1.0)

    period = 0.34 + 0.1 * draw[14]
    wave = tf.sin((x + 0.6 * y) * (2 * math.pi / 1.166) / period + 2 * math.pi * draw[15])
    stripes = value["Striped"] * tf.clip_by_value(0.5 + wave * (period / (2 * math.pi * pixel)), 0.0, 1.0)
    direction = 2 * math.pi * draw[16]
    light = (0.9 + 0.1 * draw[17]) * (1.0 + 0.22 * (tf.cos(direction) * x + tf.sin(direction) * y) / radius)
    border = value["Bordered"] * tf.clip_by_value(0.5 + (distance + 0.2 * radius) / pixel, 0.0, 1.0)
    light = light * (1.0 - 0.85 * border)
    # A stripe is the colour mixed with white; the border is the dark of what it surrounds.
    plain, white = light * (1.0 - 0.75 * stripes), light * (0.75 * stripes)
    return [tf.clip_by_value(value[name] * plain + white, 0.0, 1.0) for name in ("Red", "Green", "Blue")], mask


def _distance(shape, x, y, radius):
    """Signed distance [B, H, W] to the edge lines of shape number [B]; negative inside."""
    angles, offsets = np.zeros((len(SHAPES), 5), np.float32), np.full((len(SHAPES), 5), 1e3, np.float32)
    for row, name in enumerate(SHAPES):
        edges, offset = _EDGES[name]
        start = 0.0 if name == "Square" else math.pi / 2  # a triangle stands on its base; a star on two points
        angles[row, :edges] = start + 2 * math.pi * np.arange(edges) / max(edges, 1)
        offsets[row, :edges] = offset
    angles, offsets = (tf.gather(table, shape)[:, :, None, None] for table in (angles, offsets))
    first = second = tf.constant(-1e3)
    for edge in range(5):
        line = tf.cos(angles[:, edge]) * x + tf.sin(angles[:, edge]) * y - offsets[:, edge] * radius
        second = tf.maximum(second, tf.minimum(first, line))
        first = tf.maximum(first, line)
    shape = shape[:, None, None]
    polygon = tf.where(shape == SHAPES.index("Star"), second, first)
    return tf.where(shape == SHAPES.index("Circle"), tf.sqrt(x * x + y * y) - radius, polygon)


def _background(draw, attributes, value, right, down):
    """What lies behind the shape, three channels [B, H, W]: a pattern mixes two colours of near hues."""
    angle = 2 * math.pi * draw[18]
    x, y = tf.cos(angle) * right - tf.sin(angle) * down, tf.sin(angle) * right + tf.cos(angle) * down

    gradient = 0.5 + 0.5 * x
    frequency = 5.0 + 4.0 * draw[19]
    checks = tf.sin(frequency * x + 6.28 * draw[20]) * tf.sin(frequency * y + 6.28 * draw[21])
    checks = tf.clip_by_value(0.5 + 3.0 * checks, 0.0, 1.0)
    clouds = 0.0
    for wave in range(4):
        turn, phase = 2 * math.pi * draw[22 + 2 * wave], 2 * math.pi * draw[23 + 2 * wave]
        clouds += tf.sin((2.5 + 1.5 * wave) * (tf.cos(turn) * right + tf.sin(turn) * down) + phase) / (1.0 + 0.4 * wave)
    clouds = 0.5 + 0.25 * clouds
    kind = tf.argmax(attributes[:, 13:13 + len(BACKGROUNDS)], axis=1)[:, None, None]
    pattern = tf.where(kind == 0, gradient, tf.where(kind == 1, checks, clouds))
    pattern = tf.clip_by_value(pattern, 0.0, 1.0)

    brightness = 0.2 + 0.65 * value["Bright Background"]
    contrast = (0.25 + 0.15 * draw[31]) * (0.6 + 0.4 * brightness)
    hue, saturation = 6.0 * draw[30], 0.15 + 0.35 * draw[32]
    darks = _color(hue, saturation, brightness - 0.5 * contrast)
    brights = _color(hue + 1.2 * (draw[33] - 0.5), saturation, brightness + 0.5 * contrast)
    return [tf.clip_by_value(dark + pattern * (bright - dark), 0.0, 1.0)
            for dark, bright in zip(darks, brights, strict=True)]


def _color(hue, saturation, brightness):
    """Red, green and blue of hue in sixths of the circle, saturation and brightness; numpy or TF, any shape."""
    numeric = tf if tf.is_tensor(hue) else np
    channels = []
    for offset in (0.0, 4.0, 2.0):
        ramp = numeric.abs((hue + offset) % 6.0 - 3.0) - 1.0
        ramp = numeric.minimum(numeric.maximum(ramp, 0.0), 1.0)
        channels.append(brightness * (1.0 - saturation * (1.0 - ramp)))
    return channels


def draw_scenes(seed: int, split: str, count: int) -> np.ndarray:
    """Uniform numbers float32 [count, 40]; row i does not depend on `count`."""
    generator = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, SPLITS.index(split)])))
    return generator.random((count, _DRAWS)).astype(np.float32)
