"""Laws of the batched minimisers, on functions whose minima are known."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.inference import minimizers
from attr2image_tf.inference.minimizers import CONVERGED, DIVERGED, LIMIT, NO_DESCENT


def graph(minimizer, **fixed):
    """The minimiser as a tf.function of a function and a start."""
    return lambda evaluate, start, **more: tf.function(
        lambda start: minimizer(evaluate, start, **fixed, **more))(start)


METHODS = {"adam": graph(minimizers.adam, evaluations=1000, learning_rate=0.05),
           "lbfgs": graph(minimizers.lbfgs, evaluations=60)}


class Quadratic:
    """0.5 (p - center)^T A (p - center) + 1, a center a row; counts the rows that it is asked for."""

    def __init__(self, rows, size=6, condition_number=30.0):
        rng = np.random.default_rng(0)
        rotation = np.linalg.qr(rng.normal(size=(size, size)))[0]
        self.matrix = tf.constant((rotation * np.geomspace(1, condition_number, size)) @ rotation.T, tf.float32)
        self.centers = tf.constant(rng.normal(size=(rows, size)), tf.float32)
        self.asked = tf.Variable(0)

    def __call__(self, points, rows):
        self.asked.assign_add(tf.size(rows))
        offset = points - tf.gather(self.centers, rows)
        gradient = offset @ self.matrix
        return 0.5 * tf.reduce_sum(offset * gradient, -1) + 1.0, gradient


def rosenbrock(points, rows):
    del rows
    with tf.GradientTape() as tape:
        tape.watch(points)
        x, y = points[:, 0], points[:, 1]
        energy = (1 - x) ** 2 + 100 * (y - x**2) ** 2
    return energy, tape.gradient(energy, points)


def numbers(minimum):
    return minimizers.Minimum(*(part.numpy() for part in minimum))


@pytest.mark.parametrize("method", METHODS)
def test_a_quadratic_is_solved_in_every_row(method):
    problem = Quadratic(5)
    found = numbers(METHODS[method](problem, tf.zeros([5, 6])))
    np.testing.assert_allclose(found.points, problem.centers, atol=2e-2)
    np.testing.assert_allclose(found.energies, 1.0, atol=1e-3)


def test_lbfgs_follows_a_curved_valley():
    start = tf.constant([[-1.2, 1.0], [2.0, -2.0], [0.0, 3.0]])
    found = numbers(tf.function(minimizers.lbfgs)(rosenbrock, start, evaluations=100))
    np.testing.assert_allclose(found.points, 1.0, atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
def test_a_row_by_itself_equals_that_row_in_a_batch(method):
    problem = Quadratic(7)
    run = functools.partial(METHODS[method], tolerance=1e-4)
    together = numbers(run(problem, tf.zeros([7, 6])))
    for row in (0, 4):
        alone = numbers(run(lambda p, rows, row=row: problem(p, rows + row), tf.zeros([1, 6])))
        np.testing.assert_allclose(alone.points[0], together.points[row], atol=1e-3)
        # Near the minimum rounding decides about a step more or less.
        assert abs(alone.iterations[0] - together.iterations[row]) <= 2
        assert alone.stopped[0] == together.stopped[row] == CONVERGED


@pytest.mark.parametrize("method", METHODS)
def test_rows_stop_by_themselves_and_then_cost_nothing(method):
    problem = Quadratic(4)
    # The first two rows start at their minimum.
    start = tf.where(tf.constant([[True], [True], [False], [False]]), problem.centers, 3.0)
    found = numbers(METHODS[method](problem, start, tolerance=1e-4, patience=4))
    assert (found.stopped == CONVERGED).all()
    assert (found.evaluations[:2] <= 6).all() and (found.evaluations[2:] > 8).all()
    assert problem.asked.numpy() == found.evaluations.sum()


@pytest.mark.parametrize("method", METHODS)
def test_a_row_that_is_not_finite_is_reported_and_poisons_no_other(method):
    problem = Quadratic(4)

    def broken(points, rows):
        energy, gradient = problem(points, rows)
        energy = tf.where(rows == 1, float("nan"), energy)
        # Row 2 breaks on its way, where it leaves the ball about the start.
        outside = (rows == 2) & (tf.norm(points, axis=-1) > 0.1)
        return tf.where(outside, float("inf"), energy), tf.where(outside[:, None], float("nan"), gradient)

    healthy, found = (numbers(METHODS[method](function, tf.zeros([4, 6]))) for function in (problem, broken))
    for row in (0, 3):
        np.testing.assert_allclose(found.points[row], healthy.points[row], atol=1e-5)
    assert found.stopped[1] == DIVERGED and not np.isfinite(found.energies[1])
    assert np.isfinite(found.points).all()
    assert np.isfinite(found.energies[2]) and found.energies[2] <= problem(tf.zeros([4, 6]), tf.range(4))[0][2]


def test_energies_never_rise_with_more_turns():
    start = tf.constant([[-1.2, 1.0], [2.0, -2.0]])
    run = tf.function(lambda turns: minimizers.lbfgs(rosenbrock, start, evaluations=turns).energies)
    energies = np.array([run(tf.constant(turns)) for turns in range(1, 40)])
    assert (np.diff(energies, axis=0) <= 0).all()


def test_reasons_to_stop():
    problem = Quadratic(2)
    assert (minimizers.lbfgs(problem, tf.zeros([2, 6]), evaluations=3).stopped == LIMIT).numpy().all()
    # A gradient that points the wrong way: no step lowers the energy.
    found = minimizers.lbfgs(lambda p, rows: (problem(p, rows)[0], -problem(p, rows)[1]), tf.zeros([2, 6]),
                             evaluations=50)
    assert (found.stopped == NO_DESCENT).numpy().all()
    np.testing.assert_array_equal(found.points, tf.zeros([2, 6]))


def test_a_step_is_no_longer_than_allowed():
    points = []

    def recording(p, rows):
        points.append(p.numpy())
        return Quadratic(2)(p, rows)

    minimizers.lbfgs(recording, 100.0 * tf.ones([2, 6]), evaluations=3, longest_step=0.5)
    assert np.linalg.norm(np.diff(points, axis=0), axis=-1).max() <= 0.5 + 1e-4


def test_the_product_is_that_of_the_two_loop_recursion():
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(2, 9))
    moves = rng.normal(size=(2, 4, 9))
    changes = moves * np.geomspace(1, 5, 9) + 0.05 * rng.normal(size=(2, 4, 9))
    moves[1, :2] = changes[1, :2] = 0  # a row with two pairs only
    product = minimizers._inverse_hessian_product(*(tf.constant(part, tf.float32)
                                                    for part in (gradient, moves, changes)))
    for row, first in ((0, 0), (1, 2)):
        pairs = list(zip(moves[row, first:], changes[row, first:], strict=True))
        expected, factors = gradient[row].copy(), []
        for move, change in reversed(pairs):
            factors.append(move @ expected / (move @ change))
            expected -= factors[-1] * change
        expected *= (pairs[-1][0] @ pairs[-1][1]) / (pairs[-1][1] @ pairs[-1][1])
        for move, change in pairs:
            expected += (factors.pop() - change @ expected / (move @ change)) * move
        np.testing.assert_allclose(product[row], expected, rtol=1e-4, atol=1e-5)
