"""Publishes a run folder as numbered versions of SavedModels, in TF Serving's layout."""

import dataclasses
import importlib.util
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf import pixels
from attr2image_tf.config import WEIGHTS, ConfigError
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.evaluation.attribute_regressor import AttributeRegressor
from attr2image_tf.files import as_path, check_no_pattern, folder_beside
from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.folding import fold
from attr2image_tf.randomness import seed_rows
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures import serving
from attr2image_tf.signatures.generator import Generator, as_written
from attr2image_tf.signatures.latent_optimizer import LatentOptimizerModule

# The type of stored kernels, by name; None leaves them as they are.
STORAGE = dict(zip(WEIGHTS, (None, tf.float16, tf.bfloat16), strict=True))


def export_run(run: str | os.PathLike, output: str | os.PathLike, *, inference: OptimizerConfig = OptimizerConfig(),
               keep: int = 0, weights: str = "float32", temperature: float = 1.0,
               regressor: str | os.PathLike | None = None, significant_bits: int | None = None,
               detail: Mapping[str, float] | None = {}) -> dict[str, pathlib.Path]:
    """Exports the generator and the latent optimiser of a run, with warm-up records and the server's configuration.

    Args:
        run: the run folder.
        output: the folder that gets generator/<version>/ and latent_optimizer/<version>/.
        inference: OptimizerConfig of the latent optimiser.
        keep: int. Newest versions of each model that stay, older ones are removed; 0 keeps all.
        weights: one of STORAGE.
        temperature: float, at least 0. Factor on the noise that `generate` draws.
        regressor: folder of the attribute regressor by which the latent optimiser reads attributes that are not given;
            None leaves them to the generator alone.
        significant_bits: int, 2 to 24, to which kernels are rounded, kept as they are: as fast as before, and smaller
            once compressed (8 are those of bfloat16). None does not round.
        detail: how the second stage draws, where not as the run's DetailConfig has it: its fields `steps`, `guidance`,
            `temperature`. None leaves the second stage out.

    Returns:
        The new versions' folders by name.

    Raises:
        ConfigError: `run` is no run, or has no checkpoint yet; the regressor is of other attributes, not finished, or
            its errors were not measured; or `detail` is given and the run has none.
        ValueError: TensorFlow would take one of the paths for a pattern.
    """
    folder, output = RunFolder(run), as_path(output)
    check_no_pattern(output, "output")
    schema = folder.read_schema()
    if detail and folder.read_config().detail is None:
        raise ConfigError(f"{', '.join(f'detail_{name}' for name in detail)}: the run {str(folder.path)!r} has no "
                          "detail; train it with `python -m trainers.detail`, or leave this out.")

    def load():
        model = folder.load_model()
        if detail is None:
            model.detail = None
        elif detail:
            model.detail.config = dataclasses.replace(model.detail.config, **detail)
        return model

    reader = regressor and load_reader(regressor, schema, folder.read_config().model.image_size)
    modules = make_modules(load, schema, inference, STORAGE[weights], temperature, reader)
    vectors = serving.plausible_rows(modules["generator"].generate, schema)
    versions = {}
    for name, module in modules.items():
        functions = module.signatures()
        for kernel in module.variables if significant_bits else ():
            if kernel.shape.rank > 1:
                kernel.assign(rounded(kernel.numpy(), significant_bits))

        def finish(path, name=name, functions=functions):
            if importlib.util.find_spec("tensorflow_serving"):
                serving.write_warmup(path, name, functions, vectors)
            else:
                logging.info("%s: no warm-up records; they need tensorflow-serving-api (pip install .[serving]).", name)

        versions[name] = publish(module, functions, output / name, finish=finish)
        remove_old_versions(output / name, keep)
    serving.write_server_files(output)
    return versions


def rounded(values: np.ndarray, significant_bits: int) -> np.ndarray:
    """Numbers rounded to so many significant binary digits."""
    mantissa, exponent = np.frexp(values)
    scale = np.float32(2**significant_bits)
    return np.ldexp(np.rint(mantissa * scale) / scale, exponent).astype(values.dtype)


def load_reader(folder: str | os.PathLike, schema: AttributeSchema, image_size: int) -> AttributeRegressor:
    """The regressor of a folder, for a latent optimiser.

    Raises:
        ConfigError: it is of other attributes or another size, not finished, or its errors were not measured.
    """
    regressor = attribute_regressor.load(folder)
    regressor.check_fits(os.fspath(folder), schema, image_size)
    if regressor.error_covariance is None:
        raise ConfigError(f"regressor {os.fspath(folder)!r} is of an older version, which did not measure its errors; "
                          "run the command that trained it again to add them.")
    return regressor


def make_modules(load_model: Callable[[], AttributeModel], schema: AttributeSchema, inference: OptimizerConfig,
                 storage: tf.DType | None = None, temperature: float = 1.0,
                 regressor: AttributeRegressor | None = None) -> dict[str, tf.Module]:
    """The generator and the latent optimiser, each on a model folded for what it does.

    Args:
        load_model: function that gives the model anew, not folded.
        schema: AttributeSchema of the run.
        inference: OptimizerConfig of the latent optimiser.
        storage: see `folding.fold`.
        temperature: of `generate`.
        regressor: of the latent optimiser, or None.
    """
    def load(gradients):
        model = load_model()
        fold(model, storage, gradients)
        return model

    return {"generator": Generator(load(gradients=False), schema, temperature),
            "latent_optimizer": LatentOptimizerModule(load(gradients=True), schema, inference, regressor)}


def picture_difference(run: str | os.PathLike, version: str | os.PathLike, *, samples: int = 64,
                       temperature: float = 1.0) -> tuple[float, float]:
    """Mean and largest difference, in levels of 255, between pictures of an exported generator and its run's model."""
    folder = RunFolder(run)
    attributes = tf.constant(folder.read_schema().draw({}, samples))
    seed = tf.constant(seed_rows(0, samples))
    exported = tf.saved_model.load(os.fspath(version))
    expected = pixels.unit_from_model_range(folder.load_model().generate(attributes, seed, temperature)["images"])
    found = exported.signatures["generate"](attributes=attributes, seed=seed)["images"]
    difference = 255.0 * np.abs(found - expected)
    return float(difference.mean()), float(difference.max())


def remove_old_versions(base: pathlib.Path, keep: int):
    """Removes all but the `keep` newest versions; 0 keeps all."""
    versions = sorted((path for path in base.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    for path in versions[:-keep] if keep else []:
        # Renamed first: a server must not find half a version under a version's name.
        gone = path.with_name(f".removed-{path.name}")
        path.rename(gone)
        shutil.rmtree(gone)


def publish(module: tf.Module, signatures, base: pathlib.Path, *, finish=None) -> pathlib.Path:
    """Saves a module as the next version below `base`.

    It is written beside its place, under a name that no server takes for a version, and renamed into it.

    Args:
        signatures: ConcreteFunction by name.
        base: the model's folder.
        finish: function of the folder, called before it gets its place, for what else belongs into it.
    """
    with folder_beside(base / "version") as beside:
        with as_written():
            save_quietly(module, beside, signatures)
        if finish:
            finish(beside)
        while True:
            version = base / str(1 + max((int(path.name) for path in base.iterdir() if path.name.isdigit()), default=0))
            try:
                # Fails where another export has taken the number meanwhile.
                os.rename(beside, version)
                return version
            except OSError:
                if not version.exists():
                    raise


def save_quietly(module: tf.Module, folder: str | os.PathLike, signatures):
    """tf.saved_model.save without its notes on how it names captured variables, of thousands of characters each."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        # Nobody differentiates an export. Functions for that would be a tenth of what there is to load.
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
        tf.saved_model.save(module, os.fspath(folder), signatures=signatures, options=options)
    finally:
        logging.set_verbosity(before)
