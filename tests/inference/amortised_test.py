"""Laws of the start that the recognition model gives."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf import models
from attr2image_tf.config import ModelConfig
from attr2image_tf.inference.amortised import amortised_start
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.latent_optimizer import LatentOptimizer, OptimizerConfig


@pytest.fixture(scope="module", params=["cvae", "discvae"])
def model(request):
    return models.create(ModelConfig(
        model=request.param, image_size=32, width=0.0625, latent_size=6, foreground_latent_size=4,
        background_latent_size=2, attribute_mean=(0.0, 0.0), attribute_standard_deviation=(1.0, 1.0)))


@pytest.fixture(scope="module")
def pictures():
    random = np.random.default_rng(0)
    observed = np.ones((3, 32, 32, 1), np.float32)
    observed[:, 8:20, 8:24] = 0.0
    return (random.uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32), random.normal(size=(3, 2)).astype(np.float32),
            observed)


@pytest.mark.slow
def test_hidden_pixels_do_not_matter(model, pictures):
    images, attributes, observed = pictures
    ours = amortised_start(model, images, attributes, observed)
    others = amortised_start(model, np.where(observed > 0, images, np.float32(np.nan)), attributes, observed)
    for one, other in zip(ours, others, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.shape == (3, 6)


def test_without_layers_and_hidden_pixels_it_is_the_encoder(pictures):
    model = models.create(ModelConfig(model="cvae", image_size=32, width=0.0625, latent_size=6,
                                      attribute_mean=(0.0, 0.0), attribute_standard_deviation=(1.0, 1.0)))
    images, attributes, observed = pictures
    posterior = model.encode(images, observed, attributes)
    mean, scale = amortised_start(model, images, attributes, np.ones_like(observed))
    np.testing.assert_allclose(mean, posterior.mean(), atol=1e-6)
    np.testing.assert_allclose(tf.square(scale), posterior.stddev(), atol=1e-6)


@pytest.mark.slow
def test_the_descent_starts_there(model, pictures):
    images, attributes, observed = pictures
    optimizer = LatentOptimizer(
        model.decode, Energy(), OptimizerConfig(evaluations=1), latent_size=6, attribute_size=2,
        start=functools.partial(amortised_start, model))
    found = optimizer.infer(tf.constant(images), attributes, observed)["latents"]
    np.testing.assert_allclose(found, amortised_start(model, images, attributes, observed)[0], atol=1e-5)
