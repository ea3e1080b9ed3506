"""From a run folder to numbered versions of SavedModels, as TF Serving lays them out."""

import os
import pathlib
import shutil
import tempfile

import tensorflow as tf

from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.run_folder import RunFolder
from export.generator import Generator
from export.latent_optimizer import LatentOptimizerModule


def export_run(run: str | os.PathLike, output: str | os.PathLike, *,
               inference: OptimizerConfig = OptimizerConfig()) -> dict[str, pathlib.Path]:
    """Exports the generator and the latent optimiser of a run; returns the new versions' folders by name.

    Raises:
        ConfigError: `run` is no run, or has no checkpoint yet.
    """
    folder = RunFolder(run)
    model, schema = folder.load_model(), folder.read_schema()
    model.fold()
    modules = {"generator": Generator(model, schema),
               "latent_optimizer": LatentOptimizerModule(model, schema, inference)}
    return {name: publish(module, module.signatures(), pathlib.Path(output) / name)
            for name, module in modules.items()}


def publish(module: tf.Module, signatures, base: pathlib.Path) -> pathlib.Path:
    """Saves a module as the next version below `base`.

    It is written beside its place, under a name that no server takes for a version, and renamed into it.
    """
    base.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(dir=base, prefix=".version-"))
    try:
        tf.saved_model.save(module, str(beside), signatures=signatures)
        beside.chmod(0o755)
        while True:
            version = base / str(1 + max((int(path.name) for path in base.iterdir() if path.name.isdigit()), default=0))
            try:
                # Fails where another export has taken the number meanwhile.
                os.rename(beside, version)
                return version
            except OSError:
                if not version.exists():
                    raise
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
