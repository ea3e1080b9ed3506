"""Exports of tiny untrained models: saved once in a run of the tests; traced, loaded and served once for a process."""

import atexit
import contextlib
import functools
import pathlib

import numpy as np

from attr2image_tf.client.local import LocalModels
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.signatures import serving
from attr2image_tf.signatures.publishing import make_modules, publish
from tests import once, tiny
from tests.export import model_server

# Those that the README speaks of.
NAMES = ("Smiling", "Male", "Senior")
SCHEMA = AttributeSchema.measure(NAMES, np.random.default_rng(0).random((50, 3)))
INFERENCE = OptimizerConfig(evaluations=4, memory=2)
# Loading a signature of the latent optimiser takes seconds; these are what the client uses.
SIGNATURES = ("serving_default", "describe", "infer_bytes", "infer_attributes_bytes", "edit_latents_bytes",
              "complete_bytes", "complete_sample_bytes", "complete_latents_bytes", "complete_sample_latents_bytes")
# What is open until the process ends: a server.
_open = contextlib.ExitStack()
atexit.register(_open.close)


@functools.cache
def modules(name: str) -> dict:
    """Generator and latent optimiser, by name, each on a model folded for it: of a "vae", "cvae" or "discvae"."""
    return make_modules(functools.partial(model, name), SCHEMA, INFERENCE)


def model(name: str):
    """What `modules` are made of."""
    return tiny.make_model(name, latent_size=5, foreground_latent_size=4, background_latent_size=3,
                           attribute_mean=(0.5,) * 3, attribute_standard_deviation=(0.3,) * 3)


@functools.cache
def functions(name: str) -> dict:
    """All signatures of both, by name."""
    return {part: module.signatures() for part, module in modules(name).items()}


def folded_model(part: str):
    """The model behind the generator or the latent optimiser."""
    module = modules("discvae")[part]
    return getattr(module, "_generator", module)._model.value


@functools.cache
def exported() -> pathlib.Path:
    """The folder of version 1 of both models, published as export_run does, the latent optimiser with SIGNATURES.

    All processes of the tests read it: who publishes into it takes a copy.
    """
    return once.made("tiny_models", _export)


def _export(folder):
    vectors = serving.plausible_rows(modules("discvae")["generator"].generate, SCHEMA)
    for name, module in modules("discvae").items():
        chosen = published(name)
        publish(module, chosen, folder / name,
                finish=functools.partial(serving.write_warmup, name=name, functions=chosen, vectors=vectors))
    serving.write_server_files(folder)


def published(part: str) -> dict:
    """The signatures that `exported` has of a model."""
    traced = functions("discvae")[part]
    return {name: traced[name] for name in SIGNATURES} if part == "latent_optimizer" else traced


@functools.cache
def local() -> LocalModels:
    """`exported`, loaded as an app does."""
    return LocalModels(exported())


@functools.cache
def loaded() -> dict[str, model_server.LoadedModel]:
    """`exported`, loaded as a server does."""
    return {name: model_server.LoadedModel(exported() / name) for name in serving.MODELS}


@functools.cache
def served() -> tuple[str, str]:
    """The REST and the gRPC address of a server of `loaded`."""
    return _open.enter_context(model_server.serve(exported(), models=loaded()))
