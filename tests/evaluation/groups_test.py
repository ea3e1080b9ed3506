"""How evenly people are served: the parts are of the whole, and small groups are not spoken of."""

import dataclasses

import numpy as np
import pytest

from attr2image_tf.evaluation import experiments, generation, groups
from tests.evaluation import tiny

pytestmark = pytest.mark.slow


def test_a_group_and_the_rest_are_the_whole(monkeypatch, tmp_path):
    data = tiny.make_evaluation_data(tiny.make_dataset())
    monkeypatch.setattr(groups, "ATTRIBUTES", ("Red", "Of Another Set"))
    monkeypatch.setattr(groups, "_LEAST", 1)
    context = tiny.make_context("discvae", data, tmp_path)
    found, _ = groups.groups(context)
    assert list(found) == ["Red", "not Red"]
    whole = generation.faithfulness(context)[0]["judge a"]["cosine_similarity"]["value"]
    parts = [found[title]["cosine_similarity_judge_a"] for title in found]
    assert sum(part["n"] for part in parts) == len(data.test)
    assert np.average([part["value"] for part in parts], weights=[part["n"] for part in parts]) == pytest.approx(whole)
    assert parts[0]["n"] == (data.test.attributes[:, data.schema.names.index("Red")] > 0.5).sum()
    assert "squared_error_of_reconstructions" in found["Red"]
    assert "squared_error_of_reconstructions" not in groups.real_groups(data)[0]["Red"]

    monkeypatch.setattr(groups, "_LEAST", len(data.test))
    assert "fewer than" in groups.real_groups(data)[0]["Red"]["pictures"]["left_out"]
    experiment = experiments.EXPERIMENTS["groups"]
    assert not experiment.suits(data) and experiment.suits(dataclasses.replace(data, face_box=(0.1, 0.2, 0.8, 0.9)))
