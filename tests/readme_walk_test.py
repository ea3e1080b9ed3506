"""The first minutes of a new user: train, draw, export, infer, by the README's own lines with smaller numbers."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from attr2image_tf.run_folder import RunFolder
from tests import documents, processes
from tests.documents import ROOT

RUN = "runs/quickstart"
SMALLER = ["--epochs=1", "--prior_steps=20", "--width=0.0625", "--foreground_latent_size=8",
           "--background_latent_size=4", "--batch_size=400"]
# The README's faces have attributes that the scenes of the quickstart lack.
FACES = ("Smiling", "Male", "Senior")

pytestmark = pytest.mark.nightly


def lines(*modules):
    """The README's commands of some mains, in its order."""
    return [command for command in documents.commands("README.md") if command.module in modules]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A clone's flag files, the run that the first line trains in it, and a photo."""
    folder = tmp_path_factory.mktemp("clone")
    for file in ROOT.glob("*.flags"):
        shutil.copy(file, folder)
    first = lines("trainers.train")[0]
    assert first.arguments == ("--flagfile=quickstart.flags",)
    # The one main of these tests that is started as a user starts it, with all its imports.
    done = subprocess.run([sys.executable, "-m", first.module, *first.arguments, *SMALLER], cwd=folder, text=True,
                          capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / RUN / "sheet.png").samefile(folder / done.stdout.splitlines()[-1])
    rows, columns = np.mgrid[:250, :250]
    photo = np.stack([rows, columns, np.where(np.hypot(rows - 120, columns - 130) < 60, 250, 40)], -1)
    Image.fromarray(photo.astype(np.uint8)).save(folder / "photo.jpg")
    return folder


def here(command, folder):
    """A command's arguments with this run and its attributes instead of the README's faces."""
    if "--models=pretrained:faces" in command.arguments:
        return list(command.arguments)
    names = RunFolder(folder / RUN).read_schema().names
    arguments = " ".join(command.arguments).replace("runs/lfw", RUN)
    for face, name in zip(FACES, names, strict=False):
        arguments = arguments.replace(face, name)
    assert not any(face in arguments for face in FACES)
    return arguments.split()


def test_it_draws(place):
    sheets = set()
    for command in lines("trainers.draw"):
        arguments = here(command, place)
        done = processes.run(command.module, *arguments, folder=place)
        sheet = next(each for each in arguments if each.startswith("--sheet=")).removeprefix("--sheet=")
        sheets.add(sheet)
        if sheet == "names":
            assert all(name in done.stdout for name in RunFolder(place / RUN).read_schema().names)
        else:
            # Pictures fill most of the white paper. That they are those asked for: tests/trainers/draw_test.py.
            assert (np.asarray(Image.open(place / RUN / f"{sheet}.png")) < 250).any(-1).mean() > 0.5
    assert sheets == {"names", "samples", "layers", "progression", "blind"}


def test_it_exports_and_infers(place):
    command, = lines("export.export")
    printed = processes.run(command.module, *here(command, place), folder=place).stdout.split()
    assert printed == ["models/generator/1", "models/latent_optimizer/1"]
    asked = []
    for command in lines("trainers.infer"):
        if "--region=face" in command.arguments:
            # There is none in this photo, and what finds faces need not be installed.
            expected, said = ((1, "no face was found in 1 of them") if importlib.util.find_spec("mtcnn") else
                              (2, 'pip install "attr2image-tf[photos]"'))
            assert said in processes.run(command.module, *here(command, place), folder=place, expected=expected).stderr
            continue
        processes.run(command.module, *here(command, place), folder=place)
        record = json.loads((place / "out" / "photo.json").read_text())
        assert np.isfinite(record["energy"]) and len(record["attributes"]) > 3
        assert np.asarray(Image.open(place / "out" / "photo_result.png")).shape == (250, 250, 3)
        asked.append(record)
        shutil.rmtree(place / "out")
    assert len(asked) == 3 and asked[0]["region"] == [45, 45, 160]
