"""Evaluates trained runs by the paper's experiments and writes one report that compares them.

    python -m trainers.evaluate --run=runs/lfw --regressors=runs/regressor_a,runs/regressor_b --data_dir=DATA
    python -m trainers.evaluate --runs=runs/vae,runs/cvae,runs/discvae --regressors=... --output=runs/evaluation

The runs set the data set and the image size. Train regressors with `python -m trainers.train_regressor`; the first is
used wherever one is enough. --output gets report.html, report.md and, for each run and experiment, a JSON file and
pictures. The same command continues an evaluation that was killed.
"""

import json
import pathlib
import platform
import shlex
import sys

import numpy as np
from absl import flags, logging

import attr2image_tf
from attr2image_tf import data
from attr2image_tf.config import ConfigError
from attr2image_tf.errors import check_writable
from attr2image_tf.evaluation.config import EvaluationConfig
from attr2image_tf.files import check_outputs, write_text
from attr2image_tf.later import keras, tf
from attr2image_tf.run_folder import RunFolder, changes
from trainers.flags import (
    config_from_flags,
    define_config,
    define_path,
    define_path_list,
    define_source_flags,
    define_threads,
    load_run_dataset,
    run,
)

define_path("run", None, "Folder of one trained run.")
define_path_list("runs", "Folders of several runs of one data set, separated by commas.")
define_path_list("regressors", "Folders of trained regressors, separated by commas.")
define_path("output", None, "Folder of the evaluation. Default for a single run: RUN/evaluation.")
flags.DEFINE_list("experiments", [], "Experiments to run. Default: all.")
define_source_flags()
define_threads()
# The defaults of these depend on the runs.
define_config(EvaluationConfig, skip=("patch_sizes", "attributes", "background_attributes"))
flags.DEFINE_list("patch_sizes", [], "Sizes of hidden patches in pixels. Default: four, from an eighth to half of the "
                  "picture.")
flags.DEFINE_list("attributes", [], "Attributes of the progression strips. Default: the eight that the first regressor "
                  "estimates best.")
flags.DEFINE_list("background_attributes", None, "Attributes that describe the background, to measure leakage. "
                  "Default: those known for the data set.")


def open_runs(values) -> dict[str, RunFolder]:
    """Run folders by label, all of one data set.

    Raises:
        ValueError: no run, two of one name, or runs of different data sets or sizes.
    """
    paths = ([values.run] if values.run else []) + values.runs
    if not paths:
        raise ValueError("--run is missing; name the folder of a trained run, or several with --runs=A,B,C.")
    labels = [pathlib.Path(path).resolve().name for path in paths]
    if len(set(labels)) < len(labels):
        raise ValueError(f"--runs: the folders' last names must differ, got {', '.join(labels)}.")
    folders = {label: RunFolder(path) for label, path in zip(labels, paths, strict=True)}
    kinds = {label: (folder.read_config().dataset, folder.read_config().model.image_size,
                     folder.read_schema().names) for label, folder in folders.items()}
    first = labels[0]
    for label, kind in kinds.items():
        if kind[1:] != kinds[first][1:] or not data.same_set(kind[0], kinds[first][0]):
            raise ValueError(f"run {label!r} is of {kind[0]} at {kind[1]} pixels with {len(kind[2])} attributes, run "
                             f"{first!r} of {kinds[first][0]} at {kinds[first][1]} pixels with "
                             f"{len(kinds[first][2])}; evaluate runs of one data set together.")
        folders[label].step()
    return folders


def open_regressors(paths, schema, image_size) -> dict:
    """AttributeRegressors by the name of their folder.

    Raises:
        ValueError: none, or one of another data set or size.
    """
    if not paths:
        raise ValueError("--regressors is missing; train one with `python -m trainers.train_regressor --output=...` "
                         "and name its folder.")
    from attr2image_tf.evaluation import attribute_regressor

    regressors = {}
    for path in paths:
        regressor = attribute_regressor.load(path)
        regressor.check_fits(path, schema, image_size)
        regressors[pathlib.Path(path).resolve().name] = regressor
    if len(regressors) < len(paths):
        raise ValueError("--regressors: the folders' last names must differ.")
    return regressors


def settings(values, run) -> EvaluationConfig:
    """The configuration that the flags ask for, for runs such as `run`."""
    size = run.model.image_size
    sizes = values.patch_sizes or [str(eighths * size // 8) for eighths in range(1, 5)]
    if unknown := [text for text in sizes if not text.isdigit()]:
        raise ValueError(f"--patch_sizes: expected whole numbers of pixels, got {unknown[0]!r}.")
    background = values.background_attributes
    if background is None:
        background = data.ENTRIES[run.dataset.partition(":")[0]].background_attributes
    config = config_from_flags(EvaluationConfig, values, patch_sizes=tuple(int(text) for text in sizes),
                               background_attributes=tuple(background))
    config.require(max(config.patch_sizes) < size, "patch_sizes", f"numbers from 1 to {size - 1}")
    return config


def keep_settings(output: pathlib.Path, described: dict):
    """Writes settings.json; runs may be added to an evaluation, but nothing that it holds may change.

    Raises:
        ConfigError: the folder holds an evaluation with other settings, or of another state of a run.
    """
    path, now = output / "settings.json", json.loads(json.dumps(described))
    if path.exists():
        before = json.loads(path.read_text())
        old, new = (each["settings"] | {"regressors": each["regressors"]} | {
            f"training step of {label}": step for label, step in each["runs"].items()} for each in (before, now))
        # Runs that were not there before are added.
        if changed := changes(old, {key: value for key, value in new.items() if key in old}):
            raise ConfigError(f"output={str(output)!r} holds an evaluation with other settings ({changed}). "
                              "Give the same flags to continue it, or name a new folder.")
        now["runs"] = before["runs"] | now["runs"]
    output.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(now, indent=2))


def introduction(folders, regressors, accuracies, evaluation_data, command) -> list:
    """The report's Sections on what was measured, and with what."""
    from attr2image_tf.evaluation import report

    runs = []
    for label, folder in folders.items():
        run, log = folder.read_config(), folder.read_log()
        runs.append([label, run.model.model, f"{run.model.width:g}", f"{len(log)} of {run.epochs}",
                     f"{int(log[-1]['step']) * run.batch_size:,}" if log else "", f"{run.learning_rate:g}",
                     run.model.observation_noise,
                     f"{float(log[-1]['observation_standard_deviation']):.4f}" if log else ""])
    header = ["run", "model", "width", "epochs", "pictures seen", "learning rate", "observation noise",
              "its standard deviation"]
    measures = ("cosine_similarity", "raw_cosine_similarity", "squared_error", "correlation", "sign_accuracy")
    judges = [[name, str(regressors[name].config.width), str(regressors[name].config.seed),
               *(f"{accuracy[measure]:.3f}" for measure in measures), f"{accuracy['pictures']:,}"]
              for name, accuracy in accuracies.items()]
    test, people = f"{len(evaluation_data.test):,} test pictures", len(set(evaluation_data.test.people))
    # Only some data sets know people; in the others each picture stands for itself.
    known = people < len(evaluation_data.test)
    seen = f"{test} of {people:,} people whom" if known else f"{test} that"
    return [report.Section(
        "Runs", f"{seen} neither runs nor judges have seen; {len(evaluation_data.train):,} training pictures. "
        f"Intervals hold 95 % of a bootstrap over {'people' if known else 'pictures'}. Command: {command}",
        [(header, runs)]),
        report.Section(
        "Judges", "The attribute regressors that the runs are measured by, on all real test pictures.",
        [(["judge", "width", "seed", "cosine similarity", "raw cosine similarity", "squared error", "correlation",
           "sign accuracy", "pictures"], judges)])]


def main(values):
    folders = open_runs(values)
    if not values.output and len(folders) > 1:
        raise ValueError("--output is missing; with several runs, name a folder for the evaluation.")
    from attr2image_tf.evaluation import attribute_regressor, context, experiments, pictures, report, side_by_side
    from attr2image_tf.evaluation.workspace import Workspace

    names = values.experiments or list(experiments.EXPERIMENTS)
    if unknown := sorted(set(names) - set(experiments.EXPERIMENTS)):
        raise ValueError(f"--experiments: unknown {', '.join(unknown)}; known: {', '.join(experiments.EXPERIMENTS)}.")
    first = next(iter(folders.values()))
    output = pathlib.Path(values.output or first.path / "evaluation")
    check_writable(output, "output")
    check_outputs([*((f"run {label!r}", output / label) for label in folders),
                   ("the real pictures", output / "real"), ("the report", output / "report.html")],
                  [*(folder.path for folder in folders.values()), *values.regressors])
    run, schema = first.read_config(), first.read_schema()
    config = settings(values, run)
    for name in (*config.attributes, *config.background_attributes):
        schema.index(name)
    regressors = open_regressors(values.regressors, schema, run.model.image_size)
    dataset = load_run_dataset(values, run, schema)
    steps = {label: folder.step() for label, folder in folders.items()}
    keep_settings(output, {"settings": config.to_dict(), "regressors": list(regressors), "runs": steps})
    entry = data.ENTRIES[run.dataset.partition(":")[0]]
    evaluation_data = context.EvaluationData(
        pictures.read(dataset, "test", config.test_pictures),
        pictures.read(dataset, "train", config.training_pictures), schema, regressors, config,
        entry.scenes, entry.face_box,
        lambda size: pictures.read(load_run_dataset(values, run, schema, size), "test", config.test_pictures))

    accuracies = {pathlib.Path(path).resolve().name: attribute_regressor.load_accuracy(path)
                  for path in values.regressors}
    command = shlex.join(["python", "-m", "trainers.evaluate", *sys.argv[1:]])
    versions = {"attr2image_tf": attr2image_tf.__version__, "tensorflow": tf.__version__, "keras": keras.__version__,
                "numpy": np.__version__, "python": platform.python_version()}
    provenance = {"command": command, "versions": versions, "settings": config.to_dict(), "judges": {
        name: accuracy["cosine_similarity"] for name, accuracy in accuracies.items()}}
    references = Workspace(output / "real", provenance)
    workspaces = {label: Workspace(output / label, provenance | {
        "run": label, "checkpoint_step": steps[label], "run_config": folder.read_config().to_dict()})
        for label, folder in folders.items()}
    experiments.measure_references(evaluation_data, references, names)
    for place, (label, folder) in enumerate(folders.items(), start=1):
        logging.info("Run %d of %d: %s.", place, len(folders), label)
        experiments.measure_run(context.Context(folder.load_model(), evaluation_data, workspaces[label]), names)
    print(report.write(output, f"Evaluation on {dataset.name}",
                       introduction(folders, regressors, accuracies, evaluation_data, command), workspaces, references,
                       {label: folder.read_log() for label, folder in folders.items()},
                       side_by_side.sheets(evaluation_data, workspaces)))


if __name__ == "__main__":
    run(main)
