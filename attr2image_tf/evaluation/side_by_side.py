"""Sheets in which all runs draw, reconstruct and complete the same test pictures."""

from collections.abc import Mapping

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.evaluation import posterior
from attr2image_tf.evaluation.context import EvaluationData, evenly_spaced
from attr2image_tf.evaluation.workspace import Workspace

_COLUMNS = 12


def sheets(data: EvaluationData, runs: Mapping[str, Workspace]) -> dict[str, np.ndarray]:
    """Pictures uint8 by title, of the experiments that are finished for every run; a column is one test picture."""
    test, config = data.test, data.config
    inferred, completed = (test[evenly_spaced(len(test), count)] for count in (config.inferred, config.completed))
    made = {"one sample for the attributes of each real picture": _sheet(test, runs, "samples", "images"),
            "reconstructions by posterior inference": _sheet(inferred, runs, "reconstruction", "inferred")}
    for place in posterior.places(data):
        for size in config.patch_sizes[-2:]:
            hidden = posterior.patches(completed.masks, size, inside=place == posterior.INSIDE, seed=config.seed)
            made[f"completion of {size} x {size} pixels {place}"] = _sheet(
                completed, runs, posterior.completion_name(place, size), "images", hidden)
    return {title: sheet for title, sheet in made.items() if sheet is not None}


def _sheet(test, runs, work, key, hidden=None):
    drawn = {label: workspace.finished_rows(work, key) for label, workspace in runs.items()}
    if any(images is None or len(images) != len(test) for images in drawn.values()):
        return None
    shown = evenly_spaced(len(test), _COLUMNS)
    rows, labels = [test.images[shown]], ["real"]
    if hidden is not None:
        rows.append((test.images * (1 - hidden) + 128 * hidden)[shown].astype(np.uint8))
        labels.append("hidden")
    return pixels.grid([*rows, *(images[shown] for images in drawn.values())], row_labels=[*labels, *drawn])
