"""Adam for replicas that hold equal weights, its schedule, and the moving average of weights."""

import math
from collections.abc import Callable

import tensorflow as tf

# The share of all steps over which a schedule's rate rises. Adam's first steps are as large as its later ones, and
# would throw a network far from its start.
WARM_UP = 0.05


def cosine_schedule(largest: float, steps: int) -> Callable:
    """A learning rate that rises from 0 to `largest` over the first twentieth of `steps` and falls back to 0 by half a
    cosine (Loshchilov and Hutter 2017, without restarts), as a function of the steps that were seen."""
    def rate(step):
        done = tf.minimum(tf.cast(step, tf.float32) / float(steps), 1.0)
        return largest * tf.minimum(done / WARM_UP, 1.0) * 0.5 * (1.0 + tf.cos(math.pi * done))

    return rate


def learning_rate(schedule: str, largest: float, steps: int) -> float | Callable:
    """What `Adam` takes for a schedule of `config.SCHEDULES`."""
    return cosine_schedule(largest, steps) if schedule == "cosine" else largest


class Adam(tf.Module):
    """Adam with an L2 penalty, global-norm clipping, dynamic loss scaling and a guard against non-finite steps.

    Keras' optimisers clip before gradients are summed over replicas, so that two devices do not equal one, and take
    a dozen small operations a weight. Here gradients are summed first, and each weight is updated by one fused kernel.

    Args:
        weights: list of tf.Variable to train. Slots are made at once, in the current distribution scope.
        learning_rate: float, above 0, or a function of `iterations`, such as `cosine_schedule`.
        l2: float. Its product with a kernel (rank 2 and up) is added to the kernel's gradient: a penalty of l2 / 2
            times the squared norm.
        clip_norm: float. The largest norm of all gradients together; 0 switches clipping off.
        scale_loss: bool. True for float16: `loss_scale` falls by half at a non-finite step and doubles after 2,000
            good ones; otherwise it stays 1.

    Attributes:
        iterations: int64 variable. Steps, skipped ones included.
        skipped: int64 variable. Steps not taken because a gradient was not finite.
        loss_scale: float32 variable. The loss must be multiplied by it.
    """

    def __init__(self, weights, learning_rate, *, l2=0.0, clip_norm=0.0, beta_1=0.9, beta_2=0.999,
                 epsilon=1e-8, scale_loss=False):
        super().__init__()
        self.learning_rate, self.l2, self.clip_norm = learning_rate, l2, clip_norm
        self.beta_1, self.beta_2, self.epsilon, self.scale_loss = beta_1, beta_2, epsilon, scale_loss

        def variable(value):
            return tf.Variable(value, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)

        self.iterations = variable(tf.constant(0, tf.int64))
        self.skipped = variable(tf.constant(0, tf.int64))
        self.loss_scale = variable(2.0**15 if scale_loss else 1.0)
        self.good_steps = variable(tf.constant(0, tf.int64))
        self.first_moments = [variable(tf.zeros(weight.shape)) for weight in weights]
        self.second_moments = [variable(tf.zeros(weight.shape)) for weight in weights]

    def apply(self, gradients, weights):
        """One step from each replica's gradients of its share of the scaled loss; call in replica context.

        Args:
            gradients: list of tensors, one a weight.
            weights: list of tf.Variable, as given when this was made.
        """
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients) / self.loss_scale
        finite = tf.math.is_finite(norm)
        # One pass over the gradients for both.
        factor = (tf.minimum(1.0, self.clip_norm / norm) if self.clip_norm else 1.0) / self.loss_scale
        gradients = [gradient * factor for gradient in gradients]
        if self.l2:
            gradients = [gradient + self.l2 * weight if weight.shape.rank > 1 else gradient
                         for gradient, weight in zip(gradients, weights, strict=True)]
        rate = self.learning_rate(self.iterations) if callable(self.learning_rate) else self.learning_rate
        # Steps taken, not steps seen: the bias correction belongs to the moments.
        step = tf.cast(self.iterations - self.skipped + 1, tf.float32)

        def update():
            for weight, gradient, first, second in zip(weights, gradients, self.first_moments, self.second_moments,
                                                       strict=True):
                tf.raw_ops.ResourceApplyAdam(
                    var=weight.handle, m=first.handle, v=second.handle, grad=gradient, lr=rate,
                    beta1=self.beta_1, beta2=self.beta_2, beta1_power=self.beta_1**step,
                    beta2_power=self.beta_2**step, epsilon=self.epsilon)
            return tf.constant(True)

        tf.cond(finite, update, lambda: tf.constant(False))
        self.skipped.assign(self.skipped + tf.cast(~finite, tf.int64))
        self.iterations.assign(self.iterations + 1)
        if self.scale_loss:
            grown = self.good_steps + 1 >= 2000
            self.loss_scale.assign(tf.where(finite, tf.where(grown, self.loss_scale * 2.0, self.loss_scale),
                                            tf.maximum(self.loss_scale * 0.5, 1.0)))
            self.good_steps.assign(tf.where(finite & ~grown, self.good_steps + 1, tf.zeros_like(self.good_steps)))


class WeightAverage(tf.Module):
    """Exponential moving average of all variables of a model, batch-normalisation statistics included.

    Samples, evaluation and exports use it. The share of the past grows from 0.1 to `decay` over the first steps, so
    that the random start is soon forgotten.

    Args:
        variables: list of float tf.Variable.
        decay: float in [0, 1).
    """

    def __init__(self, variables, decay):
        super().__init__()
        self.decay = decay
        self.averages = [tf.Variable(variable, trainable=False,
                                     aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA) for variable in variables]

    def update(self, variables, step):
        """Moves the average towards `variables` after step number `step`, from 1; call in replica context."""
        step = tf.cast(step, tf.float32)
        share = 1.0 - tf.minimum(self.decay, step / (step + 9.0))
        for average, variable in zip(self.averages, variables, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=share, delta=average - variable)

    def exchange(self, variables):
        """Swaps the average and `variables`; a second call swaps them back. Call in replica context."""
        for average, variable in zip(self.averages, variables, strict=True):
            current = tf.identity(variable)
            with tf.control_dependencies([current]):
                variable.assign(tf.identity(average))
            average.assign(current)
