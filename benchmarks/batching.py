"""What joining requests gives: requests of one row a second, alone and joined as TF Serving's batching joins them.

    python -m benchmarks.batching --models=models --output=batching

For every signature, number of joined requests and number of batches computed at a time, the exported graph is run in a
v1 session, as in the server, for --seconds; the configurations take turns for --rounds, and the median counts. Requests
differ from each other, as those of different clients do. The joining itself, a copy of the inputs, is not in the time.
"""

import itertools
import json
import os
import pathlib

import tensorflow as tf
from absl import flags

from attr2image_tf.client.local import LocalModels
from attr2image_tf.files import write_text
from benchmarks.joined import Graph, compare, markdown
from benchmarks.load.requests_mix import Mix
from trainers.flags import define_path, run

_MODELS = define_path("models", None, "Folder of exports.")
_OUTPUT = define_path("output", None, "Folder for batching.json and batching.md.")
_SIGNATURES = flags.DEFINE_list(
    "signatures", ["generator/generate_bytes", "latent_optimizer/edit_latents_bytes",
                   "latent_optimizer/infer_attributes_bytes"], "MODEL/SIGNATURE pairs.")
_JOINED = flags.DEFINE_list("joined", ["1", "2", "4", "8", "16", "64"], "Requests of a batch.")
_THREADS = flags.DEFINE_list("batch_threads", ["1", "2"], "Batches computed at a time.")
_SECONDS = flags.DEFINE_float("seconds", 1.0, "Least time of one measurement; at least one batch is computed.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each configuration, in turn.", lower_bound=1)


def main(values):
    if not _MODELS.value or not _OUTPUT.value:
        raise ValueError("--models and --output are needed: the folder of exports, and one for the results.")
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    models = LocalModels(_MODELS.value)
    mix = Mix(models)
    graphs = {name: Graph(models.newest(name)) for name in {each.split("/")[0] for each in _SIGNATURES.value}}
    configurations = list(itertools.product(_SIGNATURES.value, map(int, _JOINED.value), map(int, _THREADS.value)))
    rows = compare(configurations, mix, graphs, rounds=_ROUNDS.value, seconds=_SECONDS.value)
    results = {"tensorflow": tf.__version__, "cores": len(os.sched_getaffinity(0)), "rows": rows}
    write_text(output / "batching.json", json.dumps(results, indent=2))
    write_text(output / "batching.md", markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    run(main, computes=False)
