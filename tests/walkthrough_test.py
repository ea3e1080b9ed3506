"""The notebook runs from its first cell to its last."""

import json
import pathlib

import pytest

NOTEBOOK = pathlib.Path(__file__).parents[1] / "docs" / "walkthrough.ipynb"

pytestmark = pytest.mark.nightly


def test_every_cell_runs():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5
    # What a reader sees was made by these cells.
    assert all(cell["execution_count"] == place and cell["outputs"] for place, cell in enumerate(cells, start=1))
    names = {}
    for place, cell in enumerate(cells, start=1):
        exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}, cell {place}", "exec"), names)
    assert names["found"].reconstruction.shape == names["drawn"].shape
    losses = names["history"].history["loss"]
    assert losses[-1] < losses[0]
