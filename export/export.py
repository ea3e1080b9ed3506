"""From a trained run to SavedModels.

    python -m export.export --run=runs/lfw --output=models

writes models/generator/<version>/, complete or not at all, one version above the largest that is there.
"""

import os
import pathlib
import shutil
import tempfile

import tensorflow as tf
from absl import app, flags, logging

from attr2image_tf.errors import clear_errors
from attr2image_tf.run_folder import RunFolder
from export.generator import Generator

flags.DEFINE_string("run", None, "Folder of the trained run.")
flags.DEFINE_string("output", "models", "Folder that gets generator/<version>/.")


def export_run(run: str | os.PathLike, output: str | os.PathLike) -> pathlib.Path:
    """Exports the generator of a run; returns the new version's folder.

    Raises:
        ConfigError: `run` is no run, or has no checkpoint yet.
    """
    folder = RunFolder(run)
    generator = Generator(folder.load_model(), folder.read_schema())
    return publish(generator, generator.signatures(), pathlib.Path(output) / "generator")


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


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    with clear_errors():
        if not flags.FLAGS.run:
            raise ValueError("--run is missing; name the folder of a trained run.")
        version = export_run(flags.FLAGS.run, flags.FLAGS.output)
    logging.set_verbosity(logging.INFO)
    print(version)


if __name__ == "__main__":
    app.run(main)
