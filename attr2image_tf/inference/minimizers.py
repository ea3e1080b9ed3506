"""Minimisers of many small problems at once, as batched `tf.while_loop`s.

Every row of a batch is a problem of its own: it takes its own steps, stops by itself, and says why. A turn of a loop
makes at most one evaluation for each row, and rows that have stopped are left out of it, so that the cost is that of
the rows still at work.

Why not `tfp.optimizer.lbfgs_minimize`, which also takes batches, stops by row and keeps a row of NaN from the others:
its line search (Hager and Zhang) asks for some 6 evaluations an iteration where one does mostly, each of all rows
until the last has stopped; a row that fails has NaN for a result and not its best point; and it writes the function
into the graph once for each place that asks. On 16 pictures of a small layered generator
(`tests/inference/latent_optimizer_test.py`) both end at the same energies: here after 420 evaluations of a row and
with 918 nodes, there after 1,824 and with 7,257.
"""

import collections

import tensorflow as tf

from attr2image_tf.inference.optimizer_config import CONVERGED, DIVERGED, LIMIT, NO_DESCENT, STOP_REASONS

__all__ = ["CONVERGED", "DIVERGED", "LIMIT", "Minimum", "NO_DESCENT", "STOP_REASONS", "adam", "lbfgs"]

_RUNNING = -1

Minimum = collections.namedtuple("Minimum", ["points", "energies", "iterations", "evaluations", "stopped"])
Minimum.__doc__ = """What a minimiser found.

points: float32 [B, D], the best seen. energies: float32 [B]; not finite where no evaluation was. iterations: int32
[B], steps taken. evaluations: int32 [B], of energy and gradient. stopped: int32 [B], a place in STOP_REASONS.
"""


def adam(evaluate, start, *, evaluations, learning_rate, tolerance=0.0, patience=10) -> Minimum:
    """Adam with a constant learning rate; `learning_rate=0.3, evaluations=1000` is the paper's.

    It is here for the paper's reference and the benchmark beside it alone; nothing that is served descends by it.

    Args:
        evaluate: function of points float32 [b, D] and their row numbers int32 [b] to energies [b] and gradients
            [b, D].
        start: float32 [B, D].
        evaluations: int. The most steps, one evaluation each.
        learning_rate: float.
        tolerance: float. A row stops when `patience` steps together lower its best energy by less than this share;
            0 never stops.
        patience: int.
    """
    batch = tf.shape(start)[0]
    history = _History(batch, patience, tolerance)
    zeros = tf.zeros_like(start)
    state = {"turn": tf.constant(0), "points": start, "first": zeros, "second": zeros, "best": start,
             "best_energy": tf.fill([batch], float("inf")), "past": history.start(),
             "iterations": tf.zeros([batch], tf.int32), "evaluations": tf.zeros([batch], tf.int32),
             "stopped": tf.fill([batch], _RUNNING)}

    def body(s):
        active = s["stopped"] == _RUNNING
        energy, gradient = _evaluate(evaluate, s["points"], active)
        finite = _finite(energy, gradient)
        step = active & finite
        better = step & (energy < s["best_energy"])
        first = 0.9 * s["first"] + 0.1 * gradient
        second = 0.999 * s["second"] + 0.001 * tf.square(gradient)
        count = tf.cast(s["turn"] + 1, tf.float32)
        move = (first / (1.0 - 0.9**count)) / (tf.sqrt(second / (1.0 - 0.999**count)) + 1e-8)
        best_energy = tf.where(better, energy, s["best_energy"])
        past, settled = history.update(s["past"], best_energy, step)
        stopped = tf.where(active & ~finite, DIVERGED, tf.where(step & settled, CONVERGED, s["stopped"]))
        return {"turn": s["turn"] + 1, "points": _choose(step, s["points"] - learning_rate * move, s["points"]),
                "first": _choose(step, first, s["first"]), "second": _choose(step, second, s["second"]),
                "best": _choose(better, s["points"], s["best"]), "best_energy": best_energy, "past": past,
                "iterations": s["iterations"] + tf.cast(step, tf.int32),
                "evaluations": s["evaluations"] + tf.cast(active, tf.int32), "stopped": stopped}

    state = _loop(body, state, evaluations)
    return _minimum(state, state["best"], state["best_energy"])


def lbfgs(evaluate, start, *, evaluations, memory=20, longest_step=float("inf"), tolerance=0.0, patience=10) -> Minimum:
    """Limited-memory BFGS with a line search that costs one evaluation a turn.

    A turn tries one point for each row. Enough decrease (Armijo) accepts it, and the next direction is tried at full
    length; otherwise the next turn tries a shorter step, by quadratic interpolation. Energies never rise. Pairs of
    negative curvature are not remembered, so directions always descend.

    Args:
        evaluate: function of points float32 [b, D] and their row numbers int32 [b] to energies [b] and gradients
            [b, D].
        start: float32 [B, D].
        evaluations: int. The most.
        memory: int. Steps remembered.
        longest_step: float, or float32 [B]. Bound on the Euclidean length of a step.
        tolerance: float. A row stops when `patience` turns together lower its energy by less than this share.
        patience: int.
    """
    batch, size = tf.shape(start)[0], start.shape[1]
    history = _History(batch, patience, tolerance)
    zeros = tf.zeros_like(start)
    pairs = tf.zeros([batch, memory, size])
    # The first turn "steps" by nothing from an infinite energy, so that there is one place that evaluates.
    state = {"turn": tf.constant(0), "points": start, "energy": tf.fill([batch], float("inf")), "gradient": zeros,
             "direction": zeros, "slope": tf.zeros([batch]), "step": tf.zeros([batch]),
             "moves": pairs, "changes": pairs, "past": history.start(), "rejections": tf.zeros([batch], tf.int32),
             "iterations": tf.zeros([batch], tf.int32), "evaluations": tf.zeros([batch], tf.int32),
             "stopped": tf.fill([batch], _RUNNING)}

    def body(s):
        active = s["stopped"] == _RUNNING
        trial = s["points"] + s["step"][:, None] * s["direction"]
        energy, gradient = _evaluate(evaluate, trial, active)
        finite = _finite(energy, gradient)
        accept = active & finite & (energy <= s["energy"] + 1e-4 * s["step"] * s["slope"])

        move, change = trial - s["points"], gradient - s["gradient"]
        curvature = tf.reduce_sum(move * change, -1)
        remember = accept & (curvature > 1e-6 * tf.norm(move, axis=-1) * tf.norm(change, axis=-1))
        moves, changes = (_choose(remember, tf.concat([s[name][:, 1:], new[:, None]], 1), s[name])
                          for name, new in (("moves", move), ("changes", change)))
        points = _choose(accept, trial, s["points"])
        gradient = _choose(accept, gradient, s["gradient"])
        direction = -_inverse_hessian_product(gradient, moves, changes)
        length = tf.norm(direction, axis=-1)
        direction *= tf.minimum(1.0, longest_step / tf.maximum(length, 1e-30))[:, None]
        direction = _choose(accept, direction, s["direction"])
        slope = tf.reduce_sum(direction * gradient, -1)

        # The parabola through the energy and slope here and the energy there; its minimum, within reason.
        rise = energy - s["energy"] - s["step"] * s["slope"]
        shorter = tf.clip_by_value(-0.5 * s["slope"] * s["step"] / tf.maximum(rise, 1e-30), 0.1, 0.5)
        step = tf.where(accept, 1.0, s["step"] * tf.where(finite, shorter, 0.1))
        rejections = tf.where(accept, 0, s["rejections"] + 1)
        lowest = tf.where(accept, energy, s["energy"])
        past, settled = history.update(s["past"], lowest, active)
        exhausted = (rejections > 10) | (accept & (slope >= 0.0)) | ~tf.math.is_finite(lowest)
        # A slope that promises nothing more than rounding is a minimum.
        flat = -slope <= max(tolerance, 1e-6) * tf.abs(lowest)
        reason = tf.where(~finite, DIVERGED, tf.where(flat, CONVERGED, NO_DESCENT))
        stopped = tf.where(active & exhausted, reason, tf.where(active & settled, CONVERGED, s["stopped"]))
        return {"turn": s["turn"] + 1, "points": points, "energy": lowest, "gradient": gradient,
                "direction": direction, "slope": slope, "step": step, "moves": moves, "changes": changes,
                "past": past, "rejections": rejections, "iterations": s["iterations"] + tf.cast(accept, tf.int32),
                "evaluations": s["evaluations"] + tf.cast(active, tf.int32), "stopped": stopped}

    state = _loop(body, state, evaluations)
    return _minimum(state, state["points"], state["energy"])


def _inverse_hessian_product(gradient, moves, changes):
    """L-BFGS' inverse Hessian times the gradient, row by row; [B, D].

    The two-loop recursion (Nocedal and Wright, algorithm 7.4) written as two triangular systems, for a handful of
    operations instead of some for each pair: with R the upper triangle of S Y^T, of moves S and changes Y [M, D],

        R a = S g,   R^T d = diag(R) a - Y r,   product = r + S^T d,   r = scale * (g - Y^T a).

    Args:
        gradient: float32 [B, D].
        moves, changes: float32 [B, M, D], oldest first. Pairs that are all zero count as absent.
    """
    products = tf.matmul(moves, changes, transpose_b=True)
    upper = tf.linalg.band_part(products, 0, -1)
    curvature = tf.linalg.diag_part(upper)
    upper = tf.linalg.set_diag(upper, tf.where(curvature > 0.0, curvature, 1.0))
    factors = tf.linalg.triangular_solve(upper, tf.linalg.matvec(moves, gradient)[..., None], lower=False)
    # The latest pair tells the scale.
    scale = tf.math.divide_no_nan(curvature[:, -1], tf.reduce_sum(tf.square(changes[:, -1]), -1))
    scale = tf.where(scale > 0.0, scale, 1.0)[:, None]
    product = scale * (gradient - tf.linalg.matvec(changes, factors[..., 0], transpose_a=True))
    right = curvature[..., None] * factors - tf.linalg.matvec(changes, product)[..., None]
    factors = tf.linalg.triangular_solve(upper, right, lower=False, adjoint=True)
    return product + tf.linalg.matvec(moves, factors[..., 0], transpose_a=True)


class _History:
    """Energies of the last turns, to see that a row has settled."""

    def __init__(self, batch, patience, tolerance):
        self.batch, self.patience, self.tolerance = batch, patience, tolerance

    def start(self):
        return tf.fill([self.patience, self.batch], float("inf"))

    def update(self, past, energy, active):
        """The next history, and which rows gained less than the tolerance since its oldest entry."""
        gain = past[0] - energy
        settled = (gain <= self.tolerance * tf.abs(energy)) if self.tolerance > 0 else tf.zeros_like(active)
        return tf.where(active, tf.concat([past[1:], energy[None]], 0), past), settled


def _evaluate(evaluate, points, active):
    """Energies [B] and gradients [B, D]; rows at rest get 0."""
    rows = tf.cast(tf.where(active), tf.int32)  # [b, 1]
    energy, gradient = evaluate(tf.gather_nd(points, rows), rows[:, 0])
    shape = tf.shape(points)
    return tf.scatter_nd(rows, energy, shape[:1]), tf.ensure_shape(tf.scatter_nd(rows, gradient, shape), points.shape)


def _finite(energy, gradient):
    return tf.math.is_finite(energy) & tf.reduce_all(tf.math.is_finite(gradient), -1)


def _choose(rows, new, old):
    """`new` in the chosen rows [B], `old` elsewhere; both [B, ...]."""
    return tf.where(tf.reshape(rows, [-1] + [1] * (new.shape.rank - 1)), new, old)


def _loop(body, state, turns):
    return tf.while_loop(lambda s: tf.reduce_any(s["stopped"] == _RUNNING), lambda s: (body(s),), (state,),
                         maximum_iterations=turns)[0]


def _minimum(state, points, energies):
    stopped = tf.where(state["stopped"] == _RUNNING, LIMIT, state["stopped"])
    return Minimum(points, energies, state["iterations"], state["evaluations"], stopped)
