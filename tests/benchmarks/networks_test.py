"""Laws of the benchmark of networks."""

import numpy as np

from attr2image_tf import models
from benchmarks import networks, steps


def test_every_gradient_of_a_step_is_computed():
    config = steps.make_config(image_size=32, width=0.0625, foreground_latent_size=4, background_latent_size=3)
    model = models.create(config)
    passes = networks.passes(model, steps.make_batch(config, 2))
    assert len(passes) == len(model.layers)
    for name, compute in passes.items():
        total, gradients = compute()
        assert np.isfinite(total), name
        assert all(gradient is not None and np.abs(gradient).max() > 0.0 for gradient in gradients), name
