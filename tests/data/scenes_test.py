"""Laws of the scenes of a data set: a factor is where it says it is."""

import numpy as np
import pytest

from attr2image_tf import data
from attr2image_tf.data.emblems import ATTRIBUTES

SCENES = data.ENTRIES["emblems"].scenes
DRAWS = SCENES.draw(0, 40)


def layers(draws):
    return {name: layer.numpy() for name, layer in SCENES.render(draws, SCENES.attributes(draws), 32).items()}


def by_factor():
    return pytest.mark.parametrize("factor", SCENES.factors, ids=lambda factor: factor.name)


@by_factor()
def test_a_factor_changes_its_own_layer_and_leaves_the_other(factor):
    shown = factor.fix(DRAWS, np.full(len(DRAWS), 0.1, np.float32))
    moved = factor.fix(DRAWS, np.full(len(DRAWS), 0.6, np.float32))
    before, after = layers(shown), layers(moved)
    other = "background" if factor.layer == "foreground" else "foreground"
    np.testing.assert_array_equal(before[other], after[other])
    own = np.abs(before[factor.layer] - after[factor.layer]).max((1, 2, 3))
    assert (np.maximum(own, np.abs(before["mask"] - after["mask"]).max((1, 2, 3))) > 0.004).all()


@by_factor()
def test_whether_attributes_tell_a_factor_is_as_it_says(factor):
    shown, moved = (factor.fix(DRAWS, np.full(len(DRAWS), value, np.float32)) for value in (0.1, 0.6))
    changed = np.any(SCENES.attributes(shown) != SCENES.attributes(moved), axis=1)
    assert changed.all() if factor.attribute else not changed.any()


@by_factor()
def test_what_is_fixed_can_be_seen_and_has_its_level(factor):
    fixed = factor.fix(DRAWS, np.full(len(DRAWS), 0.6, np.float32))
    assert factor.visible(fixed).all()
    assert set(factor.level(fixed)) == {int(0.6 * factor.levels)}
    assert set(factor.level(SCENES.draw(1, 500))) == set(range(factor.levels))
    untouched = [column for column in range(DRAWS.shape[1]) if column not in (
        factor.column, *(column for column, _, _ in factor.where))]
    np.testing.assert_array_equal(fixed[:, untouched], DRAWS[:, untouched])


@pytest.mark.parametrize("name", SCENES.changes)
def test_a_change_is_of_one_attribute_within_its_range(name):
    before = SCENES.attributes(DRAWS)
    after = SCENES.changes[name](before)
    changed = {ATTRIBUTES[column] for column in np.flatnonzero((before != after).any(0))}
    assert changed == {name} or len(changed) > 1 and name in ("shape", "kind of background")
    assert (before != after).any(1).all()
    every = SCENES.attributes(SCENES.draw(2, 2000))
    assert (after >= every.min(0) - 0.01).all() and (after <= every.max(0) + 0.01).all()
