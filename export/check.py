"""Checks exports as a server would load them.

    python -m export.check models
    python -m export.check models --run=runs/lfw

Each version of each model is loaded in a process of its own that imports only TensorFlow, by the v1 loader that TF
Serving uses. Its warm-up records are replayed through every signature at batch sizes 1, 3 and 8, among other rows.
Checked are: names, types and shapes as announced; rows independent of their batch (up to rounding; for a descent, the
energy within a tenth); the same answer twice; nothing that needs Python. With --run, answers are also compared with the
run's own model. Exit status 1 on any problem.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from absl import app

from attr2image_tf.errors import clear_errors
from attr2image_tf.files import check_no_pattern
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.serving import MODELS, read_warmup
from trainers.flags import define_path

_RUN = define_path("run", None, "Folder of the exported run, to compare the generator with; optional.")
_BATCHES = (1, 3, 8)
# Convolutions add in another order at another batch size. A descent amplifies the difference: it ends at other latents
# of about the same energy. So energies are compared, and latents are not. At batch 1, pictures changed by 1e-6 ended at
# energies up to 3 % apart.
_TOLERANCE = 1e-4
_ENERGY_TOLERANCE = 1e-1

# A program of its own: nothing of this package may be needed to serve.
_REPLAY = pathlib.Path(__file__).with_name("replay.py")


def check_version(path: pathlib.Path, model: str, reference=None) -> tuple[list[str], list[list]]:
    """Problems found in one version, and the rows of its table.

    Args:
        path: the SavedModel.
        model: "generator" or "latent_optimizer".
        reference: function of a signature, its inputs and the export's temperature to expected outputs by name, or
            None where it has none.
    """
    records = read_warmup(path)
    if not records:
        return [f"{path}: no warm-up records; export with tensorflow-serving-api installed"], []
    requests = {f"{signature}/{batch}/{name}": _among_others(value, batch)
                for signature, inputs in records for batch in _BATCHES for name, value in inputs.items()}
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = (pathlib.Path(folder) / name for name in ("inputs.npz", "outputs.npz"))
        np.savez(inputs, **{key: value.astype("S") if value.dtype == object else value
                            for key, value in requests.items()})
        done = subprocess.run([sys.executable, "-I", str(_REPLAY), str(path), str(inputs), str(outputs)],
                              capture_output=True, text=True)
        if done.returncode:
            return [f"{path}: cannot be served: {done.stderr.strip().splitlines()[-1]}"], []
        report = json.loads(done.stdout.splitlines()[-1])
        with np.load(outputs) as file:
            answers = dict(file)
    problems = [f"{path}: {problem}" for problem in _problems(report, answers, dict(records))]
    if reference:
        # Older exports do not have it.
        temperature = float(answers.get("describe/1/temperature", np.ones([1, 1]))[0, 0])
        problems += [f"{path}: {problem}" for problem in _differences(answers, dict(records), reference, temperature)]
    rows = [[f"{model}/{path.name}", signature, *(f"{1000 * report['seconds'][f'{signature}/{batch}']:.1f}"
                                                   for batch in _BATCHES)] for signature, _ in records]
    rows[0] += [f"loads in {report['load_seconds']:.1f} s, {report['peak_memory_gib']:.2f} GiB at most"]
    return problems, rows


def _among_others(row, batch):
    """The recorded row first and last; numbers between them are others, all different."""
    rows = np.concatenate([row] * batch)
    between = np.arange(1, batch - 1).reshape([-1] + [1] * (row.ndim - 1))
    if rows.dtype.kind == "f":
        rows[1:-1] *= (1.0 - 0.5 * between / batch).astype(rows.dtype)
    elif rows.dtype.kind == "i":
        rows[1:-1] += between.astype(rows.dtype)
    return rows


def _problems(report, answers, records):
    for name, sides in report["signatures"].items():
        for side, tensors in sides.items():
            for key, (_, shape) in tensors.items():
                if not shape or shape[0] != -1:
                    yield f"{name}: {side[:-1]} {key!r} has the shape {shape}; the batch must come first"
                if key.startswith("output_"):
                    yield f"{name}: {side[:-1]} {key!r} has no name of its own"
        if name not in records:
            yield f"{name}: no warm-up record"
    if report["python_ops"]:
        yield f"needs Python: {', '.join(report['python_ops'])}"
    if report["unwelcome"]:
        yield f"imported {', '.join(report['unwelcome'])}"
    for key, same in report.get("texts", {}).items():
        if not same:
            yield f"{key}: another answer the second time"
    for key, value in answers.items():
        if key.startswith("again/"):
            continue
        signature, batch, name = key.split("/")
        dtype, shape = report["signatures"][signature]["outputs"][name]
        if np.dtype(dtype) != value.dtype or any(size not in (-1, found) for size, found in
                                                 zip(shape, value.shape, strict=True)):
            yield f"{key}: {value.dtype} {list(value.shape)}, announced {dtype} {shape}"
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            yield f"{key}: not finite"
        if not np.array_equal(value, answers[f"again/{key}"]):
            yield f"{key}: another answer the second time"
        alone = answers[f"{signature}/1/{name}"]
        descends = "evaluations" in report["signatures"][signature]["outputs"]
        if value.dtype.kind == "f" and batch != "1" and (not descends or name == "energy"):
            worst = float(np.abs(value[[0, -1]] - alone).max() / max(1.0, float(np.abs(alone).max())))
            if worst > (_ENERGY_TOLERANCE if descends else _TOLERANCE):
                yield f"{key}: differs from batch 1 by {worst:.2g}"


def _differences(answers, records, reference, temperature):
    for signature, inputs in records.items():
        for name, expected in (reference(signature, inputs, temperature) or {}).items():
            worst = float(np.abs(answers[f"{signature}/1/{name}"] - expected).max())
            if worst > 1e-4:
                yield f"{signature}: {name} differs from the run's own model by {worst:.2g}"


def run_reference(run: str):
    """`reference` of check_version from a run folder, for the generator's deterministic signatures."""
    from attr2image_tf import pixels
    model = RunFolder(run).load_model()

    def reference(signature, inputs, temperature):
        if signature not in ("generate", "serving_default", "sample", "decode"):
            return None
        drawn = (model.decode(inputs["latents"], inputs["attributes"]) if signature == "decode" else
                 model.generate(inputs["attributes"], inputs["seed"], inputs.get("temperature", temperature)))
        return {name: value.numpy() if name in ("gates", "latents") else pixels.unit_from_model_range(value).numpy()
                for name, value in drawn.items() if name != "gate_logits"}
    return reference


def main(arguments):
    with clear_errors():
        if len(arguments) != 2:
            raise ValueError("expected one argument, the folder of the exports: python -m export.check models")
        check_no_pattern(arguments[1], "folder")
        folder = pathlib.Path(arguments[1])
        versions = [(path, model) for model in MODELS if (folder / model).is_dir()
                    for path in sorted((folder / model).iterdir()) if path.name.isdigit()]
        if not versions:
            raise ValueError(f"{str(folder)!r} has no exported model; expected the folder that "
                             "`python -m export.export --run=RUN --output=FOLDER` writes.")
        reference = run_reference(_RUN.value) if _RUN.value else None
    problems, rows = [], [["version", "signature", *(f"ms at batch {batch}" for batch in _BATCHES)]]
    for path, model in versions:
        found, table = check_version(path, model, reference if model == "generator" else None)
        problems += found
        rows += table
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=False)), *row[5:])
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(versions)} versions, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    app.run(main)
