"""What documents, flag files and docstrings tell a reader to type is what the mains and the library take."""

import doctest
import importlib
import importlib.util
import json
import pathlib
import pkgutil

import numpy as np
import pytest
import tensorflow as tf

import attr2image_tf
import export
from attr2image_tf.config import ModelConfig
from attr2image_tf.inference.energy import Energy
from tests import documents, processes, tiny
from tests.documents import ROOT
from tests.evaluation import tiny as evaluated

PARSE_ONLY = pathlib.Path(__file__).with_name("parse_only.py")
COMMANDS = [command for file in documents.FILES for command in documents.commands(file)]
OURS = sorted({command.module for command in COMMANDS
               if command.module.split(".")[0] in ("trainers", "export", "benchmarks")})


def problems(module, lines):
    """What a main says of each of some command lines: None where it reads it."""
    read = processes.run(PARSE_ONLY, module, json.dumps([list(line) for line in lines]))
    return json.loads(read.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", OURS)
def test_every_command_of_a_document_is_one(module):
    commands = [command for command in COMMANDS if command.module == module]
    found = problems(module, [[argument.replace("=PID", "=1") for argument in command.arguments]
                              for command in commands])
    assert not {str(command): problem for command, problem in zip(commands, found, strict=True) if problem}


def test_every_module_of_a_command_is_there():
    for command in COMMANDS:
        # Others may be of an extra that is not installed.
        if command.module in OURS or importlib.util.find_spec(command.module.split(".")[0]):
            assert importlib.util.find_spec(command.module), f"{command}: there is no such module"


def test_the_documents_have_commands():
    modules = {file: [command.module for command in documents.commands(file)] for file in documents.FILES}
    assert modules["README.md"].count("trainers.train") >= 6 and modules["README.md"].count("trainers.infer") >= 3
    assert {"trainers.draw", "trainers.evaluate", "trainers.prepare", "export.export"} <= set(modules["README.md"])
    assert {"export.check", "benchmarks.training", "pytest"} <= set(modules["BUILD.md"])


def test_a_command_with_a_mistake_would_be_found_and_flag_files_are_read():
    mistakes = [["--learning_rat=1"], ["--epochs=many"], ["--dataset"]]
    files = [[f"--flagfile={path.name}"] for path in ROOT.glob("*.flags")]
    found = problems("trainers.train", mistakes + files)
    for problem, said in zip(found, ("learning_rat", "epochs", "dataset"), strict=False):
        assert said in problem
    assert found[len(mistakes):] == [None] * len(files) != []


def test_every_flag_file_is_in_the_readme():
    named = {argument.removeprefix("--flagfile=") for command in documents.commands("README.md")
             for argument in command.arguments if argument.startswith("--flagfile=")}
    assert named == {path.name for path in ROOT.glob("*.flags")}


def modules_with_examples():
    """Names of the library's modules whose docstrings have examples."""
    return [module.name for package in (attr2image_tf, export)
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
            if ">>> " in pathlib.Path(importlib.util.find_spec(module.name).origin).read_text()]


@pytest.fixture(scope="module")
def namespace():
    """What the examples speak of without making it: a model with as many latents and attributes, pictures."""
    model = tiny.make_model(foreground_latent_size=192, background_latent_size=64, attribute_mean=(0.0,) * 73,
                            attribute_standard_deviation=(1.0,) * 73)
    random = np.random.default_rng(0)
    return {"tf": tf, "np": np, "ModelConfig": ModelConfig, "Energy": Energy, "model": model,
            "images": random.random((16, tiny.SIZE, tiny.SIZE, 3), np.float32),
            "attributes": random.normal(size=(16, 73)).astype(np.float32)}


@pytest.mark.slow
@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_of_docstrings_give_what_they_say(name, namespace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evaluated.write_regressor(tmp_path / "runs" / "regressor_a", evaluated.make_dataset().schema)
    module = importlib.import_module(name)
    # What the module itself defines comes first, except where an example says what a name means.
    report = doctest.testmod(module, extraglobs=namespace, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert report.attempted and not report.failed


def test_some_docstrings_have_examples():
    assert "attr2image_tf.models.discvae" in modules_with_examples()
