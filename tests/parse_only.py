"""Starts a main and stops where it has read its command line, which may hold no flag that the main does not know.

    python parse_only.py MODULE [ARGUMENT ...]

Exit status 0 where it was read; another status, and words that say why, where it was not.
"""

import argparse
import runpy
import sys

from absl import app, flags

parse = argparse.ArgumentParser.parse_args


def read_flags(main, *_, **__):
    del main
    try:
        flags.FLAGS(sys.argv)
    except flags.Error as error:
        sys.exit(f"FATAL Flags parsing error: {error}")
    sys.exit(0)


def read_arguments(*arguments, **options):
    parse(*arguments, **options)
    sys.exit(0)


app.run, argparse.ArgumentParser.parse_args = read_flags, read_arguments
module, sys.argv = sys.argv[1], sys.argv[1:]
runpy.run_module(module, run_name="__main__", alter_sys=True)
sys.exit(f"{module} has read no command line")
