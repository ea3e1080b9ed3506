"""Pictures per second from an exported generator of the paper's size, beside a peer in the same run.

    python -m benchmarks.generation --peer="OTHER_ENVIRONMENT/bin/python peer_torch.py" --peer_options=--channels_last

The export is of a new network, since weights do not matter for the time, and loaded as an app loads it.
"""

import functools
import json
import os
import pathlib
import statistics
import tempfile

import numpy as np
import tensorflow as tf
from absl import app, flags

from attr2image_tf import models, runtime
from attr2image_tf.config import ModelConfig
from attr2image_tf.data.schema import AttributeSchema
from benchmarks.peer import measure_peer, median_seconds
from export.generator import Generator
from export.publishing import publish

_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8", "64"], "Batch sizes.")
_REPEATS = flags.DEFINE_integer("repeats", 20, "Calls of one measurement.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each side, in turn.", lower_bound=1)


def export_generator(folder: pathlib.Path, *, fold: bool) -> tf.Module:
    """The loaded export of a new paper-size generator."""
    schema = AttributeSchema.measure([f"attribute {i}" for i in range(73)], np.random.default_rng(0).normal(
        size=(200, 73)))
    model = models.create(ModelConfig(attribute_mean=tuple(schema.mean.tolist()),
                                      attribute_standard_deviation=tuple(schema.standard_deviation.tolist())))
    if fold:
        model.fold()
    module = Generator(model, schema)
    return tf.saved_model.load(str(publish(module, module.signatures(), folder / f"fold_{fold}")))


def generate(module, request):
    """One call, whose picture is waited for."""
    return module.signatures["generate"](**request)["images"].numpy()


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    runtime.prepare(0)
    with tempfile.TemporaryDirectory() as folder:
        loaded = {"folded": export_generator(pathlib.Path(folder), fold=True),
                  "as trained": export_generator(pathlib.Path(folder), fold=False)}
    results = []
    for size in map(int, _BATCH_SIZES.value):
        request = {"attributes": tf.zeros([size, 73]), "seed": tf.zeros([size, 2], tf.int32)}
        seconds = {name: [] for name in loaded}
        peers = []
        for _ in range(_ROUNDS.value):
            for name, module in loaded.items():
                call = functools.partial(generate, module, request)
                seconds[name].append(median_seconds(call, _REPEATS.value))
            peers.append(measure_peer("generate", f"--batch={size}", f"--repeats={_REPEATS.value}"))
        result = {"batch_size": size} | {name: statistics.median(values) for name, values in seconds.items()}
        if all(peers):
            result["peer"] = statistics.median(peer["seconds"] for peer in peers)
            result["times_the_peer"] = result["peer"] / result["folded"]
        results.append(result)
    print(json.dumps({"tensorflow": tf.__version__, "cores": len(os.sched_getaffinity(0)), "seconds": results},
                     indent=2))


if __name__ == "__main__":
    app.run(main)
