"""Laws of augmentation."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.data.augmentation import NO_AUGMENTATION, AugmentationConfig, augment

FACES = AugmentationConfig()
BIRDS = AugmentationConfig(maximum_rotation=0.08, cropped_size=56)


def only(**changes):
    return dataclasses.replace(NO_AUGMENTATION, **changes)


@pytest.fixture(scope="module")
def example():
    """A smooth picture whose first channel is its mask, in the picture's range."""
    steps = np.linspace(-1, 1, 64)
    mask = np.clip(20 * (0.5 - np.hypot(steps[:, None] - 0.2, steps[None] + 0.1)), 0, 1)
    image = np.stack([mask * 2 - 1, np.outer(np.sin(3 * steps), steps), np.outer(steps, np.cos(2 * steps))], -1) * 0.7
    image[..., 0] = mask * 2 - 1
    return {"image": tf.constant(image, tf.float32), "mask": tf.constant(mask[..., None], tf.float32),
            "attributes": tf.constant([1.0, 2.0]), "name": tf.constant("someone")}


def run(example, config, seed=(0, 0)):
    return {key: value.numpy() for key, value in augment(example, tf.constant(seed), config).items()}


@pytest.mark.parametrize("config", [FACES, BIRDS])
def test_the_same_seed_gives_the_same_picture_and_another_seed_another(example, config):
    first, again, other = run(example, config, (3, 4)), run(example, config, (3, 4)), run(example, config, (3, 5))
    np.testing.assert_array_equal(first["image"], again["image"])
    np.testing.assert_array_equal(first["mask"], again["mask"])
    assert np.abs(first["image"] - other["image"]).mean() > 1e-3


def test_a_graph_draws_the_numbers_of_eager_execution(example):
    mapped = tf.data.Dataset.from_tensors(example).map(lambda e: augment(e, tf.constant([3, 4]), BIRDS))
    np.testing.assert_allclose(next(iter(mapped))["image"], run(example, BIRDS, (3, 4))["image"], atol=1e-5)


def test_everything_off_is_the_identity(example):
    result = run(example, NO_AUGMENTATION)
    assert result.keys() == example.keys()
    for key, value in example.items():
        np.testing.assert_array_equal(result[key], value)


def test_names_and_attributes_are_handed_on(example):
    result = run(example, BIRDS)
    assert result["name"] == b"someone"
    np.testing.assert_array_equal(result["attributes"], [1.0, 2.0])


def test_flip_mirrors_picture_and_mask_and_twice_is_the_identity(example):
    once = augment(example, [0, 0], only(flip_probability=1.0))
    np.testing.assert_array_equal(once["image"], example["image"][:, ::-1])
    np.testing.assert_array_equal(once["mask"], example["mask"][:, ::-1])
    np.testing.assert_array_equal(run(once, only(flip_probability=1.0), (1, 2))["image"], example["image"])


def test_flips_come_as_often_as_their_probability_says(example):
    flipped = [np.array_equal(run(example, only(flip_probability=0.25), (seed, 0))["image"], example["image"][:, ::-1])
               for seed in range(200)]
    assert 0.15 < np.mean(flipped) < 0.35


@pytest.mark.parametrize("config", [only(maximum_rotation=0.5), only(cropped_size=40),
                                    dataclasses.replace(BIRDS, maximum_sharpening=0.0, minimum_gain=1.0,
                                                        maximum_gain=1.0)])
def test_picture_and_mask_move_together(example, config):
    for seed in range(5):
        result = run(example, config, (seed, 1))
        np.testing.assert_allclose(result["image"][..., :1], result["mask"] * 2 - 1, atol=1e-5)


@pytest.mark.parametrize("size", [31, 64])
def test_rotation_turns_about_the_middle_by_at_most_the_angle(size):
    # A linear ramp stays linear when it is turned; its slope gives the angle. Mirrored borders are left out.
    steps = np.linspace(-0.9, 0.9, size)
    image = np.stack([np.tile(steps, (size, 1)), np.tile(steps[:, None], (1, size)), np.zeros((size, size))], -1)
    example = {"image": tf.constant(image, tf.float32), "mask": tf.ones([size, size, 1])}
    angles = []
    for seed in range(20):
        turned = run(example, only(maximum_rotation=0.3), (seed, 0))["image"][size // 4:-(size // 4),
                                                                            size // 4:-(size // 4)]
        down, right = np.gradient(turned[..., 0])
        angles.append(np.arctan2(down.mean(), right.mean()))
        np.testing.assert_allclose(turned.mean((0, 1)), 0.0, atol=1e-4)
    assert max(np.abs(angles)) <= 0.3 + 1e-3
    assert min(angles) < -0.1 and max(angles) > 0.1


def test_crops_are_parts_of_the_picture_at_all_places(example):
    wide = tf.cast(tf.range(64 * 64), tf.float32)
    example = {"image": tf.tile(tf.reshape(wide, [64, 64, 1]) / 4096 * 2 - 1, [1, 1, 3]), "mask": example["mask"]}
    corners = set()
    for seed in range(60):
        crop = run(example, only(cropped_size=62), (seed, 0))["image"]
        number = round((crop[0, 0, 0] + 1) / 2 * 4096)
        down, right = divmod(number, 64)
        np.testing.assert_array_equal(crop, example["image"][down:down + 62, right:right + 62])
        corners.add((down, right))
    assert corners == {(down, right) for down in range(3) for right in range(3)}


def test_gain_multiplies_intensity_by_channel(example):
    example = {**example, "image": example["image"] * 0.8}  # room below white, so that nothing is clipped
    gains = []
    for seed in range(50):
        result = run(example, only(minimum_gain=0.9, maximum_gain=1.1), (seed, 0))["image"]
        ratio = (result + 1) / (example["image"].numpy() + 1)
        np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:1, :1], ratio.shape), atol=1e-4)
        gains.append(ratio[0, 0])
    gains = np.array(gains)
    assert 0.9 - 1e-5 <= gains.min() < 0.92 and 1.08 < gains.max() <= 1.1 + 1e-5
    assert np.abs(np.corrcoef(gains.T) - np.eye(3)).max() < 0.5


def test_sharpening_amplifies_edges_and_leaves_plain_regions(example):
    step = np.where(np.arange(64) < 32, -0.4, 0.4).astype(np.float32)
    example = {**example, "image": tf.tile(step[None, :, None], [64, 1, 3])}
    result = run(example, only(maximum_sharpening=1.5), (2, 0))["image"]
    np.testing.assert_allclose(result[:, :29], -0.4, atol=1e-5)
    np.testing.assert_allclose(result[:, 35:], 0.4, atol=1e-5)
    overshoot = (result[:, 32] - 0.4) / 0.8
    # At the edge the blur takes two of five rows from the other side.
    assert (overshoot > 0).all() and overshoot.max() <= 1.5 * 2 / 5 + 1e-5
    np.testing.assert_allclose(overshoot, overshoot[0, 0], atol=1e-5)


def test_pixels_stay_in_range(example):
    harsh = AugmentationConfig(minimum_gain=1.5, maximum_gain=2.0, maximum_sharpening=5.0, maximum_rotation=0.5)
    for seed in range(5):
        result = run(example, harsh, (seed, 0))
        assert np.abs(result["image"]).max() <= 1.0
        assert result["mask"].min() >= 0.0 and result["mask"].max() <= 1.0


@pytest.mark.parametrize("wrong, message", [
    ({"flip_probability": 1.5}, "flip_probability 1.5"), ({"minimum_gain": 1.2}, "gains from 1.2 to 1.03"),
    ({"maximum_sharpening": float("nan")}, "maximum_sharpening nan"), ({"maximum_rotation": -0.1}, "rotation -0.1"),
    ({"cropped_size": 0}, "cropped_size 0")])
def test_bad_configuration_gets_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message):
        AugmentationConfig(**wrong)


def test_a_crop_larger_than_the_picture_is_an_error(example):
    with pytest.raises(ValueError, match="crop of 72 pixels does not fit into pictures of 64"):
        augment(example, [0, 0], only(cropped_size=72))
