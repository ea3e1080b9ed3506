"""The main that draws sheets, as a user starts it."""

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.run_folder import RunFolder
from tests import processes
from tests.evaluation import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("draw")
    tiny.write_run(RunFolder(place / "run"), "cvae", tiny.make_dataset().schema)
    return place


def draw(folder, *arguments, expected=0):
    done = processes.run("trainers.draw", "--run=run", *arguments, folder=folder, expected=expected, HOME=str(folder))
    return done.stdout if expected == 0 else done.stderr.strip().splitlines()[-1]


def test_requests_become_a_sheet(folder):
    printed = draw(folder, '--request="Circle"=max,Red=min', "--request=", "--count=2", "--output=~/new/sheet.png")
    assert printed.strip().splitlines()[-1] == str(folder / "new" / "sheet.png")
    assert np.asarray(Image.open(folder / "new" / "sheet.png")).std() > 1


@pytest.mark.parametrize(("arguments", "message"), [
    (["--output=run/config.json"], "no picture is written under the ending '.json'"),
    (["--output=run"], "output='run' is a folder; name a file"),
    (["--run=run[1]"], "TensorFlow takes [ ] in a path for a pattern")])
def test_what_cannot_be_is_reported_before_any_work(folder, arguments, message):
    before = sorted(folder.rglob("*"))
    assert message in draw(folder, *arguments, expected=2)
    assert sorted(folder.rglob("*")) == before
