"""Flags shared by the mains that train, and the runs that they name."""

import pathlib

from absl import flags

from attr2image_tf.errors import check_writable
from attr2image_tf.run_folder import RunFolder
from trainers import strategies
from trainers.flags import define_path, define_source_flags, define_threads, require

# What is defined here is a flag of the main that calls it.
flags.disclaim_key_flags()


def define_loop_flags():
    """--strategy, --jit_compile, --steps_per_execution, --checkpoint_minutes, --threads."""
    flags.DEFINE_enum("strategy", "auto", strategies.NAMES, "How training is distributed.")
    flags.DEFINE_bool("jit_compile", False, "Compile the training step with XLA; faster on GPUs, not on CPUs.")
    flags.DEFINE_integer("steps_per_execution", 8, "Training steps per call from Python.", lower_bound=1)
    flags.DEFINE_float("checkpoint_minutes", 5.0, "Minutes between checkpoints; every epoch ends with one too.")
    define_threads()


def define_tuning_flags():
    """--run, --output, and those of `define_source_flags`: of mains that go on from a trained run in a new folder."""
    define_path("run", None, "Folder of the trained run.")
    define_path("output", None, "New run folder; an unfinished one with the same configuration continues.")
    define_source_flags()


def open_tuning_runs(values, example: str) -> tuple[RunFolder, RunFolder]:
    """The trained run and the folder of the result that the flags name.

    Raises:
        ValueError: one is not named, they are one, or nothing can be written.
    """
    require(values, "run", "name the folder of a trained run")
    require(values, "output", f"name the folder of the result, for example --output={example}")
    check_writable(values.output, "output")
    if pathlib.Path(values.output).resolve() == pathlib.Path(values.run).resolve():
        raise ValueError("--output is the same folder as --run; name a new one.")
    return RunFolder(values.run), RunFolder(values.output)
