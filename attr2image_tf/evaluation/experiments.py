"""The paper's experiments by name, and what runs them one after another."""

import time
from collections.abc import Callable, Sequence

from absl import logging

from attr2image_tf.evaluation import disentanglement, generation, posterior
from attr2image_tf.evaluation.context import Context, Material
from attr2image_tf.evaluation.workspace import Workspace, duration

# In the order of the report; what takes long comes last.
EXPERIMENTS: dict[str, Callable] = {
    "faithfulness": generation.faithfulness,
    "diversity": generation.diversity,
    "distances": generation.distances,
    "retrieval": generation.retrieval,
    "progression": generation.progression,
    "leakage": disentanglement.leakage,
    "swap": disentanglement.swap,
    "bounds": posterior.bounds,
    "reconstruction": posterior.reconstruction,
    "completion": posterior.completion,
}
LAYERED_ONLY = ("leakage", "swap")

# The same figures of real pictures, or of what any model should beat.
REFERENCES: dict[str, Callable] = {
    "faithfulness": generation.real_faithfulness,
    "diversity": generation.real_diversity,
    "distances": generation.real_distances,
    "retrieval": generation.real_retrieval,
    "leakage": disentanglement.real_leakage,
    "reconstruction": posterior.real_reconstruction,
    "completion": posterior.real_completion,
}


def measure_references(material: Material, workspace: Workspace, names: Sequence[str]):
    """Writes the references of the named experiments that are not there yet."""
    for name in names:
        if name in REFERENCES and workspace.read(name) is None:
            logging.info("Reference of %s.", name)
            started = time.monotonic()
            figures, pictures = REFERENCES[name](material)
            workspace.write(name, figures, pictures, time.monotonic() - started)


def measure_run(context: Context, names: Sequence[str]):
    """Writes the named experiments of one run that are not there yet; those of layers, for layered models only."""
    names = [name for name in names if context.model.layered or name not in LAYERED_ONLY]
    for place, name in enumerate(names, start=1):
        if context.workspace.read(name) is not None:
            continue
        logging.info("%s: experiment %d of %d, %s.", context.workspace.path.name, place, len(names), name)
        started = time.monotonic()
        figures, pictures = EXPERIMENTS[name](context)
        seconds = time.monotonic() - started
        context.workspace.write(name, figures, pictures, seconds)
        logging.info("%s: %s took %s.", context.workspace.path.name, name, duration(seconds))
