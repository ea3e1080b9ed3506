"""The console command: every main by a word."""

import importlib.util

import pytest

from tests import processes
from trainers import command


def test_every_command_is_a_main_and_is_explained():
    lines = dict(line.split(maxsplit=1) for line in command.usage().splitlines() if line.startswith("  "))
    assert list(lines) == list(command.COMMANDS)
    assert all(text.endswith(".") for text in lines.values())
    assert all(importlib.util.find_spec(module) for module in command.COMMANDS.values())


def test_what_is_no_command_is_said(monkeypatch):
    monkeypatch.setattr("sys.argv", ["attr2image", "dra"])
    with pytest.raises(SystemExit, match="'dra' is not a command; expected one of train, .*draw"):
        command.main()


def test_flags_and_errors_are_those_of_the_main():
    words = ["--run=does/not/exist", "--sheet=names"]
    one, other = (processes.run(*start, *words, expected=2).stderr.splitlines()[-1]
                  for start in (["trainers.command", "draw"], ["trainers.draw"]))
    assert one == other and "does/not/exist" in one
