"""Every score of disentanglement on codes whose score is known."""

import numpy as np
import pytest

from attr2image_tf.evaluation import disentanglement_scores as scores

RANDOM = np.random.default_rng(0)
LEVELS = RANDOM.integers(0, 4, size=(1200, 2))
NOISE = RANDOM.normal(size=(1200, 2))
# A dimension for each factor, and two that know nothing.
APART = np.column_stack([LEVELS + 0.01 * NOISE, NOISE]).astype(np.float32)
# Each factor twice.
TWICE = np.column_stack([LEVELS, LEVELS]) + 0.01 * np.column_stack([NOISE, NOISE])


def halves(codes, column=0):
    levels = LEVELS[:, column]
    return codes[:600], levels[:600], codes[600:], levels[600:]


def test_a_factor_with_a_dimension_to_itself_has_a_gap_of_1_and_one_in_two_dimensions_of_0():
    assert scores.mutual_information_gap(APART, LEVELS[:, 0]) > 0.95
    assert scores.mutual_information_gap(TWICE, LEVELS[:, 0]) == pytest.approx(0.0, abs=0.02)


def test_separated_predictability_is_accuracy_above_the_second_best():
    # The second best of four levels is chance.
    assert scores.separated_attribute_predictability(*halves(APART)) == pytest.approx(0.75, abs=0.06)
    assert scores.separated_attribute_predictability(*halves(TWICE)) == pytest.approx(0.0, abs=0.02)


def test_a_forest_uses_the_dimension_that_knows_the_factor():
    table, accuracy = scores.importances(*halves(APART))
    assert table.argmax() == 0 and table[0] > 0.7 and accuracy > 0.98
    again, same = scores.importances(*halves(APART))
    np.testing.assert_array_equal(again, table)
    assert same == accuracy
    _, blind = scores.importances(*halves(APART[:, 2:]))
    assert blind == pytest.approx(0.25, abs=0.06)


@pytest.mark.slow
def test_a_perfect_code_of_many_dimensions_is_disentangled_and_complete():
    levels = RANDOM.integers(0, 4, size=(800, 6))
    codes = np.column_stack([levels, RANDOM.normal(size=(800, 58))]).astype(np.float32)
    table = np.stack([scores.importances(codes[:600], column[:600], codes[600:], column[600:])[0]
                      for column in levels.T], 1)
    assert scores.disentanglement_and_completeness(table) == pytest.approx((1.0, 1.0), abs=0.02)


def test_a_rare_level_counts_as_much_as_the_other():
    # Known by one dimension in most cases, and as often as not missed by who says the frequent one always.
    levels = (RANDOM.random(4000) < 0.1).astype(int)
    codes = np.column_stack([levels + 0.7 * RANDOM.normal(size=4000), RANDOM.normal(size=(4000, 3))])
    score = scores.separated_attribute_predictability(codes[:2000], levels[:2000], codes[2000:], levels[2000:])
    assert score == pytest.approx(0.26, abs=0.06)


def test_disentanglement_and_completeness_tell_apart_who_is_shared():
    assert scores.disentanglement_and_completeness(np.eye(3)) == pytest.approx((1.0, 1.0))
    assert scores.disentanglement_and_completeness(np.ones((3, 3))) == pytest.approx((0.0, 0.0))
    # Two dimensions a factor, each of one factor alone: disentangled, and not complete.
    disentangled, complete = scores.disentanglement_and_completeness(np.repeat(np.eye(2), 2, axis=0))
    assert disentangled == pytest.approx(1.0) and complete == pytest.approx(0.5)


def test_the_vote_of_factor_vae_is_right_where_the_fixed_factor_holds_a_dimension_still():
    fixed = RANDOM.integers(0, 3, size=400)
    deviations = np.ones((400, 4)) + 0.1 * RANDOM.random((400, 4))
    deviations[np.arange(400), fixed] = 0.01
    spread = np.array([1.0, 1.0, 1.0, 1e-6])  # the last dimension is not used, and never votes
    deviations[:, 3] = 0.0
    assert scores.factor_vae_score(deviations, fixed, spread) == (1.0, 0.0)
    chance, error = scores.factor_vae_score(RANDOM.random((400, 4)), fixed, spread)
    assert chance == pytest.approx(1 / 3, abs=4 * error) and error == pytest.approx(0.033, abs=0.005)
