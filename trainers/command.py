"""The console command `attr2image`: one word for each main.

    attr2image train --flagfile=lfw.flags --data_dir=DATA        # python -m trainers.train ...
    attr2image draw --run=runs/lfw
"""

import ast
import importlib.util
import pathlib
import runpy
import sys

# By what a person comes across first.
COMMANDS = {
    "train": "trainers.train", "sharpen": "trainers.sharpen", "fit-prior": "trainers.fit_prior",
    "draw": "trainers.draw", "infer": "trainers.infer", "studio": "export.studio", "prepare": "trainers.prepare",
    "evaluate": "trainers.evaluate", "train-regressor": "trainers.train_regressor",
    "train-foreground": "trainers.train_foreground", "bulk": "trainers.bulk", "export": "export.export",
    "litert": "export.litert", "check": "export.check"}


def usage() -> str:
    """Every command with the first line of its documentation."""
    lines = [f"  {command:18}{_summary(module)}" for command, module in COMMANDS.items()]
    return "\n".join(["usage: attr2image COMMAND [--flags], where COMMAND is one of", *lines,
                      "", "attr2image COMMAND --help lists the flags."])


def _summary(module):
    """The first line of a module's documentation, read and not run: TensorFlow takes seconds to import."""
    source = pathlib.Path(importlib.util.find_spec(module).origin).read_text()
    return ast.get_docstring(ast.parse(source)).splitlines()[0]


def main():
    """Runs the main that the first argument names; without one says what there is."""
    command = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if command in ("--help", "-h", "help"):
        print(usage())
    elif command not in COMMANDS:
        sys.exit(f"error: {command!r} is not a command; expected one of {', '.join(COMMANDS)}.")
    else:
        # As `python -m` does, so that flags, errors and help are the same.
        sys.argv = [f"attr2image {command}", *sys.argv[2:]]
        runpy.run_module(COMMANDS[command], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
