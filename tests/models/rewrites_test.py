"""A rewritten step of training is the same function as the plain one: bound, statistics, gradients of all weights."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf import models
from attr2image_tf.config import ModelConfig
from tests.models import plain

pytestmark = pytest.mark.slow

CONFIG = ModelConfig(width=0.0625, image_size=32, latent_size=8, foreground_latent_size=8, background_latent_size=4,
                     attribute_mean=(0.0, 1.0, 2.0), attribute_standard_deviation=(1.0, 1.0, 2.0))


def compute(*rewrites):
    """The bound of four examples, the gradient of each weight, the moving statistics, and the kinds of operations."""
    model = plain.create(CONFIG, *rewrites)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        # Weights that differ from channel to channel, so that a swap shows.
        variable.assign(1.3 * variable + random.normal(scale=0.02, size=variable.shape))
    batch = {"image": random.uniform(-1, 1, (4, 32, 32, 3)), "mask": random.uniform(0, 1, (4, 32, 32, 1)) > 0.5,
             "attributes": random.normal(size=(4, 3))}
    batch = {name: tf.constant(value, tf.float32) for name, value in batch.items()}

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            bound = model.lower_bound(batch, tf.constant([3, 5]), training=True)["objective"]
            loss = tf.reduce_mean(bound)
        return bound, tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    bound, gradients = step()
    statistics = [variable.numpy() for variable in model.non_trainable_variables if "moving" in variable.path]
    operations = [operation.type for operation in step.get_concrete_function().graph.get_operations()]
    return bound.numpy(), [gradient.numpy() for gradient in gradients], statistics, operations


def test_all_rewrites_together_are_the_same_function():
    # Upsampling, normalisation and narrow convolutions have their laws one by one, too.
    bound, gradients, statistics, operations = compute()
    plainly = compute(*plain.ALL)
    # Otherwise the plain form has not been put in, and this would compare the model with itself.
    assert plainly[3] != operations
    np.testing.assert_allclose(bound, plainly[0], rtol=1e-5)
    assert len(statistics) > 10 and len(gradients) > 60
    for value, expected in zip(statistics, plainly[2], strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)
    largest = max(np.abs(expected).max() for expected in plainly[1])
    for gradient, expected in zip(gradients, plainly[1], strict=True):
        # Of a bias that normalisation takes away again only rounding is left, of terms as large as any.
        np.testing.assert_allclose(gradient, expected, rtol=1e-3,
                                   atol=2e-4 * np.abs(expected).max() + 2e-6 * largest)


def test_every_plain_form_of_a_network_is_put_in():
    model = models.create(CONFIG)

    def forms():
        return {value.func for layer in model._flatten_layers() for value in vars(layer).values()
                if isinstance(value, functools.partial)}

    for name in plain.FORMS:
        before = forms()
        plain.undo(model, name)
        assert (forms() - before) or name == "optimiser", name


def test_two_plain_forms_of_a_layer_are_refused():
    with pytest.raises(ValueError, match='choose "upsampling" or "polyphase"'):
        plain.create(CONFIG, "upsampling", "polyphase")
