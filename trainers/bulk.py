"""Encodes, inverts, scores, edits, completes or draws millions of pictures on Apache Beam.

    python -m trainers.bulk --task=score --models=runs/regressor_a --input=photos --output=scores
    python -m trainers.bulk --task=encode --models=models --input="photos/**/*.jpg" --attributes=Male=mean \
      --output=codes
    python -m trainers.bulk --task=edit --models=models --input=list.parquet --set="Smiling=+2" --output=smiling \
      --direct_running_mode=multi_processing --direct_num_workers=2

Flags not listed here are Beam's, such as --runner and --direct_num_workers. Results are Parquet files in OUTPUT/shards
and pictures in OUTPUT/pictures; inputs that could not be used are listed in OUTPUT/unreadable. The same command
continues a run that was killed. See docs/BULK.md.
"""

import contextlib
import os
import sys
import threading
import time

from absl import flags, logging

from attr2image_tf import bulk
from attr2image_tf.files import as_path
from attr2image_tf.photos import folders
from trainers.flags import config_from_flags, define_config, define_path, define_threads, require, run

define_config(bulk.BulkConfig, skip=("attributes", "set", "hide", "seed"))
flags.DEFINE_string("attributes", None, 'Attributes of all pictures: a request such as "Male=-1,Senior=max", with all '
                    'others at the mean. Default: those of the input.')
flags.DEFINE_string("set", None, 'Attributes that --task=edit sets: "Smiling=+2,Eyeglasses=max".')
flags.DEFINE_string("hide", None, "Part that --task=complete fills in: left,top,right,bottom of a box in pixels, or a "
                    "mask picture of the same size, white where hidden.")
flags.DEFINE_integer("seed", None, "Seed of the completion that --task=complete samples. Default: none, the likeliest "
                     "completion.")
define_path("models", "models", "Folder of the exported models; for --task=score, of a regressor "
            "(trainers.train_regressor).")
flags.DEFINE_multi_string("input", [], "A folder of pictures, a glob, a .csv or .parquet list of paths (and "
                          "attributes), or TFRecords of a prepared set; for --task=generate a CSV file with the "
                          "columns request, seed and optionally count and name. Repeat for several.")
define_path("output", None, "Output folder; all workers must be able to reach it.")
define_threads()

_SECONDS_BETWEEN_LINES = 10.0


@contextlib.contextmanager
def progress(plan: bulk.Plan):
    """Says every few seconds how far a run is, how fast and how much time is left, as its folder tells it."""
    ended, started, before = threading.Event(), time.monotonic(), len(plan.missing())

    def tell():
        while not ended.wait(_SECONDS_BETWEEN_LINES):
            missing = len(plan.missing())
            rate = (before - missing) * plan.config.shard_size / (time.monotonic() - started)
            left = missing * plan.config.shard_size
            logging.info("%s of %s shards, %.1f pictures a second, %s.", f"{plan.shards - missing:,}",
                         f"{plan.shards:,}", rate, f"{left / rate:.0f} s left" if rate else "no shard done yet")

    thread = threading.Thread(target=tell, daemon=True, name="progress")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def main(values, others):
    require(values, "output", "name a folder for the results")
    require(values, "input", "name a folder of pictures, a glob or a list")
    hide = values.hide
    if hide and folders.is_picture(hide):
        # Workers may have another working directory.
        hide = str(as_path(hide).absolute())
    config = config_from_flags(bulk.BulkConfig, values, hide=hide)
    try:
        from attr2image_tf.bulk import pipeline
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] != "apache_beam":
            raise
        raise ValueError('bulk work needs Apache Beam, which is not installed here; pip install ".[bulk]" brings '
                         "it.") from None
    options = pipeline.parse_options(others)
    plan = bulk.begin(config, values.models, values.input, values.output, pipeline.BeamFiles(options))
    missing = plan.missing()
    logging.info("%s: %s inputs in %s shards, %s of them still to do.", config.task, f"{plan.count:,}",
                 f"{plan.shards:,}", f"{len(missing):,}")
    started = time.monotonic()
    if missing:
        try:
            with plan.alone(), progress(plan):
                counters = pipeline.run(plan, options, values.threads)
        except pipeline.WorkerLost as error:
            # The runner's threads wait for the worker for ever, and an ordinary end would wait for them: they are no
            # daemons, and nothing stops them (attr2image_tf/bulk/pipeline.py, `run`).
            print(f"error: {error}", file=sys.stderr, flush=True)
            os._exit(2)
        logging.info("Beam's counters: %s.", ", ".join(f"{name} {value:,.4g}" for name, value in counters.items()))
    manifest = plan.finish(["python", "-m", "trainers.bulk", *sys.argv[1:]])
    seconds = time.monotonic() - started
    logging.info("%s done and %s unusable, in %.2f s.", f"{manifest['done']:,}", f"{manifest['unreadable']:,}",
                 seconds)
    print(plan.output)


if __name__ == "__main__":
    run(main, others=True)
