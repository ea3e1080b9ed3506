"""What docs/EXTENDING.md says is done, word by word, in a copy of the package; tests/extended.py then holds there."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.documents import ROOT

PAGE = ROOT / "docs" / "EXTENDING.md"
LAWS = "tests/conformance_test.py"

pytestmark = pytest.mark.nightly


def follow(page: str, folder):
    """Does what the blocks of a page say: modules are written at the path of their first line, changes are made.

    A change names its file; its lines that begin with a blank or a minus are there exactly once.
    """
    for path, code in re.findall(r"```python\n# (\S+\.py)\n(.*?)```", page, re.DOTALL):
        assert not (folder / path).exists(), path
        (folder / path).write_text(code)
    for path, changes in re.findall(r"```diff\n--- (\S+)\n(.*?)```", page, re.DOTALL):
        text = (folder / path).read_text()
        for change in changes.split("@@\n"):
            lines = [line or " " for line in change.splitlines()]
            before, after = ("".join(f"{line[1:]}\n" for line in lines if line[0] in kept) for kept in (" -", " +"))
            assert text.count(before) == 1, f"{path} has no single\n{before}"
            text = text.replace(before, after)
        (folder / path).write_text(text)


def test_the_page_can_be_followed(tmp_path):
    for name in ("attr2image_tf", "trainers", "export", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pytest.ini", tmp_path)
    page = PAGE.read_text()
    follow(page, tmp_path)
    command, = re.findall(r"^    python (-m pytest .*)$", page, re.MULTILINE)
    assert command == f"-m pytest {LAWS} -k linear"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "0", f"--basetemp={tmp_path / 'made'}", "--durations=5", LAWS,
         "tests/extended.py", "-k", "linear or covered or extended"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed >= 20, done.stdout
