"""Loads one exported generator in a process of its own and draws once; started by benchmarks/exports.py.

    python -I load_form.py PATH

Prints a line of JSON: seconds to load and to the first picture after that, and the memory in GiB that both took beyond
the imports.
"""

import json
import pathlib
import sys
import time

import numpy as np


def memory():
    """Largest resident size so far, in GiB; getrusage would count that of the process which started this one."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def saved_model(path):
    import tensorflow as tf
    before, started = memory(), time.perf_counter()
    loaded = tf.saved_model.load(path)
    yield before, time.perf_counter() - started
    signature = loaded.signatures["generate"]
    count = signature.structured_input_signature[1]["attributes"].shape[1]
    yield signature(attributes=tf.zeros([1, count]), seed=tf.zeros([1, 2], tf.int32))["images"].numpy()


def litert(path):
    from ai_edge_litert.interpreter import Interpreter
    before, started = memory(), time.perf_counter()
    decode = Interpreter(model_path=path, num_threads=1).get_signature_runner("decode")
    yield before, time.perf_counter() - started
    yield decode(**{name: np.zeros(about["shape"], np.float32) for name, about in decode.get_input_details().items()})


def main(path):
    steps = litert(path) if path.endswith(".tflite") else saved_model(path)
    before, load_seconds = next(steps)
    started = time.perf_counter()
    next(steps)
    print(json.dumps({"load_seconds": load_seconds, "first_seconds": time.perf_counter() - started,
                      "memory_gib": memory() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
