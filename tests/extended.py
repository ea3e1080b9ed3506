"""What must hold where docs/EXTENDING.md has been followed; tests/extending_test.py runs it in such a copy."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf import data, pixels
from attr2image_tf.client.local import LocalModels
from attr2image_tf.config import RunConfig
from attr2image_tf.run_folder import RunFolder
from tests import processes
from tests.evaluation import tiny as evaluated
from tests.tiny import SIZE, make_model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """What `trainers.train` makes with the new hyperparameter, data set and model."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    processes.run("trainers.train", "--dataset=discs", "--model=linear", "--free_nats=2", f"--image_size={SIZE}",
                  "--width=0.0625", "--latent_size=4", "--epochs=2", "--batch_size=16", "--prior=gaussian",
                  f"--run={folder}")
    return RunFolder(folder)


def test_the_hyperparameter_is_kept_and_was_0_before(run):
    config = run.read_config()
    assert config.model.free_nats == 2.0
    before = config.to_dict()
    del before["model"]["free_nats"]
    assert RunConfig.from_dict(before).model == dataclasses.replace(config.model, free_nats=0.0)


def test_the_hyperparameter_is_a_flag_with_its_help_and_its_range():
    help_text = " ".join(processes.run("trainers.train", "--help", expected=1).stdout.split())
    assert "--free_nats: KL of an example that costs nothing in the objective of VAE and CVAE" in help_text
    said = processes.run("trainers.train", "--free_nats=-1", "--dry_run", expected=2).stderr
    assert "free_nats=-1.0: expected at least 0" in said


def test_the_hyperparameter_acts():
    batch = {"image": tf.zeros([1, SIZE, SIZE, 3]), "mask": tf.zeros([1, SIZE, SIZE, 1]),
             "attributes": tf.zeros([1, 3])}
    plain, free = (make_model("cvae", free_nats=nats).lower_bound(batch, tf.constant([1, 2])) for nats in (0.0, 50.0))
    np.testing.assert_allclose(plain["lower_bound"], free["lower_bound"], rtol=1e-6)
    np.testing.assert_allclose(free["objective"] - plain["objective"], plain["kl_divergence"] - 50.0, rtol=1e-3)


def test_the_data_set_is_one():
    assert "discs" in data.names()
    dataset = data.load("discs", image_size=SIZE)
    names = set()
    for split in data.SPLITS:
        first, again = (list(dataset.examples(split).as_numpy_iterator()) for _ in range(2))
        assert len(first) == dataset.counts[split]
        for one, other in zip(first, again, strict=True):
            assert (one["image"].shape, one["image"].dtype) == ((SIZE, SIZE, 3), np.uint8)
            assert (one["mask"].shape, one["mask"].dtype) == ((SIZE, SIZE, 1), np.uint8)
            assert (one["attributes"].shape, one["attributes"].dtype) == ((len(dataset.schema),), np.float32)
            for key, value in one.items():
                np.testing.assert_array_equal(value, other[key])
            names.add(one["name"])
    assert len(names) == sum(dataset.counts.values())


def test_what_is_exported_is_the_model_and_has_the_new_signature(run):
    model, client = run.load_model(), LocalModels(run.models)
    attributes = run.read_schema().draw({}, 5)
    seed = np.stack([np.full(5, 3), np.arange(5)], -1).astype(np.int32)
    expected = pixels.unit_from_model_range(model.generate(tf.constant(attributes), tf.constant(seed))["images"])
    drawn = client.call("generator", "generate", attributes=attributes, seed=seed)["images"]
    np.testing.assert_allclose(drawn, expected, atol=1e-4)
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-3
    small = client.call("generator", "thumbnails", attributes=attributes, seed=seed)["images"]
    np.testing.assert_allclose(small, drawn.reshape(5, SIZE // 4, 4, SIZE // 4, 4, 3).mean((2, 4)), atol=1e-5)
    found = client.call("latent_optimizer", "infer", images=drawn, attributes=attributes,
                        observed=np.ones((5, SIZE, SIZE, 1), np.float32))
    assert np.isfinite(found["energy"]).all() and found["latents"].shape == (5, 4)


def test_the_experiment_is_in_the_report(run, tmp_path):
    evaluated.write_regressor(tmp_path / "regressor", run.read_schema())
    processes.run("trainers.evaluate", f"--run={run.path}", f"--regressors={tmp_path / 'regressor'}",
                  "--experiments=brightness", f"--output={tmp_path / 'evaluation'}")
    report = (tmp_path / "evaluation" / "report.md").read_text()
    _, _, section = report.partition("## Brightness\n")
    assert "Nearer to the column of real pictures is better." in section
    assert "| mean of all pixels, brightness | 0." in section and "first: samples" in section
