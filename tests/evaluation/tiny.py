"""Untrained models and a regressor small enough to be evaluated in seconds."""

import numpy as np
import tensorflow as tf

from attr2image_tf.config import RunConfig
from attr2image_tf.data.emblems import BACKGROUNDS, open_emblems
from attr2image_tf.evaluation import attribute_regressor, context, pictures
from attr2image_tf.evaluation.attribute_regressor import AttributeRegressor
from attr2image_tf.evaluation.config import EvaluationConfig, RegressorConfig
from attr2image_tf.evaluation.workspace import Workspace
from attr2image_tf.models.optimizer import WeightAverage
from tests import tiny
from tests.tiny import SIZE


def make_dataset():
    return open_emblems(image_size=SIZE, train=60, validation=5, test=16)


def make_model(name, schema):
    model = tiny.make_model(
        name, gain=1.0, seed=3, attribute_mean=tuple(schema.mean.tolist()),
        attribute_standard_deviation=tuple(np.maximum(schema.standard_deviation, 1e-3).tolist()))
    # Kernels alone, and more than elsewhere: pictures of two models must differ to a regressor.
    for variable in model.trainable_variables:
        if variable.shape.rank > 1:
            variable.assign(1.5 * variable)
    return model


def make_regressor(schema, seed=0):
    config = RegressorConfig(dataset="emblems", image_size=SIZE, width=4, flip=False, seed=seed,
                             **schema.standardisation())
    return AttributeRegressor(attribute_regressor.build(config), config, schema)


def make_evaluation_data(dataset, *, scenes=None, **settings):
    settings = {"inferred": 6, "completed": 4, "bounded": 4, "iterations": 8, "patch_sizes": (8,), "batch_size": 4,
                "background_attributes": BACKGROUNDS, "inception": False} | settings
    return context.EvaluationData(pictures.read(dataset, "test"), pictures.read(dataset, "train"), dataset.schema,
                                  {"a": make_regressor(dataset.schema), "b": make_regressor(dataset.schema, 1)},
                                  EvaluationConfig(**settings), scenes)


def make_context(name, data, path):
    return context.Context(make_model(name, data.schema), data, Workspace(path / name, {}))


def write_run(folder, name, schema):
    """An untrained run, as RunFolder finds one."""
    model = make_model(name, schema)
    folder.write(RunConfig(dataset="emblems", model=model.config, epochs=1), schema)
    average = WeightAverage([variable.value for variable in model.variables], 0.999)
    tf.train.CheckpointManager(tf.train.Checkpoint(average=average), str(folder.checkpoints), 1).save(1)


def write_regressor(path, schema, seed=0):
    """An untrained regressor in a folder, its errors not measured."""
    from attr2image_tf.files import write_text
    from attr2image_tf.run_folder import RunFolder

    regressor = make_regressor(schema, seed)
    RunFolder(path).write(regressor.config, schema)
    attribute_regressor.save(regressor.network, path)
    write_text(path / "metrics.json", '{"cosine_similarity": 0.1, "raw_cosine_similarity": 0.2, "squared_error": 1.0, '
               '"correlation": 0.0, "sign_accuracy": 0.5, "pictures": 16}')
    return regressor
