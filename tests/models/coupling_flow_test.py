"""Laws of a flow that is folded for inference."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.models.latent_prior import LatentBlock, LatentPrior
from tests.tiny import vary_prior

BLOCKS = {"layers": [LatentBlock(5), LatentBlock(4, attributes=False)],
          "joint": [LatentBlock(3), LatentBlock(1, earlier=True), LatentBlock(2, earlier=True)]}


def make(kind, name):
    prior = LatentPrior(kind, BLOCKS[name], 3, couplings=3, hidden=4)
    vary_prior(prior)
    return prior


def normal(size, seed):
    return tf.random.stateless_normal([6, size], [seed, 0])


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("kind", ["gaussian", "flow"])
def test_a_folded_prior_is_the_same_function_with_the_same_gradients(kind, name):
    prior = make(kind, name)
    attributes = normal(3, 1)

    def values():
        point = normal(prior.size, 2)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([point, attributes])
            latents, noise = prior.latents(point, attributes), prior.noise(point, attributes)
            density = prior.log_prob(point, attributes)
            totals = [tf.reduce_sum(normal(prior.size, 3) * each) for each in (latents, noise)] + [density]
        gradients = [tape.gradient(total, point) for total in totals]
        gradients += [tape.gradient(total, attributes) for total in totals]
        return [latents, noise, density, *gradients]

    before = values()
    prior.fold()
    for one, other in zip(before, values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="cannot be trained"):
        prior.log_prob(normal(prior.size, 2), attributes, dropout=0.1, seed=tf.constant([0, 0]))


def test_a_folded_flow_has_a_third_of_the_operations():
    def nodes():
        def descend(latents, attributes):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(latents)
                energy = tf.reduce_sum(tf.square(prior.noise(latents, attributes)))
            return tape.gradient(energy, latents)

        specs = [tf.TensorSpec([None, size], tf.float32) for size in (prior.size, 3)]
        operations = tf.function(descend, autograph=False).get_concrete_function(*specs).graph.get_operations()
        # Nothing asks for a shape in each coupling.
        return len(operations), sum(operation.type == "Shape" for operation in operations)

    prior = make("flow", "layers")
    before, _ = nodes()
    prior.fold()
    after, shapes = nodes()
    assert after < before / 3 and shapes < 10
