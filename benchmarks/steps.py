"""One training step on a fixed batch of noise, as `trainers.train` takes it, and its arithmetic."""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from attr2image_tf import models
from attr2image_tf.config import ModelConfig, RunConfig
from attr2image_tf.models.optimizer import Adam, WeightAverage
from trainers import strategies

ATTRIBUTES = 73  # of LFW, which the peer's network has


def make_config(**settings) -> ModelConfig:
    """ModelConfig with the attributes of LFW."""
    return ModelConfig(attribute_mean=(0.0,) * ATTRIBUTES, attribute_standard_deviation=(1.0,) * ATTRIBUTES, **settings)


def make_batch(config: ModelConfig, rows: int) -> dict[str, tf.Tensor]:
    """A batch of noise."""
    random = np.random.default_rng(0)
    shape = (rows, config.image_size, config.image_size)
    batch = {"image": random.uniform(-1, 1, (*shape, 3)), "mask": random.uniform(0, 1, (*shape, 1)) > 0.5,
             "attributes": random.normal(size=(rows, config.attribute_count)), "weight": np.ones(rows)}
    return {name: tf.constant(value, tf.float32) for name, value in batch.items()}


def make_step(batch_size: int, *, jit_compile: bool, strategy: str, **settings) -> tuple[Callable[[], object], float]:
    """A training step with the optimiser's defaults of RunConfig, and the moving average of the weights; its GFLOP.

    Args:
        batch_size: int. Rows of all replicas together.
        jit_compile: bool. XLA.
        strategy: name of a strategy (`trainers.strategies`).
        settings: of `make_config`.
    """
    config = make_config(**settings)
    run = RunConfig(dataset="noise", model=config)
    distribution = strategies.create(strategy)
    with distribution.scope():
        model = models.create(config)
        variables = [variable.value for variable in model.variables]
        optimizer = Adam([variable.value for variable in model.trainable_variables], run.learning_rate, l2=run.l2,
                         clip_norm=run.clip_norm, scale_loss=config.precision == "mixed_float16")
        average = WeightAverage(variables, run.average_decay)
    batch = make_batch(config, batch_size // distribution.num_replicas_in_sync)

    def replica_step():
        terms = model.training_step(batch, optimizer)
        average.update(variables, optimizer.iterations)
        return terms["lower_bound"]

    def step(replica_step):
        return distribution.reduce("SUM", distribution.run(replica_step), axis=None)

    counted = tf.function(lambda: step(replica_step)).get_concrete_function()
    compiled = tf.function(replica_step, jit_compile=True) if jit_compile else replica_step
    taken = tf.function(lambda: step(compiled))
    return lambda: taken().numpy(), count_gflop(counted.graph)


def count_gflop(graph: tf.Graph) -> float:
    """1e9 multiplications and additions of a graph's convolutions, their gradients and its matrix products."""
    total = 0
    for operation in graph.get_operations():
        if operation.type == "MatMul":
            inner = operation.inputs[0].shape[0 if operation.get_attr("transpose_a") else 1]
            total += inner * math.prod(operation.outputs[0].shape)
        elif operation.type == "Conv2D":
            total += math.prod(operation.outputs[0].shape[:3]) * math.prod(operation.inputs[1].shape)
        elif operation.type == "Conv2DBackpropInput":
            total += math.prod(operation.inputs[2].shape[:3]) * math.prod(operation.inputs[1].shape)
        elif operation.type == "Conv2DBackpropFilter":
            total += math.prod(operation.inputs[2].shape[:3]) * math.prod(operation.outputs[0].shape)
    return 2e-9 * total
