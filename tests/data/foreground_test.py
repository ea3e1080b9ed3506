"""The foreground network: its metrics, its symmetries, what it learns, and how it is saved."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.data import foreground
from attr2image_tf.data.errors import DataError

SIZE = 32
SETTINGS = foreground.Settings(epochs=1, batch_size=8, widths=(4, 8))


def discs(count, seed=0):
    """Discs of one colour family on a background of another, and their masks."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    images, masks = [], []
    for _ in range(count):
        row, column = generator.uniform(10, 22, 2)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < generator.uniform(6, 10) ** 2
        noise = generator.normal(0, 20, [SIZE, SIZE, 3])
        colours = np.where(inside[..., None], [210, 150, 110], [60, 90, 160])
        images.append(np.clip(colours + noise, 0, 255).astype(np.uint8))
        masks.append(np.where(inside, 255, 0).astype(np.uint8)[..., None])
    return np.stack(images), np.stack(masks)


@pytest.fixture(scope="module")
def network():
    return foreground.build(SIZE, SETTINGS.widths, seed=3)


def test_agreement_is_one_with_itself_and_nothing_with_the_opposite():
    masks = discs(6)[1]
    assert set(foreground.agreement(masks, masks).values()) == {1.0}
    opposite = foreground.agreement(255 - masks, masks)
    assert opposite["pixel_accuracy"] == 0 and opposite["foreground_iou"] == 0


def test_agreement_counts_pixels():
    generator = np.random.default_rng(0)
    predicted, drawn = generator.integers(0, 256, [2, 40, 5, 5, 1]).astype(np.uint8)
    intersection = union = same = 0
    for one, other in zip(predicted.ravel(), drawn.ravel(), strict=True):
        intersection += one > 127 and other > 127
        union += one > 127 or other > 127
        same += (one > 127) == (other > 127)
    metrics = foreground.agreement(predicted, drawn)
    assert metrics["pixel_accuracy"] == pytest.approx(same / 1000)
    assert metrics["foreground_iou"] == pytest.approx(intersection / union)
    assert metrics["foreground_iou_of_the_worst_twentieth"] < metrics["foreground_iou"]


def test_two_empty_masks_agree():
    empty = np.zeros([3, 4, 4, 1], np.uint8)
    assert foreground.agreement(empty, empty)["foreground_iou_of_the_worst_twentieth"] == 1.0


def test_the_mask_of_a_mirror_image_is_the_mirrored_mask(network):
    images = discs(5)[0]
    straight, mirrored = foreground.predict(network, images), foreground.predict(network, images[:, :, ::-1])
    assert np.ptp(straight) > 10
    assert np.abs(straight.astype(int) - mirrored[:, :, ::-1]).max() <= 1


def test_a_mask_does_not_depend_on_the_pictures_beside_it(network):
    images = discs(7)[0]
    together = foreground.predict(network, images)
    alone = np.concatenate([foreground.predict(network, image[None]) for image in images])
    assert np.abs(together.astype(int) - alone).max() <= 1


def test_no_pictures_give_no_masks(network):
    assert foreground.predict(network, np.zeros([0, SIZE, SIZE, 3], np.uint8)).shape == (0, SIZE, SIZE, 1)


def test_augmentation_moves_picture_and_mask_together():
    masks = discs(64)[1]
    images, moved = foreground.augment(np.repeat(masks, 3, -1), masks, [4, 2])
    # Changes of colour keep the order of dark and bright within a picture.
    images, moved = images.numpy().mean(-1), moved.numpy()[..., 0]
    bright = images > (images.min((1, 2), keepdims=True) + images.max((1, 2), keepdims=True)) / 2
    assert (bright == (moved > 0.5)).mean() > 0.995
    assert np.abs(moved - masks[..., 0] / 255.0).mean() > 0.02


def test_augmentation_mirrors_about_half_of_the_pictures():
    half = np.zeros([400, SIZE, SIZE, 1], np.uint8)
    half[:, :, SIZE // 2:] = 255
    _, moved = foreground.augment(np.repeat(half, 3, -1), half, [0, 0])
    mirrored = (moved.numpy()[:, :, :SIZE // 4].mean((1, 2, 3)) > 0.5).mean()
    assert 0.4 < mirrored < 0.6


def test_augmentation_stays_in_range_and_follows_its_seed():
    images, masks = discs(16)
    first, again, other = (foreground.augment(images, masks, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    assert first[0].numpy().min() >= -1 and first[0].numpy().max() <= 1
    assert first[1].numpy().min() >= 0 and first[1].numpy().max() <= 1
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert np.abs(first[0] - other[0]).max() > 0.1


@pytest.mark.slow
def test_training_learns_masks_of_pictures_it_has_not_seen():
    settings = foreground.Settings(epochs=12, batch_size=8, learning_rate=1e-2, widths=(8, 8))
    network = foreground.train(*discs(96), settings)
    images, masks = discs(24, seed=1)
    metrics = foreground.agreement(foreground.predict(network, images), masks)
    assert metrics["foreground_iou"] > 0.9
    untrained = foreground.agreement(foreground.predict(foreground.build(SIZE, (8, 8)), images), masks)
    assert untrained["foreground_iou"] < 0.6


@pytest.mark.slow
def test_the_same_seed_trains_the_same_network_and_leaves_global_state_alone():
    keras.utils.set_random_seed(7)
    expected = (np.random.random(), tf.random.uniform([]).numpy(), np.asarray(keras.random.uniform([])))
    networks = []
    for settings in (SETTINGS, SETTINGS, dataclasses.replace(SETTINGS, seed=1)):
        keras.utils.set_random_seed(7)
        networks.append(foreground.train(*discs(16), settings).get_weights())
        assert (np.random.random(), tf.random.uniform([]).numpy(), np.asarray(keras.random.uniform([]))) == expected
    for one, same in zip(networks[0], networks[1], strict=True):
        np.testing.assert_array_equal(one, same)
    assert any(np.abs(one - other).max() > 1e-3 for one, other in zip(networks[0], networks[2], strict=True))


def test_the_number_type_does_not_follow_a_global_policy(network):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        other = foreground.build(SIZE, SETTINGS.widths, seed=3)
        images = np.random.default_rng(0).uniform(-1, 1, [2, SIZE, SIZE, 3]).astype(np.float32)
        logits = other(images)
    finally:
        keras.config.set_dtype_policy(policy)
    assert logits.dtype == tf.float32
    np.testing.assert_array_equal(logits, network(images))


@pytest.mark.slow
def test_training_that_diverges_says_so():
    with pytest.raises(DataError, match="diverged at learning rate nan"):
        foreground.train(*discs(16), dataclasses.replace(SETTINGS, learning_rate=float("nan"), epochs=2))


def test_a_saved_network_comes_back(network, tmp_path):
    folder = tmp_path / "foreground" / "here"
    assert not foreground.is_trained(folder)
    foreground.save(network, folder, SETTINGS, {"pixel_accuracy": 0.5})
    assert foreground.is_trained(folder)
    images = discs(4)[0]
    np.testing.assert_array_equal(foreground.predict(foreground.load(folder), images),
                                  foreground.predict(network, images))
    assert [path.name for path in folder.parent.iterdir()] == ["here"]


def test_a_network_that_cannot_be_written_leaves_the_old_one(network, tmp_path, monkeypatch):
    foreground.save(network, tmp_path / "here", SETTINGS, {})
    before = foreground.predict(foreground.load(tmp_path / "here"), discs(2)[0])

    def full(*arguments):
        raise OSError(28, "No space left on device")

    other = foreground.build(SIZE, SETTINGS.widths, seed=9)
    monkeypatch.setattr(other, "save_weights", full)
    with pytest.raises(OSError, match="No space"):
        foreground.save(other, tmp_path / "here", SETTINGS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    np.testing.assert_array_equal(foreground.predict(foreground.load(tmp_path / "here"), discs(2)[0]), before)


def test_what_a_killed_run_left_goes_when_a_network_is_saved(network, tmp_path):
    (tmp_path / ".here-abc").mkdir()
    (tmp_path / ".here-abc" / "network.weights.h5").write_bytes(b"half")
    foreground.save(network, tmp_path / "here", SETTINGS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_folder_without_a_network_is_named(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path} holds no foreground network. Run python -m trainers"):
        foreground.load(tmp_path)


@pytest.mark.parametrize("file, content", [("network.weights.h5", b"nothing"), ("config.json", b"{"),
                                           ("config.json", b"{}")])
def test_a_damaged_network_is_named(network, tmp_path, file, content):
    foreground.save(network, tmp_path / "here", SETTINGS, {})
    (tmp_path / "here" / file).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read .*Delete the folder"):
        foreground.load(tmp_path / "here")


def test_a_size_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match="divisible by 4, got 50"):
        foreground.build(50, (4, 8, 8))


def test_masks_of_larger_pictures_are_those_of_the_pictures_made_smaller(network):
    small = discs(3)[0]
    large = small.repeat(2, 1).repeat(2, 2)
    masks = foreground.predict(network, large)
    assert masks.shape == (3, 2 * SIZE, 2 * SIZE, 1)
    reduced = masks.reshape(3, SIZE, 2, SIZE, 2).mean((2, 4))[..., np.newaxis]
    assert np.abs(reduced - foreground.predict(network, small)).mean() < 12.0
    assert foreground.network_dir(128, "a") == foreground.network_dir(64, "a") != foreground.network_dir(32, "a")
