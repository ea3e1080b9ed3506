"""The main that trains a regressor, as a user starts it."""

import csv
import functools
import json

import numpy as np
import pytest

from attr2image_tf.evaluation import attribute_regressor
from attr2image_tf.files import lock
from tests import processes

pytestmark = pytest.mark.slow

run = functools.partial(processes.run, "trainers.train_regressor")


def test_it_trains_measures_and_leaves_a_regressor(tmp_path):
    command = ["--dataset=emblems", "--image_size=32", "--width=2", "--epochs=1", "--batch_size=200", "--noflip",
               f"--output={tmp_path / 'regressor'}", "--threads=1"]
    output = run(*command).stdout
    metrics = json.loads((tmp_path / "regressor" / "metrics.json").read_text())
    assert metrics["pictures"] == 500 and len(metrics["by_attribute"]) == 17
    assert f"cosine similarity {metrics['cosine_similarity']:.3f}" in output
    regressor = attribute_regressor.load(tmp_path / "regressor")
    assert regressor.config.width == 2
    # Its errors were measured, of every attribute.
    assert (np.diag(regressor.error_covariance) > 0.0).all()
    with open(tmp_path / "regressor" / "log.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"]

    # What cannot be trained takes no folder.
    refused = run("--dataset=emblems", "--image_size=32", "--batch_size=5000", f"--output={tmp_path / 'large'}",
                  expected=2).stderr
    assert "fewer than batch_size=5000" in refused and not (tmp_path / "large").exists()

    # While another process trains there nothing is written.
    with lock(tmp_path / "regressor" / ".lock"):
        assert "another process is training in this folder" in run(*command, expected=2).stderr

    refused = run(*command, "--width=3", expected=2).stderr
    assert "another configuration (width: 2 before, 3 now)" in refused
