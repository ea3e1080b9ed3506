"""Nobody waits for TensorFlow who asks what a main can do, or makes a mistake in a flag."""

import json
import os
import subprocess
import sys

import pytest

from tests.documents import ROOT

MAINS = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
               for folder in ("trainers", "export") for path in (ROOT / folder).rglob("*.py")
               if "\n    run(main" in path.read_text() or "\n    app.run(main" in path.read_text())


def imported(modules):
    """What each of some mains has imported when it has shown its help, up to the first that imports what takes long."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "help_only.py", *modules], cwd=ROOT, check=True, text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return json.loads(done.stdout.splitlines()[-1])


def test_help_waits_for_nothing_that_takes_long():
    assert {"trainers.train", "trainers.infer", "export.check", "export.studio"} <= set(MAINS)
    assert imported(MAINS) == {main: [] for main in MAINS}


@pytest.mark.slow
def test_a_main_that_imports_tensorflow_would_be_found():
    found = imported(["benchmarks.training", "trainers.train"])
    assert list(found) == ["benchmarks.training"] and "tensorflow" in found["benchmarks.training"]
