"""Experiments on rendered scenes, with a model that is the renderer itself, and with one that has learned nothing."""

import types

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf import data
from attr2image_tf.evaluation import known_factors
from tests.evaluation import tiny

SCENES = data.ENTRIES["emblems"].scenes


@pytest.fixture(scope="module", autouse=True)
def few_scenes():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"EDITED": 12, "FITTED": 120, "TESTED": 60, "SETS": 40, "SET_SIZE": 4}.items():
            patch.setattr(known_factors, name, value)
        yield


@pytest.fixture(scope="module")
def evaluation_data():
    return tiny.make_evaluation_data(tiny.make_dataset(), scenes=SCENES)


@pytest.fixture(scope="module")
def context(evaluation_data, tmp_path_factory):
    return tiny.make_context("discvae", evaluation_data, tmp_path_factory.mktemp("evaluation"))


class Renderer:
    """A context whose model draws scenes as the data set does: latents are the scene's numbers."""

    def __init__(self, context, stream):
        self.data, self.config = context.data, context.config
        self.draws = SCENES.draw(context.config.seed + stream, known_factors.EDITED)
        self.image_size = context.model.config.image_size
        # z_F says which scene is in front, z_B which one is behind.
        sizes = types.SimpleNamespace(image_size=self.image_size, foreground_latent_size=1)
        self.model = types.SimpleNamespace(
            config=sizes, noise_from_latents=lambda latents, attributes: latents,
            latents_from_noise=lambda noise, attributes: tf.constant(noise))

    def encode(self, pictures):
        rows = np.arange(len(pictures), dtype=np.float32)
        return np.stack([rows, rows], -1)

    def layers(self, latents, attributes):
        front, behind = (self.draws[latents[:, half].astype(int)] for half in (0, 1))
        drawn = {name: layer.numpy() for name, layer in SCENES.render(front, attributes, self.image_size).items()}
        back = SCENES.render(behind, SCENES.attributes(behind), self.image_size)["background"].numpy()
        if (latents[:, 0] == latents[:, 1]).all():
            back = drawn["background"]
        images = drawn["mask"] * drawn["foreground"] + (1 - drawn["mask"]) * back
        return {"images": 2 * images - 1, "foregrounds": 2 * drawn["foreground"] - 1, "gates": 1 - drawn["mask"],
                "backgrounds": 2 * back - 1}



@pytest.mark.slow
def test_the_renderer_itself_draws_all_of_each_change_and_nothing_else(context):
    estimates, pictures = known_factors.changes(Renderer(context, 5))
    for name in SCENES.changes:
        # Up to the rounding of the true pictures to 8 bits.
        assert estimates["response"][name]["value"] == pytest.approx(1.0, abs=0.02), name
        assert estimates["elsewhere"][name]["value"] < 0.01, name
    assert list(pictures) == ["one attribute changed"]


def test_the_renderer_itself_exchanges_backgrounds_without_error(context):
    estimates, _ = known_factors.exchange(Renderer(context, 4))
    errors = estimates["squared error"]
    assert errors.pop("the background not exchanged")["value"] > 0.005
    assert max(each["value"] for each in errors.values()) < 1e-4
    assert estimates["largest change of the foreground layer"]["value"] == 0.0


@pytest.mark.nightly
def test_a_model_that_has_learned_nothing_responds_to_nothing_and_knows_nothing(context):
    estimates, _ = known_factors.changes(context)
    assert abs(estimates["response"]["mean"]["value"]) < 0.2
    estimates, _ = known_factors.disentanglement(context)
    assert estimates == known_factors.disentanglement(context)[0]  # a function of the seed
    for title in ("all factors", "factors that attributes do not tell"):
        assert list(estimates[title]) == ["MIG", "SAP", "FactorVAE", "DCI disentanglement", "DCI completeness",
                                          "DCI informativeness"]
        assert all(0.0 <= each["value"] <= 1.0 for each in estimates[title].values())
    for half in ("z_F", "z_B"):
        assert set(estimates[f"what {half} knows"]) >= {factor.name for factor in SCENES.factors}


def test_without_scikit_learn_the_report_says_what_to_install(context, monkeypatch):
    monkeypatch.setattr(known_factors.scores.importlib.util, "find_spec", lambda name: None)
    estimates, _ = known_factors.disentanglement(context)
    assert "pip install" in estimates["scores"]["left_out"]
