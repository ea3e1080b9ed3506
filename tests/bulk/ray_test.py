"""The example of docs/BULK.md for Ray runs as it is written."""

import pathlib
import re

import pytest

from tests.bulk import inputs
from tests.export import tiny_models

ray = pytest.importorskip("ray", reason='Ray is not installed; pip install "ray[data]" brings it')
ROOT = pathlib.Path(__file__).parents[2]


# Ray's own code warns of itself, of what it deprecates and of files that it leaves open.
@pytest.mark.nightly
@pytest.mark.filterwarnings("default")
def test_the_example_does_all_shards(tmp_path, monkeypatch):
    code, = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "BULK.md").read_text(), re.DOTALL)
    (tmp_path / "models").symlink_to(tiny_models.exported())
    inputs.write_pictures(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    names = {}
    try:
        exec(compile(code, "BULK.md", "exec"), names)
    finally:
        ray.shutdown()
    assert names["manifest"]["done"] == len(inputs.NAMES)
    assert sum(each["done"] for each in names["counts"]) == len(inputs.NAMES)
