"""Starts a main and stops where it reads its command line, which may hold no flag that the main does not know.

    python parse_only.py MODULE LINES

LINES is a JSON list of command lines, each a list of arguments. The last line of the output is a list of as many, with
null for a line that was read and otherwise what is wrong with it.
"""

import argparse
import contextlib
import io
import json
import runpy
import sys

from absl import app, flags

parse = argparse.ArgumentParser.parse_args


def report(read):
    """Reads every line."""
    problems = []
    for line in json.loads(lines):
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                read(line)
            problems.append(None)
        except (flags.Error, SystemExit) as error:
            problems.append(f"{error} {said.getvalue()}")
    print(json.dumps(problems))
    sys.exit(0)


def read_flags(main, *_, **__):
    del main

    def read(line):
        flags.FLAGS.unparse_flags()
        flags.FLAGS([module, *line])

    report(read)


def read_arguments(parser, *_, **__):
    report(lambda line: parse(parser, line))


app.run, argparse.ArgumentParser.parse_args = read_flags, read_arguments
module, lines = sys.argv[1:]
sys.argv = [module]
runpy.run_module(module, run_name="__main__", alter_sys=True)
sys.exit(f"{module} has read no command line")
