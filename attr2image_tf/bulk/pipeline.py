"""A bulk run on Apache Beam: the shards that are missing, spread over whatever workers the runner has.

Beam hands out numbers of shards, collects counters and opens files on s3:// and the like. What is done, what is missing
and what is left after an interruption is in the run's folder (plan.py, shard.py), which needs no Beam. Its worth is the
other runners: the same command on a cluster. On one machine a pool of processes would do as well, and would notice that
a process is gone, which Beam's own runner (2.77, FnApiRunner with multi_processing) does not: see `run`.
"""

import argparse
import contextlib
import logging
import os
import re
import threading
from collections.abc import Sequence
from typing import BinaryIO

import apache_beam as beam
import psutil
from apache_beam.io.filesystems import CompressionTypes, FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from attr2image_tf import runtime
from attr2image_tf.bulk import plan as plans
from attr2image_tf.bulk.inputs import Files
from attr2image_tf.bulk.shard import do_shard

# In one process, or in several of one machine, and without fetching anything. Beam's own default first tries to
# download a runner.
_DEFAULTS = {"--runner": "apache_beam.runners.portability.fn_api_runner.FnApiRunner",
             "--default_sdk_harness_log_level": "WARNING"}
# Seconds that the runner gets to say how it ended once a worker is gone.
_GRACE = 15.0
_SENTENCE = re.compile(r"^[\w.]*Error: (.*?)(?: \[while running .*)?$", re.MULTILINE)


class BeamFiles(Files):
    """Files wherever Beam's file systems reach.

    Args:
        options: PipelineOptions, by which s3:// and others are reached. Beam itself gets them when a pipeline is made,
            which is after the inputs are looked for, and not in the worker processes of its own runner.
    """

    def __init__(self, options: PipelineOptions):
        FileSystems.set_options(options)

    def find(self, pattern: str) -> list[str]:
        matched, = FileSystems.match([pattern])
        return [each.path for each in matched.metadata_list]

    def open(self, path: str) -> BinaryIO:
        # What a picture file holds is what it is, whatever its ending.
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)


class DoShard(beam.DoFn):
    """Numbers of shards to what became of them (`Done`).

    Counters read, done and failed of the namespace "bulk", and the distribution microseconds_a_picture.

    Args:
        output: text, the folder of the run.
        options: PipelineOptions, by which workers open files.
        threads: of one operation of TensorFlow in a worker; 0 for one a core.
    """

    def __init__(self, output: str, options: PipelineOptions, threads: int = 0):
        super().__init__()
        # As they travel to workers.
        self._options = options.get_all_options(drop_default=True)
        self._output, self._threads = output, threads

    def setup(self):
        runtime.prepare(self._threads)
        self._engine = plans.load(self._output).engine()
        self._files = BeamFiles(PipelineOptions.from_dictionary(self._options))
        metrics = beam.metrics.Metrics
        self._counters = {name: metrics.counter("bulk", name) for name in ("read", "done", "failed")}
        self._times = metrics.distribution("bulk", "microseconds_a_picture")

    def process(self, number):
        yield do_shard(self._output, number, engine=self._engine, files=self._files, progress=self._tell)

    def _tell(self, done):
        for name, counter in self._counters.items():
            counter.inc(getattr(done, name))
        if done.done:
            self._times.update(round(1e6 * done.seconds / done.done))


def parse_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options from the part of the command line that is not ours.

    Raises:
        ValueError: one that Beam does not know either, or whose value it does not take.
    """
    class Parser(argparse.ArgumentParser):
        def error(self, message):
            raise ValueError(f"{message}; see python -m trainers.bulk --help, and Beam's options.")

    parser = Parser(allow_abbrev=False, add_help=False, conflict_handler="resolve")
    for kind in PipelineOptions.__subclasses__():
        # How Beam's own classes of options say what they take.
        if "_add_argparse_args" in vars(kind):
            kind._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(list(arguments))
    if unknown:
        raise ValueError(f"unknown flag {unknown[0]!r}: neither trainers.bulk nor Beam has it; see python -m "
                         "trainers.bulk --help.")
    named = {argument.split("=")[0] for argument in arguments}
    return PipelineOptions([*arguments, *(f"{name}={value}" for name, value in _DEFAULTS.items() if name not in named)])


def run(plan: plans.Plan, options: PipelineOptions, threads: int = 0) -> dict[str, int]:
    """Does the shards that are missing; returns Beam's counters by name, and the distribution's mean, least and most.

    Raises:
        ValueError: a worker could not go on; in its own words.
    """
    pipeline = beam.Pipeline(options=options)
    # Without it the runner fuses the steps, and one worker gets all shards.
    _ = (pipeline | "Shards" >> beam.Create(plan.missing()) | "Spread" >> beam.Reshuffle()
         | "Do" >> beam.ParDo(DoShard(os.fspath(plan.output), options, threads)))
    lost, ended, outcome = [], threading.Event(), {}
    finished = threading.Event()

    def work():
        try:
            result = pipeline.run()
            result.wait_until_finish()
            outcome["state"], outcome["metrics"] = result.state, _metrics(result)
        except Exception as error:  # Beam wraps what a worker raises, each runner in its own way.
            outcome["error"] = error
        finished.set()
        ended.set()

    def on_error(arguments):
        # The thread of FnApiRunner that waits for a worker process (local_job_service.SubprocessSdkWorker.run) raises
        # this when it ends, and nobody is told: the connection's reader ends too, what it owes is never set, and the
        # runner waits for ever (of a worker that was killed, for the 150 s that were looked at). No option changes it:
        # element_processing_timeout_minutes is the worker's own, job_server_timeout that of a job server, and
        # wait_until_finish comes after `run`, which is where this runner waits. Other runners restart workers
        # themselves, and none of this is called.
        if "Worker subprocess exited" in str(arguments.exc_value):
            lost.append(str(arguments.exc_value))
            ended.set()
        else:
            before(arguments)

    # It logs every channel that it opens and closes.
    logging.getLogger("apache_beam").setLevel(logging.WARNING)
    before, threading.excepthook = threading.excepthook, on_error
    try:
        threading.Thread(target=work, daemon=True, name="pipeline").start()
        ended.wait()
    except KeyboardInterrupt:
        _kill_workers()
        raise WorkerLost("interrupted; the same command continues.") from None
    finally:
        threading.excepthook = before
    # The runner ends its workers itself once one has refused, and TensorFlow may abort on its way out.
    if lost and not finished.wait(_GRACE):
        _kill_workers()
        raise WorkerLost(f"a worker process was killed ({lost[0]}); -9 and 137 mean that memory ran out; use "
                         "fewer --direct_num_workers or a smaller --batch_size. The same command continues.")
    if "error" in outcome:
        raise ValueError(_sentence(str(outcome["error"]))) from outcome["error"]
    if outcome["state"] != "DONE":
        raise ValueError(f"the pipeline ended as {outcome['state']}; the runner's log says why, and the same command "
                         "continues.")
    return outcome["metrics"]


class WorkerLost(ValueError):
    """The workers are gone and the runner waits for them; the process must end without waiting."""


def _kill_workers():
    """Ends the processes that the runner started here; what they were at is done again by the next run."""
    for worker in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()


def _sentence(text):
    """What a worker raised, without what Beam says around it."""
    found = _SENTENCE.findall(text)
    return found[-1] if found else text.strip().splitlines()[-1]


def _metrics(result):
    # Some runners count what was attempted and not what was committed; `result` is whichever there is.
    queried = result.metrics().query()
    values = {each.key.metric.name: each.result or 0 for each in queried["counters"]
              if each.key.metric.namespace == "bulk"}
    for each in queried["distributions"]:
        if each.key.metric.namespace == "bulk":
            values |= {f"{each.key.metric.name}_{name}": getattr(each.result, name)
                       for name in ("mean", "min", "max")}
    return values
