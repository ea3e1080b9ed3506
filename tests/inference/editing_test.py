"""Laws of carrying over."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.inference.editing import carry_over


def layers(seed):
    rng = np.random.default_rng(seed)
    gates = tf.constant(rng.uniform(0, 1, (2, 8, 8, 1)) ** 2, tf.float32)
    foregrounds, backgrounds = (tf.constant(rng.uniform(-0.4, 0.4, (2, 8, 8, 3)), tf.float32) for _ in range(2))
    return {"images": foregrounds + gates * backgrounds, "foregrounds": foregrounds, "gates": gates,
            "backgrounds": backgrounds}


@pytest.fixture
def picture():
    return tf.constant(np.random.default_rng(9).uniform(-1, 1, (2, 8, 8, 3)), tf.float32)


def test_no_change_gives_back_the_picture(picture):
    before = layers(0)
    np.testing.assert_allclose(carry_over(picture, before, before), picture, atol=1e-6)
    np.testing.assert_allclose(carry_over(picture, before["images"], before["images"]), picture, atol=1e-6)


def test_without_residual_the_result_is_what_is_drawn():
    before = layers(0)
    after = layers(1) | {"backgrounds": before["backgrounds"]}
    after["images"] = after["foregrounds"] + after["gates"] * after["backgrounds"]
    np.testing.assert_allclose(carry_over(before["images"], before, after), after["images"], atol=1e-6)


def test_the_background_is_the_picture_s_own_where_only_it_is_seen(picture):
    before, after = layers(0), layers(1)
    clear = tf.ones_like(before["gates"])
    nothing = tf.zeros_like(before["foregrounds"])
    before |= {"gates": clear, "foregrounds": nothing, "images": before["backgrounds"]}
    after |= {"gates": clear, "foregrounds": nothing, "images": before["backgrounds"]}
    np.testing.assert_allclose(carry_over(picture, before, after), picture, atol=1e-6)
    # A new foreground that hides it hides its residual too.
    after |= {"gates": 0 * clear, "foregrounds": 0 * nothing + 0.3}
    np.testing.assert_allclose(carry_over(picture, before, after), 0.3, atol=1e-6)


def test_the_residual_of_a_foreground_leaves_with_it(picture):
    before = layers(0)
    solid = before | {"gates": 0 * before["gates"], "images": before["foregrounds"]}
    gone = before | {"gates": 0 * before["gates"] + 1, "foregrounds": 0 * before["foregrounds"],
                     "images": before["backgrounds"]}
    np.testing.assert_allclose(carry_over(picture, solid, gone), before["backgrounds"], atol=1e-6)
