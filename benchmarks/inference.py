"""Posterior inference beside the paper's Adam: energies reached, time, evaluations, memory.

    python -m benchmarks.inference --run=runs/lfw --dataset=lfw --data_dir=DATA --output=inference
    python -m benchmarks.inference --run=runs/lfw --dataset=lfw --data_dir=DATA --output=inference \
        --peer="OTHER_ENVIRONMENT/bin/python benchmarks/peer_torch.py"

Energies of the fast method and of the reference (Adam, 1000 iterations at learning rate 0.3, from the prior's mean) on
test pictures whose attributes are given. It takes long: results are written to --output, and the same command goes on.
Times are those of the same process, one after the other; an iteration of Adam costs the same at any point, so that of
the reference is 50 times that of 20. A peer is a program that prints a JSON line with the seconds of one Adam iteration
for `infer --batch=B --iterations=N` on the paper's network; a new network of that size is timed beside it.
"""

import dataclasses
import json
import pathlib
import statistics
import time

import numpy as np
import tensorflow as tf
from absl import flags, logging

from attr2image_tf import models, pixels
from attr2image_tf.files import replacing, write_text
from attr2image_tf.inference.latent_optimizer import OptimizerConfig
from attr2image_tf.inference.model_optimizer import model_optimizer
from attr2image_tf.models.folding import fold
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.publishing import load_reader
from benchmarks.memory import peak_gib
from benchmarks.peer import PEER, measure_peer
from trainers.flags import define_dataset_flags, define_path, load_dataset, run

define_dataset_flags()
_RUN = define_path("run", None, "Folder of a trained run.")
_PICTURES = flags.DEFINE_integer("pictures", 256, "Test pictures, evenly over the split.", lower_bound=1)
_BATCH_SIZES = flags.DEFINE_list("batch_sizes", ["1", "16", "64"], "Batch sizes that are timed.")
_METHODS = flags.DEFINE_list("methods", ["50", "100"], "Step limits of the fast method that are tried.")
_REGRESSOR = define_path("regressor", None, "Folder of an attribute regressor, to measure attributes that it reads "
                         "beside those that the generator alone finds.")
_OUTPUT = define_path("output", None, "Folder for results.")

REFERENCE = OptimizerConfig.paper()
KEPT = ("energy", "reconstruction_energy", "evaluations", "stopped")


def methods():
    """The compared methods by name, the reference first."""
    return {"adam 1000": REFERENCE} | {f"lbfgs {limit}": OptimizerConfig(evaluations=int(limit))
                                       for limit in _METHODS.value}


def load_pictures(dataset, count):
    """Pictures float32 [N, H, W, 3] in [-1, 1] and attributes float32 [N, A] of the test split, evenly spaced."""
    total = dataset.counts["test"]
    places = set(np.linspace(0, total - 1, min(count, total)).astype(int).tolist())
    chosen = [example for place, example in enumerate(dataset.examples("test").as_numpy_iterator()) if place in places]
    return (pixels.model_range_from_uint8(np.stack([example["image"] for example in chosen])),
            tf.constant(np.stack([example["attributes"] for example in chosen])))


def create(model, config, schema=None):
    """LatentOptimizer of a model; the paper's reference starts from the prior's mean."""
    return model_optimizer(model, config, schema=schema, amortised=config.method != "adam")


def measure_energies(model, pictures, attributes, folder, batch_size=16):
    """Energies and evaluations by method, float [N] each; batches that are in the folder are not computed again."""
    results = {}
    for name, config in methods().items():
        optimizer, parts, started = create(model, config), [], time.monotonic()
        for first in range(0, len(pictures), batch_size):
            path = folder / f"{name.replace(' ', '_')}_{len(pictures)}_{first:05d}.npz"
            if not path.exists():
                rows = slice(first, first + batch_size)
                found = optimizer.infer(pictures[rows], attributes[rows])
                with replacing(path) as beside:
                    np.savez(beside, **{key: found[key].numpy() for key in KEPT})
                logging.info("%s: %d of %d pictures, %.0f s so far.", name, min(first + batch_size, len(pictures)),
                             len(pictures), time.monotonic() - started)
            with np.load(path) as file:
                parts.append(dict(file))
        results[name] = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    return results


def measure_attributes(model, schema, pictures, attributes, regressor=None, batch_size=16):
    """What is found where attributes are unknown.

    Returns:
        correlation: of the attributes found with the true ones, standardised scores of all pictures and attributes.
        reconstruction_energy: its mean.
        seconds: of all batches but the first, which traces.
    """
    optimizer = model_optimizer(model, schema=schema, reader=regressor and regressor.read,
                                error_covariance=regressor and regressor.error_covariance)
    found, started = [], None
    for first in range(0, len(pictures), batch_size):
        found.append(optimizer.infer_attributes(pictures[first:first + batch_size]))
        started = started or time.monotonic()
    seconds = time.monotonic() - started
    parts = {name: np.concatenate([part[name].numpy() for part in found])
             for name in ("attributes", "reconstruction_energy")}
    scores = [((part - schema.mean) / schema.scale).ravel() for part in (parts["attributes"], attributes.numpy())]
    return {"correlation": float(np.corrcoef(*scores)[0, 1]), "seconds": seconds,
            "reconstruction_energy": float(parts["reconstruction_energy"].mean())}


def measure_times(model, pictures, attributes, batch_size):
    """Seconds of one batch by method: the fast ones whole, the reference from its iterations."""
    images, vectors = (part[:batch_size] for part in (pictures, attributes))
    few = 20
    timed = {name: create(model, config if config.method != "adam" else
                          OptimizerConfig(method="adam", evaluations=few, tolerance=0.0))
             for name, config in methods().items()}
    for optimizer in timed.values():  # traces
        optimizer.infer(images, vectors)
    seconds = {name: [] for name in timed}
    for _ in range(3 if batch_size < 64 else 1):
        for name, optimizer in timed.items():
            started = time.perf_counter()
            optimizer.infer(images, vectors)
            factor = REFERENCE.evaluations / few if name == "adam 1000" else 1.0
            seconds[name].append((time.perf_counter() - started) * factor)
    return {name: statistics.median(values) for name, values in seconds.items()}


def measured_once(path, measure):
    """The results in a JSON file, measured and written first where it is not there."""
    if not path.exists():
        write_text(path, json.dumps(measure()))
    return json.loads(path.read_text())


def compare_with_peer(config, pictures, attributes, batch_size):
    """Seconds of 1000 Adam iterations on the paper's network, ours and the peer's; None without a peer.

    Weights do not matter for the time, so the network is a new one.
    """
    if not PEER.value:
        return None
    model = models.create(dataclasses.replace(config, width=1.0))
    fold(model)
    few = 20 if batch_size < 64 else 5
    optimizer = create(model, OptimizerConfig(method="adam", evaluations=few, tolerance=0.0))
    images, vectors = (part[:batch_size] for part in (pictures, attributes))
    optimizer.infer(images, vectors)  # traces
    ours, theirs = [], []
    for _ in range(2):
        started = time.perf_counter()
        optimizer.infer(images, vectors)
        ours.append((time.perf_counter() - started) / few)
        theirs.append(measure_peer("infer", f"--batch={batch_size}", f"--iterations={few}")["seconds"])
    return tuple(REFERENCE.evaluations * statistics.median(values) for values in (ours, theirs))


def table(energies, times, peers):
    """The results as Markdown."""
    reference, longest = energies["adam 1000"]["energy"], list(energies)[-1]
    lines = ["| method | mean energy | no higher than the reference | at most 1 % above | mean ratio | middle ratio | "
             f"squared error at most 10 % above that of {longest} | mean evaluations | "
             + " | ".join(f"s at batch {size} (share of the reference)" for size in times) + " |",
             "| --- " * (8 + len(times)) + "|"]
    for name, found in energies.items():
        ratio = found["energy"] / reference
        close = np.mean(found["reconstruction_energy"] <= 1.1 * energies[longest]["reconstruction_energy"])
        cells = [f"{seconds[name]:.2f} ({seconds[name] / seconds['adam 1000']:.3f})" for seconds in times.values()]
        lines.append(f"| {name} | {found['energy'].mean():.2f} | {np.mean(ratio <= 1.0):.1%} | "
                     f"{np.mean(ratio <= 1.01):.1%} | {ratio.mean():.4f} | {np.median(ratio):.4f} | {close:.1%} | "
                     f"{found['evaluations'].mean():.0f} | " + " | ".join(cells) + " |")
    if any(peers.values()):
        lines += ["", "1000 iterations of Adam on the paper's network (width 1):", "",
                  "| batch | ours, s | peer, s | peer / ours |", "| --- | --- | --- | --- |"]
        lines += [f"| {size} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.2f} |"
                  for size, (ours, theirs) in peers.items()]
    return "\n".join(lines)


def main(values):
    if not _RUN.value or not _OUTPUT.value:
        raise ValueError("--run and --output are needed: a trained run, and a folder for the results.")
    dataset = load_dataset(values)
    model = RunFolder(_RUN.value).load_model()
    fold(model)
    pictures, attributes = load_pictures(dataset, _PICTURES.value)
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [int(size) for size in _BATCH_SIZES.value]
    times, peers, memory = {}, {}, {}
    for size in sizes:
        found = measured_once(folder / f"times_{size}.json", lambda size=size: {
            "seconds": measure_times(model, pictures, attributes, size),
            # In which nothing but these batches has run so far, the largest last.
            "memory": peak_gib()})
        times[size], memory[size] = found["seconds"], found["memory"]
        logging.info("Batch %d: timed.", size)
    for size in sizes:
        peers[size] = measured_once(folder / f"peer_{size}.json",
                                    lambda size=size: compare_with_peer(model.config, pictures, attributes, size))
        logging.info("Batch %d: timed beside the peer.", size)
    energies = measure_energies(model, pictures, attributes, folder)
    unknown = {"by the generator": measure_attributes(model, dataset.schema, pictures, attributes)}
    if _REGRESSOR.value:
        unknown["read by the regressor"] = measure_attributes(
            model, dataset.schema, pictures, attributes,
            load_reader(_REGRESSOR.value, dataset.schema, model.config.image_size))
    text = table(energies, times, peers)
    write_text(folder / "inference.json", json.dumps(
        {"run": _RUN.value, "pictures": len(pictures), "seconds": times, "peer_seconds": peers,
         "peak_memory_gib": memory, "unknown_attributes": unknown,
         "energies": {name: found["energy"].tolist() for name, found in energies.items()}}))
    write_text(folder / "inference.md", text)
    print(f"{text}\n\n{len(pictures)} pictures; {max(memory.values()):.2f} GiB of memory at the most. Attributes "
          "that are not given:", *(f"{way}: correlation with the true ones {{correlation:.3f}}, reconstruction energy "
                                   "{reconstruction_energy:.1f}, {seconds:.0f} s".format(**found)
                                   for way, found in unknown.items()), sep="\n")


if __name__ == "__main__":
    run(main)
