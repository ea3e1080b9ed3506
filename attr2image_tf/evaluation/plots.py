"""Plots of a report, as uint8 pictures [H, W, 3]."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_CURVES = {"validation_lower_bound": "lower bound on validation pictures, nats",
           "validation_squared_error": "squared error on validation pictures, pixels in [-1, 1]",
           "observation_standard_deviation": "standard deviation of p(x | .)"}
_MOST_ATTRIBUTES = 80


def training_curves(logs: Mapping[str, Sequence[Mapping[str, str]]]) -> np.ndarray:
    """Curves by epoch for each run, from the rows of its log.csv."""
    figure = Figure(figsize=(14, 4), layout="constrained")
    for axes, (column, title) in zip(figure.subplots(1, len(_CURVES)), _CURVES.items(), strict=True):
        for label, rows in logs.items():
            axes.plot([int(row["epoch"]) for row in rows], [float(row[column]) for row in rows], label=label)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    return _drawn(figure)


def by_attribute(values: Mapping[str, Mapping[str, float]], title: str) -> np.ndarray:
    """One dot for each attribute and column, attributes in the order of the first column.

    Args:
        values: number by attribute name by label. Of very many attributes the first 80 are shown.
        title: text.
    """
    first = next(iter(values.values()))
    names = sorted(first, key=lambda name: -first[name])[:_MOST_ATTRIBUTES]
    figure = Figure(figsize=(max(6.0, 0.19 * len(names) + 1.5), 5), layout="constrained")
    axes = figure.subplots()
    for number, (label, numbers) in enumerate(values.items()):
        axes.plot(range(len(names)), [numbers[name] for name in names], "ov^sDP*X"[number % 8], label=label,
                  markersize=5, alpha=0.8)
    axes.axhline(0.0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=10)
    axes.legend()
    return _drawn(figure)


def _drawn(figure):
    # Not by pyplot, so that no window system and no global state is touched.
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(90)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
