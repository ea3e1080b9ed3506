"""Replays requests against a SavedModel as TF Serving loads it, with TensorFlow alone; started by export/check.py.

    python -I replay.py SAVED_MODEL INPUTS.npz OUTPUTS.npz

INPUTS has arrays named "signature/batch/name". OUTPUTS gets the answers, named likewise, and those of a second run
under "again/"; standard output gets a line of JSON with what the model is and how long it took.
"""

import json
import pathlib
import sys
import time

import numpy as np
import tensorflow as tf

# What a server does not have.
PACKAGES = ("attr2image_tf", "export", "tf_keras", "tensorflow_probability")


def describe(definition):
    """Types and shapes of a signature's inputs and outputs."""
    return {side: {name: [tf.as_dtype(info.dtype).name, [size.size for size in info.tensor_shape.dim]]
                   for name, info in getattr(definition, side).items()} for side in ("inputs", "outputs")}


def python_ops(graph):
    """Operations of a graph that call back into Python."""
    definition = graph.as_graph_def()
    nodes = [*definition.node, *(node for function in definition.library.function for node in function.node_def)]
    return sorted({node.op for node in nodes if node.op in ("PyFunc", "PyFuncStateless", "EagerPyFunc")})


def main(path, inputs, outputs):
    requests = {}
    with np.load(inputs) as file:
        for key, value in file.items():
            signature, batch, name = key.split("/")
            requests.setdefault((signature, batch), {})[name] = value
    answers, report = {}, {"seconds": {}, "texts": {}}
    # What session.config says to the server.
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(config=config) as session:
        started = time.perf_counter()
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], path).signature_def
        # Beside the signatures there is an entry of TensorFlow's own.
        table = {name: loaded[name] for name in loaded if not name.startswith("__")}
        report["load_seconds"] = time.perf_counter() - started
        report["signatures"] = {name: describe(table[name]) for name in table}
        report["python_ops"] = python_ops(graph)
        for (signature, batch), request in requests.items():
            info = table[signature]
            fetches = {name: tensor.name for name, tensor in info.outputs.items()}
            feeds = {info.inputs[name].name: value for name, value in request.items()}
            first = session.run(fetches, feeds)
            started = time.perf_counter()
            second = session.run(fetches, feeds)
            report["seconds"][f"{signature}/{batch}"] = time.perf_counter() - started
            for name, value in first.items():
                key = f"{signature}/{batch}/{name}"
                if value.dtype == object:
                    report["texts"][key] = bool(np.array_equal(value, second[name]))
                else:
                    answers[key], answers[f"again/{key}"] = value, second[name]
    # Not getrusage, which would count the process that started this one.
    report["peak_memory_gib"] = int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 2**20
    report["unwelcome"] = [name for name in PACKAGES if name in sys.modules]
    np.savez(outputs, **answers)
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
