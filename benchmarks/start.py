"""How long an export takes until it answers: loading, the first and the second answer of each signature, and memory.

    python -m benchmarks.start --models=models
    python -m benchmarks.start --models=pretrained:faces --signatures=infer_bytes,edit_latents_bytes

A process of its own for each line, with TensorFlow alone, so that nothing is warm but the files. Nodes and functions
are those of the SavedModel. Memory is resident at rest, in MiB above that of TensorFlow when it is imported: after
loading and after the second answer. Needs Linux.
"""

import json
import pathlib
import subprocess
import sys
import time

from absl import flags

from trainers.flags import define_path, run

_MODELS = define_path("models", "models", "Folder of the exported models, or pretrained:NAME.")
_MODEL = flags.DEFINE_list("model", ["generator", "latent_optimizer"], "Which of them.")
_SIGNATURES = flags.DEFINE_list("signatures", [], "Signatures to ask; all by default.")
_ROWS = flags.DEFINE_integer("rows", 1, "Rows of a request.", lower_bound=1)


def resident():
    """MiB."""
    return int(pathlib.Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 2**10


def ask(path, signature, rows):
    """One cold process: what it took, as a line of JSON."""
    import numpy as np
    import tensorflow as tf
    tf.constant(0.0) + 1.0
    before, started = resident(), time.perf_counter()
    functions = tf.saved_model.load(path).signatures
    loaded, taken = resident() - before, [time.perf_counter() - started]
    function, inputs = functions[signature], {}
    picture = tf.io.encode_png(tf.cast(np.random.default_rng(0).uniform(0, 255, (64, 64, 3)), tf.uint8)).numpy()
    for name, spec in function.structured_input_signature[1].items():
        shape = [rows, *spec.shape[1:]]
        filled = picture if name == "image_bytes" else tf.io.encode_png(np.full((64, 64, 1), 255, np.uint8)).numpy()
        inputs[name] = (tf.constant(filled, shape=shape) if spec.dtype == tf.string else
                        tf.ones(shape, spec.dtype) if name == "observed" else tf.zeros(shape, spec.dtype) + (
                            tf.cast(0.5, spec.dtype) if name == "images" else 0))
    for _ in range(2):
        started = time.perf_counter()
        {name: value.numpy() for name, value in function(**inputs).items()}
        taken.append(time.perf_counter() - started)
    print(json.dumps([*taken, loaded, resident() - before]))


def size(path):
    """Nodes and functions of a SavedModel, and its signatures by name."""
    from tensorflow.core.protobuf import saved_model_pb2
    graph = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0]
    functions = graph.graph_def.library.function
    nodes = len(graph.graph_def.node) + sum(len(function.node_def) for function in functions)
    return nodes, len(functions), sorted(name for name in graph.signature_def if not name.startswith("__"))


def main(values):
    del values
    from attr2image_tf.client.local import LocalModels
    models = LocalModels(_MODELS.value)
    print("| signature | load, s | first answer, s | second, s | memory loaded, MiB | memory after, MiB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for model in _MODEL.value:
        path = models.newest(model)
        nodes, functions, signatures = size(path)
        print(f"| **{model}**: {nodes:,} nodes in {functions} functions | | | | | |")
        for signature in signatures:
            if not _SIGNATURES.value or signature in _SIGNATURES.value:
                command = [sys.executable, "-m", "benchmarks.start", "--ask", str(path), signature, str(_ROWS.value)]
                answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                                                   stderr=subprocess.DEVNULL).stdout.splitlines()[-1])
                print(f"| {signature} | " + " | ".join(f"{number:.{digits}f}" for number, digits in
                                                     zip(answer, (2, 2, 3, 0, 0), strict=True)) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--ask"]:
        ask(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        run(main, computes=False)
