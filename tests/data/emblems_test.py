"""Laws of the embedded data set."""

import numpy as np
import pytest

from attr2image_tf import pixels as images
from attr2image_tf.data import emblems
from attr2image_tf.data.emblems import ATTRIBUTES, open_emblems
from attr2image_tf.data.emblems.rendering import draw_scenes


def read(dataset, split="train"):
    """All examples of a split, as a dictionary of arrays."""
    examples = list(dataset.examples(split).as_numpy_iterator())
    return {key: np.stack([example[key] for example in examples]) for key in examples[0]}


@pytest.fixture(scope="module")
def scenes():
    """300 examples, with the layers that they are composed of as uint8 [300, H, W, 3]."""
    examples = read(open_emblems(image_size=32, train=300))
    drawn = emblems.render(draw_scenes(0, "train", 300), examples["attributes"], 32)
    return examples | {name: np.rint(255 * drawn[name]).astype(np.uint8) for name in ("foreground", "background")}


def column(scenes, name):
    return scenes["attributes"][:, ATTRIBUTES.index(name)]


def correlation(a, b):
    return np.corrcoef(a, b)[0, 1]


def inside(scenes):
    """Mean colour [N, 3] over the mask, in [0, 1]."""
    mask = scenes["mask"] / 255.0
    return (scenes["image"] / 255.0 * mask).sum((1, 2)) / mask.sum((1, 2))


def test_an_example_depends_on_seed_split_and_number_only(scenes):
    again = read(open_emblems(image_size=32, train=40))
    for key in ("image", "mask", "attributes", "name"):
        np.testing.assert_array_equal(again[key], scenes[key][:40])
    other_seed = read(open_emblems(image_size=32, train=40, seed=1))
    other_split = read(open_emblems(image_size=32, test=40), "test")
    for other in (other_seed, other_split):
        assert not (other["attributes"] == again["attributes"]).all(1).any()
        assert not set(other["name"]) & set(again["name"])


def test_a_split_reads_the_same_twice():
    dataset = open_emblems(image_size=32, validation=33)
    first, second = read(dataset, "validation"), read(dataset, "validation")
    assert len(first["image"]) == dataset.counts["validation"] == 33
    np.testing.assert_array_equal(first["image"], second["image"])


@pytest.mark.parametrize("size", [32, 64, 128])
def test_elements_are_as_the_contract_says(size):
    dataset = open_emblems(image_size=size, train=2)
    spec = dataset.examples("train").element_spec
    assert {key: (value.dtype.name, value.shape.as_list()) for key, value in spec.items()} == {
        "image": ("uint8", [size, size, 3]), "mask": ("uint8", [size, size, 1]),
        "attributes": ("float32", [len(ATTRIBUTES)]), "name": ("string", [])}
    assert dataset.schema.names == ATTRIBUTES and dataset.image_size == size


def test_a_scene_is_the_same_at_every_size():
    small, large = (read(open_emblems(image_size=size, train=24)) for size in (32, 128))
    reduced = large["image"].reshape(24, 32, 4, 32, 4, 3).mean((2, 4))
    assert np.abs(reduced - small["image"]).mean() < 4.0


def test_the_true_layers_compose_to_the_picture(scenes):
    mask, image, foreground, background = (scenes[key].astype(float) for key in
                                           ("mask", "image", "foreground", "background"))
    mask /= 255.0
    np.testing.assert_allclose(mask * foreground + (1 - mask) * background, image, atol=1.6)
    # The same in the range and the form of the model, eq. 4.
    front, behind = foreground / 127.5 - 1, background / 127.5 - 1
    composed = images.compose(images.mask_foreground(front, mask), 1 - mask, behind)
    np.testing.assert_allclose(composed, image / 127.5 - 1, atol=1.6 / 127.5)


def test_masks_are_whole_and_soft_at_the_border(scenes):
    mask = scenes["mask"]
    assert (mask.max((1, 2, 3)) == 255).all() and (mask.min((1, 2, 3)) == 0).all()
    border = ((mask > 0) & (mask < 255)).mean()
    assert 0.005 < border < 0.1
    area = (mask / 255.0).mean((1, 2, 3))
    assert area.min() > 0.05 and area.max() < 0.4


def test_attributes_are_in_their_ranges_and_one_hot_groups_are_complete(scenes):
    attributes = scenes["attributes"]
    assert len(ATTRIBUTES) >= 12
    assert (np.abs(attributes) <= 1).all()
    for group in (emblems.SHAPES, emblems.BACKGROUNDS):
        members = np.stack([column(scenes, name) for name in group])
        assert set(members.flatten()) == {0.0, 1.0} and (members.sum(0) == 1).all()
        assert (members.mean(1) > 0.5 / len(group)).all()


def test_the_colour_inside_the_mask_follows_the_colour_attributes(scenes):
    plain = (column(scenes, "Bordered") == 0) & (column(scenes, "Striped") == 0)
    for channel, name in enumerate(("Red", "Green", "Blue")):
        assert correlation(inside(scenes)[:, channel], column(scenes, name)) > 0.7
        assert correlation(inside(scenes)[plain, channel], column(scenes, name)[plain]) > 0.97


def test_the_mask_follows_size_position_tilt_and_shape(scenes):
    mask = scenes["mask"][..., 0] / 255.0
    area = mask.sum((1, 2))
    assert correlation(np.sqrt(area), column(scenes, "Large")) > 0.8
    steps = np.linspace(-1, 1, 32)
    across, down = (mask.sum(1) @ steps) / area, (mask.sum(2) @ steps) / area
    assert correlation(across, column(scenes, "Right")) > 0.9
    assert correlation(down, column(scenes, "Low")) > 0.9
    # A square turned anticlockwise has its uppermost corner at the right.
    square = column(scenes, "Square") == 1
    upper = mask * np.exp(-30 * (steps + 1))[None, :, None]
    lean = (upper.sum(1) @ steps) / upper.sum((1, 2)) - across
    assert correlation(lean[square], column(scenes, "Tilted")[square]) > 0.9
    # Compactness of the mask about its centre tells a star from a disc.
    moment = (steps[None, None, :] - across[:, None, None]) ** 2 + (steps[None, :, None] - down[:, None, None]) ** 2
    moment = (mask * moment).sum((1, 2)) / area / area
    assert moment[column(scenes, "Star") == 1].min() > moment[column(scenes, "Circle") == 1].max()


def test_pixels_follow_stripes_border_and_background(scenes):
    mask = scenes["mask"] / 255.0
    luma = scenes["foreground"].mean(-1, keepdims=True) / 255.0
    area = mask.sum((1, 2, 3))
    darkest = np.where(mask == 1, luma, 9.0).min((1, 2, 3))
    bordered = column(scenes, "Bordered") == 1
    assert darkest[bordered].mean() < 0.5 * darkest[~bordered].mean()
    white = np.where(mask == 1, scenes["foreground"].min(-1, keepdims=True) / 255.0, 0.0).sum((1, 2, 3)) / area
    striped = column(scenes, "Striped") == 1
    assert white[striped].mean() > white[~striped].mean() + 0.1
    assert correlation(scenes["background"].mean((1, 2, 3)), column(scenes, "Bright Background")) > 0.9


def test_pictures_of_equal_attributes_differ():
    draws = np.random.default_rng(0).random((8, 40), np.float32)
    attributes = np.repeat(emblems.attributes_of(draws[:1]), 8, axis=0)
    pictures = emblems.render(draws, attributes, 32)["image"].numpy()
    assert np.abs(pictures[1:] - pictures[0]).mean((1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("wrong, message", [
    ({"image_size": 8}, "image_size 8"), ({"seed": -1}, "seed -1"), ({"train": 1}, "1 examples in split 'train'"),
    ({"test": 0}, "0 examples in split 'test'")])
def test_bad_arguments_get_one_sentence(wrong, message):
    with pytest.raises(ValueError, match=message):
        open_emblems(**wrong)


def test_an_unknown_split_lists_the_known():
    with pytest.raises(ValueError, match="train, validation, test"):
        open_emblems(train=2).examples("training")
