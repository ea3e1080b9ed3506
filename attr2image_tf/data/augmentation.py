"""Augmentation of one training example; picture and mask together, attributes unchanged (sec. 5 of the paper).

Seeds are explicit and operations stateless: what an example looks like in an epoch is a function of its seed, so that
a resumed run sees the pictures of an uninterrupted one. Meant for `tf.data.Dataset.map`.
"""

import dataclasses

import tensorflow as tf

# The blur of the authors' release is the mean over 5 x 5 pixels.
_BLUR_SIZE = 5


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """What is varied, and how much. Zero, an empty range or None switches a part off exactly.

    The defaults are the paper's for faces. CUB adds `maximum_rotation=0.08, cropped_size=64` of pictures of 72 pixels;
    data whose attributes name a side (emblems) need `flip_probability=0`.

    Attributes:
        flip_probability: float in [0, 1]. Mirrors left and right. Defaults to 0.5.
        minimum_gain: float, at least 0. Each colour channel is multiplied by its own number, uniform between this
            and `maximum_gain`. Defaults to 0.97.
        maximum_gain: float, at least `minimum_gain`. Defaults to 1.03.
        maximum_sharpening: float, at least 0. s in x + s * (x - blur(x)), uniform in [0, s]. Defaults to 1.5.
        maximum_rotation: float, at least 0, in radians. The angle is uniform in [-maximum, maximum]. Defaults to 0.
        cropped_size: int or None. Height and width of the crop, at a uniform position. Defaults to None.
    """

    flip_probability: float = 0.5
    minimum_gain: float = 0.97
    maximum_gain: float = 1.03
    maximum_sharpening: float = 1.5
    maximum_rotation: float = 0.0
    cropped_size: int | None = None

    def __post_init__(self):
        # Written so that NaN fails too.
        if not 0 <= self.flip_probability <= 1:
            raise ValueError(f"AugmentationConfig: flip_probability {self.flip_probability} is not in [0, 1].")
        if not 0 <= self.minimum_gain <= self.maximum_gain < float("inf"):
            raise ValueError(f"AugmentationConfig: gains from {self.minimum_gain} to {self.maximum_gain} are not a "
                             "range of numbers of at least 0.")
        for name in ("maximum_sharpening", "maximum_rotation"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"AugmentationConfig: {name} {getattr(self, name)} is not a number of at least 0.")
        if self.cropped_size is not None and self.cropped_size < 1:
            raise ValueError(f"AugmentationConfig: cropped_size {self.cropped_size} is not a number of pixels.")


NO_AUGMENTATION = AugmentationConfig(0.0, 1.0, 1.0, 0.0)


def augment(example: dict, seed, config: AugmentationConfig) -> dict:
    """Varies one example.

    Picture and mask undergo one geometric transformation (rotation by bilinear interpolation, beyond the border
    mirrored; then crop and flip). Gain and sharpening act on the picture alone, as intensities in [0, 1]: a
    gain below 1 makes it darker, as less light would, where in [-1, 1] it would pull it towards grey. Intensities
    are clipped once, at the end.

    Args:
        example: dictionary with image, float32 [H, W, 3] in [-1, 1], and mask, float32 [H, W, 1] in [0, 1], H = W
            known while the graph is built where rotation or crop are on. Other entries are handed on.
        seed: int32 [2]. The same seed gives the same result.
        config: AugmentationConfig.

    Returns:
        A dictionary as `example`, of size `cropped_size`, else H.

    Raises:
        ValueError: the crop is larger than the picture.
    """
    flip, sharpening, angle, down, right, *gains = tf.unstack(tf.random.stateless_uniform([8], seed, alg="philox"))
    both = tf.concat([example["image"], example["mask"]], axis=-1)
    if config.maximum_rotation:
        both = _rotate(both, (angle * 2.0 - 1.0) * config.maximum_rotation)
    both = _crop(both, down, right, config.cropped_size)
    if config.flip_probability:
        both = tf.where(flip < config.flip_probability, both[:, ::-1], both)

    image = both[..., :3]
    if config.maximum_sharpening or config.minimum_gain != 1 or config.maximum_gain != 1:
        intensity = image * 0.5 + 0.5
        intensity *= config.minimum_gain + (config.maximum_gain - config.minimum_gain) * tf.stack(gains)
        if config.maximum_sharpening:
            intensity += sharpening * config.maximum_sharpening * (intensity - _blur(intensity))
        image = tf.clip_by_value(intensity, 0.0, 1.0) * 2.0 - 1.0
    return {**example, "image": image, "mask": both[..., 3:]}


def _rotate(pictures, angle):
    """Pictures [H, H, C], turned about the middle."""
    size = pictures.shape[0]
    # Output pixel to input pixel; a pixel's number is the place of its middle.
    cosine, sine, middle = tf.cos(angle), tf.sin(angle), (size - 1) / 2
    transform = tf.stack([cosine, -sine, middle - (cosine - sine) * middle,
                          sine, cosine, middle - (sine + cosine) * middle, 0.0, 0.0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pictures[None], transforms=transform[None], output_shape=[size, size], interpolation="BILINEAR",
        fill_mode="REFLECT", fill_value=0.0)[0]


def _crop(pictures, down, right, size):
    if size is None:
        return pictures
    if size > pictures.shape[0]:
        raise ValueError(f"augment: a crop of {size} pixels does not fit into pictures of {pictures.shape[0]}.")
    places = pictures.shape[0] - size + 1
    start = tf.cast(tf.stack([down * places, right * places, 0.0]), tf.int32)
    return tf.slice(pictures, start, [size, size, pictures.shape[-1]])


def _blur(picture):
    """The mean over 5 x 5 pixels of [H, W, C], mirrored at the border."""
    # Sums of shifted slices: a depthwise convolution with three channels was slower.
    height, width = tf.shape(picture)[0], tf.shape(picture)[1]
    padded = tf.pad(picture, [[2, 2], [2, 2], [0, 0]], "REFLECT")
    rows = tf.add_n([padded[i:i + height] for i in range(_BLUR_SIZE)])
    return tf.add_n([rows[:, i:i + width] for i in range(_BLUR_SIZE)]) / _BLUR_SIZE**2
