"""What the mains that train share: the loop as their flags set it, and a run from start to sample pictures."""

import contextlib
import signal
import sys
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from absl import logging

from attr2image_tf import pixels, runtime
from attr2image_tf.client.local import LocalModels
from attr2image_tf.config import RunConfig
from attr2image_tf.data import AttributeDataset
from attr2image_tf.data.augmentation import AugmentationConfig
from attr2image_tf.data.batches import BatchReader
from attr2image_tf.evaluation import sheets
from attr2image_tf.learner import Diverged
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.publishing import export_run
from trainers import strategies
from trainers.bound_learner import BoundLearner
from trainers.journal import Journal
from trainers.loop import Loop


def make_loop(values, config: RunConfig, dataset: AttributeDataset, strategy: tf.distribute.Strategy,
              folder: RunFolder, *, write: bool = True, learner: Callable = BoundLearner) -> Loop:
    """The loop that the flags ask for; `folder` gets its configuration unless `write` is off. `learner`: see Loop.

    Raises:
        ValueError: a batch that the replicas cannot share, or another process trains in the folder.
    """
    augmentation = AugmentationConfig(flip_probability=0.5 if config.flip else 0.0,
                                      maximum_sharpening=config.sharpness,
                                      maximum_rotation=config.rotation,
                                      cropped_size=dataset.image_size if config.crop else None)
    reader = BatchReader(dataset, batch_size=config.batch_size, seed=config.model.seed, augmentation=augmentation)
    if config.batch_size % strategy.num_replicas_in_sync:
        raise ValueError(f"batch_size={config.batch_size} cannot be divided evenly among "
                         f"{strategy.num_replicas_in_sync} replicas; use a multiple.")
    native = runtime.has_bfloat16()
    if config.model.precision == "mixed_bfloat16" and native is False:
        logging.warning("This processor has no bfloat16 instructions, so training takes many times as long as in "
                        "float32; train without --precision.")
    elif config.model.precision == "float32" and native:
        logging.info("This machine computes in bfloat16 too: --precision=mixed_bfloat16 trains faster. On processors a "
                     "step takes 0.6 of the time at full and half width, 0.8 at a quarter.")
    chief = strategies.is_chief() and write
    if chief:
        folder.lock()
        # Another may have written since it was last looked at.
        folder.check(config)
        folder.write(config, dataset.schema)
    return Loop(config, reader, strategy, folder, chief=chief, jit_compile=values.jit_compile,
                steps_per_execution=values.steps_per_execution, checkpoint_seconds=60 * values.checkpoint_minutes,
                learner=learner)


@contextlib.contextmanager
def _leaving_on_signals():
    """SIGTERM and SIGINT end the process with the status that a shell gives, and what is half written is removed."""
    def leave(number, frame):
        del frame
        logging.info("%s: stopping; the same command continues from here.", signal.Signals(number).name)
        sys.exit(128 + number)

    handlers = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@_leaving_on_signals()
def train(loop: Loop, dataset: AttributeDataset, prepare: Callable[[], None] = lambda: None):
    """Runs a loop to its end; then the chief prepares the export, exports, draws a sheet and prints where all is.

    Args:
        prepare: function that does what the run folder lacks for the export; nothing by default.

    Raises:
        SystemExit: training diverged, or the cluster lost a worker (status 1); or a signal asked for an end, which the
            same command continues from (128 and the signal's number).
    """
    if loop.chief:
        loop.on_epoch = Journal(loop.folder, dataset, loop.config)
    try:
        done = loop.run()
    except Diverged as error:
        sys.exit(f"error: {error}")
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        # The first lines tell where in the graph, the last what happened.
        logging.debug("%s", error)
        sys.exit("error: the cluster lost a worker; find out which ended first and why. Start all workers again with "
                 f"the same commands; they continue from the last checkpoint. ({type(error).__name__})")
    if not done:
        # Another worker's signal is as good as one's own.
        sys.exit(128 + (loop.stopped_by or signal.SIGTERM))
    if loop.chief:
        prepare()
        # What the picture shows is said before its path, which ends the output so that it is easily copied.
        sheet = _export_and_draw(loop.folder, dataset)
        print(f"Exported to {loop.folder.models}. Test pictures on the left, each with what the exported generator "
              f"draws for its attributes:\n{sheet}")


def tune(values, config: RunConfig, dataset: AttributeDataset, strategy: tf.distribute.Strategy, source: RunFolder,
         folder: RunFolder, learner: Callable):
    """`train` of what goes on from the run in `source`; arguments are those of `make_loop`.

    Encoders stay as they were, so where they put pictures does too: the prior is that of the run.
    """
    loop = make_loop(values, config, dataset, strategy, folder, learner=learner)
    if loop.chief:
        folder.take_prior(source)
    train(loop, dataset)


def _export_and_draw(folder, dataset):
    """Exports the run, loads the generator as an app would, and draws a sheet with it. Returns the sheet's path."""
    version = export_run(folder.path, folder.models)["generator"]
    models = LocalModels(folder.models, {"generator": version.name})

    def generate(attributes, seeds):
        return models.call("generator", "generate", attributes=attributes, seed=seeds)["images"]

    examples = list(dataset.examples("test").take(8).as_numpy_iterator())
    sheet = sheets.beside_references(generate, [example["image"] for example in examples],
                                     np.stack([example["attributes"] for example in examples]), count=8, seed=0)
    return pixels.save(sheet, folder.path / "sheet.png")
