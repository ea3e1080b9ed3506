"""The prior of a run: fitted to its last checkpoint, kept in its folder, found by all that load the run."""

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.config import ConfigError, FittingConfig
from attr2image_tf.data.emblems import open_emblems
from attr2image_tf.models.latent_prior import LatentBlock, LatentPrior
from attr2image_tf.run_folder import RunFolder
from tests.evaluation import tiny
from trainers.prior import fit_prior

pytestmark = pytest.mark.slow

QUICK = FittingConfig(steps=4, checked=2, batch_size=16)


@pytest.fixture(scope="module")
def dataset():
    return open_emblems(image_size=32, train=40, validation=10, test=10)


@pytest.fixture
def run(dataset, tmp_path):
    folder = RunFolder(tmp_path / "run")
    tiny.write_run(folder, "discvae", dataset.schema)
    return folder


def drawn(folder, dataset):
    attributes = np.tile(dataset.schema.mean, (3, 1))
    return folder.load_model().generate(attributes, tf.constant([[0, 0], [0, 1], [0, 2]]))["latents"].numpy()


@pytest.mark.parametrize("kind", ["gaussian", "flow"])
def test_a_fitted_prior_is_what_the_run_draws_from(run, dataset, kind):
    before = drawn(run, dataset)
    fit_prior(run, dataset, kind, QUICK)
    prior, about = LatentPrior.load(run.prior)
    assert (prior.kind, about["step"], about["split"]) == (kind, run.step(), "validation")
    assert about["kl_divergence"] < about["kl_divergence_to_standard"]
    after = drawn(run, dataset)
    assert np.abs(after - before).max() > 0.01
    # The standard one is a step back.
    fit_prior(run, dataset, "standard", QUICK)
    np.testing.assert_array_equal(drawn(run, dataset), before)


def test_what_is_there_already_is_not_fitted_again(run, dataset):
    fit_prior(run, dataset, "gaussian", QUICK)
    written = run.prior.stat().st_mtime_ns
    fit_prior(run, dataset, "gaussian", QUICK)
    assert run.prior.stat().st_mtime_ns == written
    fit_prior(run, dataset, "gaussian", QUICK, joint_background=True)
    prior, _ = LatentPrior.load(run.prior)
    assert prior.blocks[1].earlier and run.prior.stat().st_mtime_ns != written


def test_a_prior_of_another_run_is_refused(run):
    LatentPrior("gaussian", [LatentBlock(3)], 2).save(run.prior)
    with pytest.raises(ConfigError, match="prior.npz' has 3 latents and 2 attributes, the run .* fit it again"):
        run.load_model()
