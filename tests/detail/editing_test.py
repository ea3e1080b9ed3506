"""Laws of edits with detail: what did not change is the photo, small changes are added, fine ones drawn anew."""

import numpy as np
import tensorflow as tf

from attr2image_tf.detail import editing
from tests.detail.flow_test import SIZE, inputs, make_detailed

FLOW = make_detailed().detail


def edit(before, after, photo):
    given = inputs()
    edited, kept = editing.edit(FLOW, photo, {"images": before}, {"images": after}, given["attributes"], given["seeds"])
    return edited.numpy(), kept.numpy()


def soft(rows=3, size=32):
    """A smooth picture, away from white and black."""
    across, down = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    return tf.constant(np.tile(0.3 * np.stack([across, down, across * down], -1), (rows, 1, 1, 1)), tf.float32)


def test_without_a_change_a_photo_is_itself():
    photo = 0.5 * inputs()["photo"]
    edited, kept = edit(soft(), soft(), photo)
    np.testing.assert_array_equal(edited, photo)
    assert (kept == 1.0).all()


def test_another_light_is_added_and_nothing_is_drawn_anew():
    photo = 0.5 * inputs()["photo"]
    edited, kept = edit(soft(), soft() + 0.25, photo)
    assert (kept == 1.0).all()
    # Less what nobody sees.
    np.testing.assert_allclose(edited, photo + 0.25 - 2.0 / 127.5, atol=1e-3)


def test_a_faint_change_leaves_every_pixel():
    photo = 0.5 * inputs()["photo"]
    edited, _ = edit(soft(), soft() + 0.015, photo)
    np.testing.assert_array_equal(edited, photo)


def test_a_grey_photo_stays_grey():
    photo = tf.repeat(0.5 * inputs()["photo"][..., :1], 3, axis=-1)
    after = soft().numpy()
    after[:, 20:23, 8:24] += 0.9 * np.float32(np.indices((3, 16)).sum(0) % 2)[..., np.newaxis] * [1.0, 0.2, 0.5]
    edited, kept = edit(soft(), tf.constant(after), photo)
    assert kept.min() < 0.05 and np.abs(edited - photo).max() > 0.1
    np.testing.assert_allclose(edited, np.repeat(edited[..., :1], 3, -1), atol=1e-6)


def test_what_the_model_missed_of_a_photo_is_drawn_with_the_change(monkeypatch):
    seen = []
    monkeypatch.setattr(FLOW, "draw", lambda coarse, attributes, seeds, photo, kept: seen.append(coarse) or photo)
    before, after = soft(), soft().numpy()
    after[:, 20:23, 8:24] += 0.6 * np.float32(np.indices((3, 16)).sum(0) % 2)[..., np.newaxis]
    missed = np.zeros_like(after)
    missed[:, :16] = 0.25
    edit(before, tf.constant(after), FLOW.enlarge(before + missed))
    off = np.abs(seen[0] - (after + missed))
    # But for the blurred edge between.
    assert off[:, :12].max() < 0.02 and off[:, 20:].max() < 0.02 and off.max() < 0.1


def test_what_is_fine_is_drawn_anew_around_where_it_is_and_nowhere_else():
    photo, after = 0.5 * inputs()["photo"], soft().numpy()
    after[:, 20:23, 8:24] += 0.9 * np.float32(np.indices((3, 16)).sum(0) % 2)[..., np.newaxis]
    edited, kept = edit(soft(), tf.constant(after), photo)
    scale = SIZE // 32
    assert kept[:, 21 * scale, 16 * scale].max() < 0.05
    assert (kept[:, :10 * scale] == 1.0).all()
    far = np.abs(edited - photo)[:, :8 * scale]
    assert far.max() < 0.02 and np.abs(edited - photo)[:, 21 * scale, 10 * scale:20 * scale].max() > 0.1


def test_colours_of_a_change_are_smoothed_wider_than_its_light():
    change = np.zeros((1, 32, 32, 3), np.float32)
    change[:, 15:17, 15:17, 0] = 0.3
    nothing = tf.zeros_like(change)
    added = editing.added(nothing, {"images": nothing}, {"images": tf.constant(change)}).numpy()[0]
    light = added.mean(-1)
    colour = np.abs(added - light[..., np.newaxis]).max(-1)
    assert light[16, 16] > light[16, 22]
    # Of the light, a third of the change, and of its colour, two thirds.
    assert colour.max() / 0.2 < 0.5 * light.max() / 0.1
