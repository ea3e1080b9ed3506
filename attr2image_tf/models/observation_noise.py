"""ObservationNoise: the standard deviations of a model's Gaussian likelihoods."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

IMAGE, FOREGROUND = "image", "foreground"
_SMALLEST_VARIANCE = 1e-6


class ObservationNoise:
    """sigma of p(x | .) and, of a layered model, sigma_F of p(x_F | .), each shared by all pixels.

    The maximum-likelihood sigma^2 is the mean squared error of the pixels that the likelihood counts: all of x, and of
    x_F those inside the mask. Layered runs of version 1 have one sigma for both, which follows the mean of both errors.

    Args:
        model: AttributeModel that the variables, logarithms of the variances, become weights of.
        layered: bool. Whether there is a foreground.
    """

    def __init__(self, model, layered: bool):
        config = model.config
        names = [IMAGE] + ([FOREGROUND] if layered and not config.shared_observation_noise else [])
        # Log for gradient steps; the moving average is of the variance itself.
        self._log_variances = {name: model.add_weight(
            name="observation_log_variance" + ("" if name == IMAGE else f"_{name}"), shape=(),
            trainable=config.observation_noise == "learned", dtype="float32", autocast=False,
            initializer=keras.initializers.Constant(2.0 * np.log(config.observation_standard_deviation)),
            aggregation="only_first_replica") for name in names}

    def standard_deviation(self, name=IMAGE):
        """Float32 scalar of likelihood `name`, in units of pixels in [-1, 1]."""
        return tf.exp(0.5 * self._log_variances.get(name, self._log_variances[IMAGE]).value)

    def standard_deviations(self) -> dict[str, float]:
        """Each one by the name of its likelihood."""
        return {name: float(self.standard_deviation(name)) for name in self._log_variances}

    def squared_errors(self, means: Mapping) -> dict:
        """The mean squared error that each variance follows, from the means of a bound's terms over examples."""
        errors = {IMAGE: means["squared_error"]}
        if FOREGROUND in self._log_variances:
            # Both terms are means over the whole picture; their ratio is one over the mask's pixels. NaN without masks.
            errors[FOREGROUND] = tf.math.divide(means["squared_error_foreground"], means["foreground_share"])
        return errors

    def assign(self, variances: Mapping):
        """Sets each sigma^2, pixels in [-1, 1]; values below 1e-6 become that, NaN changes nothing."""
        for name, variance in variances.items():
            if np.isfinite(variance):
                self._log_variances[name].assign(np.log(max(float(variance), _SMALLEST_VARIANCE)))

    def follow(self, means: Mapping):
        """Moves each variance a fiftieth of the way to its error; call in replica context with a replica's means."""
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            means = {name: context.all_reduce(tf.distribute.ReduceOp.MEAN, mean) for name, mean in means.items()}
        for name, error in self.squared_errors(means).items():
            variable = self._log_variances[name]
            followed = 0.98 * tf.exp(variable.value) + 0.02 * tf.maximum(error, _SMALLEST_VARIANCE)
            variable.assign(tf.where(tf.math.is_finite(followed), tf.math.log(followed), variable.value))
