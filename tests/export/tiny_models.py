"""Exports of a tiny untrained model, made once for the tests of serving."""

import functools
import pathlib
import tempfile

import numpy as np

from attr2image_tf import models
from attr2image_tf.config import ModelConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from export import serving
from export.publishing import make_modules, publish

# Those that the README speaks of.
NAMES = ("Smiling", "Male", "Senior")
# Tracing a signature of the latent optimiser takes seconds; these are what the client uses.
SIGNATURES = ("serving_default", "describe", "infer_bytes", "infer_attributes_bytes", "edit_latents_bytes",
              "complete_sample_bytes")
# Removed when the process ends.
_folder = None


def create(name: str):
    """Generator, latent optimiser and schema of a new tiny model: "vae", "cvae" or "discvae"."""
    schema = AttributeSchema.measure(NAMES, np.random.default_rng(0).random((50, 3)))
    config = ModelConfig(
        model=name, image_size=32, width=0.0625, latent_size=5, foreground_latent_size=4, background_latent_size=3,
        attribute_mean=(0.5,) * 3, attribute_standard_deviation=(0.3,) * 3)

    def load():
        model = models.create(config)
        # First weights draw everything grey; larger ones make the pictures depend on latents and attributes.
        for variable in model.trainable_variables:
            variable.assign(1.3 * variable)
        return model

    modules = make_modules(load, schema, OptimizerConfig(iterations=4, memory=2))
    return modules["generator"], modules["latent_optimizer"], schema


@functools.cache
def modules():
    """Generator, latent optimiser and their signatures, by name."""
    generator, optimizer, schema = create("discvae")
    return {"generator": (generator, generator.signatures()),
            "latent_optimizer": (optimizer, optimizer.signatures(SIGNATURES))}, schema


@functools.cache
def exported() -> pathlib.Path:
    """The folder of version 1 of both models, published as export_run does; shared by all tests of a process."""
    global _folder
    _folder = tempfile.TemporaryDirectory()
    folder = pathlib.Path(_folder.name)
    parts, schema = modules()
    vectors = serving.plausible_rows(parts["generator"][0].generate, schema)
    for name, (module, functions) in parts.items():
        publish(module, functions, folder / name,
                finish=functools.partial(serving.write_warmup, name=name, functions=functions, vectors=vectors))
    serving.write_server_files(folder)
    return folder
