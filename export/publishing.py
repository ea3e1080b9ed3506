"""From a run folder to numbered versions of SavedModels, as TF Serving lays them out."""

import contextlib
import importlib.util
import os
import pathlib
import shutil
import tempfile

import tensorflow as tf
from absl import logging

from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.run_folder import RunFolder
from export import serving
from export.generator import Generator
from export.latent_optimizer import LatentOptimizerModule


def export_run(run: str | os.PathLike, output: str | os.PathLike, *,
               inference: OptimizerConfig = OptimizerConfig(), keep: int = 0) -> dict[str, pathlib.Path]:
    """Exports the generator and the latent optimiser of a run, with warm-up records and the server's configuration.

    Args:
        run: the run folder.
        output: the folder that gets generator/<version>/ and latent_optimizer/<version>/.
        inference: OptimizerConfig of the latent optimiser.
        keep: int. Newest versions of each model that stay, older ones are removed; 0 keeps all.

    Returns:
        The new versions' folders by name.

    Raises:
        ConfigError: `run` is no run, or has no checkpoint yet.
    """
    folder = RunFolder(run)
    model, schema = folder.load_model(), folder.read_schema()
    model.fold()
    modules = {"generator": Generator(model, schema),
               "latent_optimizer": LatentOptimizerModule(model, schema, inference)}
    vectors = {"attributes": schema.mean, "new_attributes": schema.maximum}
    versions = {}
    for name, module in modules.items():
        functions = module.signatures()

        def warm_up(path, name=name, functions=functions):
            if importlib.util.find_spec("tensorflow_serving"):
                serving.write_warmup(path, name, functions, vectors)
            else:
                logging.info("%s: no warm-up records; they need tensorflow-serving-api (pip install .[serving]).", name)

        versions[name] = publish(module, functions, pathlib.Path(output) / name, finish=warm_up)
        remove_old_versions(pathlib.Path(output) / name, keep)
    serving.write_server_files(pathlib.Path(output))
    return versions


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
        module: tf.Module.
        signatures: ConcreteFunction by name.
        base: the model's folder.
        finish: function of the folder, called before it gets its place, for what else belongs into it.
    """
    base.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(dir=base, prefix=".version-"))
    try:
        with _quiet():
            tf.saved_model.save(module, str(beside), signatures=signatures)
        if finish:
            finish(beside)
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


@contextlib.contextmanager
def _quiet():
    """Without TensorFlow's notes on how it names captured variables, of thousands of characters each."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(before)
