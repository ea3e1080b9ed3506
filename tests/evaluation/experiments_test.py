"""Laws of the experiments, on untrained models: what must hold whatever a model has learned."""

import dataclasses
import re

import numpy as np
import pytest

from attr2image_tf import pixels
from attr2image_tf.evaluation import disentanglement, experiments, generation, metrics, posterior, report, side_by_side
from attr2image_tf.evaluation.context import EvaluationData
from attr2image_tf.evaluation.workspace import Workspace
from tests.evaluation import tiny


@pytest.fixture(scope="module")
def data():
    return tiny.make_evaluation_data(tiny.make_dataset())


@pytest.fixture(scope="module")
def contexts(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("evaluation")
    return {name: tiny.make_context(name, data, path) for name in ("vae", "discvae")}


@pytest.mark.slow
def test_bounds_rise_with_the_draws(contexts):
    for context in contexts.values():
        estimates, _ = posterior.bounds(context)
        for title in ("bound of all that is observed, nats", "bound of the picture alone, nats"):
            one, ten, hundred = (estimates[title][f"k_{k}"]["values"] for k in (1, 10, 100))
            # For every picture, by Jensen's inequality on the same draws.
            assert (one <= ten).all() and (ten <= hundred).all() and (one < hundred).any()


@pytest.mark.slow
def test_bounds_of_everything_and_of_the_picture_agree_where_there_is_nothing_else(contexts):
    plain, layered = (posterior.bounds(contexts[name])[0] for name in ("vae", "discvae"))
    everything, alone = "bound of all that is observed, nats", "bound of the picture alone, nats"
    np.testing.assert_array_equal(plain[everything]["k_10"]["values"], plain[alone]["k_10"]["values"])
    terms = {name: estimate["values"] for name, estimate in layered["terms"].items()}
    np.testing.assert_allclose(layered[everything]["k_1"]["values"] - layered[alone]["k_1"]["values"],
                               terms["log_likelihood_foreground"] + terms["log_likelihood_gate"], rtol=1e-4)
    # The mean over draws of log p / q is the ELBO, up to the noise of its KL terms.
    trained = layered["bound of all that is observed with N(0, I), nats"]["k_1"]["values"]
    np.testing.assert_allclose(trained, terms["lower_bound"], rtol=0.02, atol=5.0)
    np.testing.assert_allclose(layered[everything]["k_1"]["values"], trained + terms["prior_gain"], rtol=1e-6)


@pytest.mark.slow
def test_bits_are_nats_of_pixel_levels(contexts):
    estimates, _ = posterior.bounds(contexts["vae"])
    nats = estimates["bound of the picture alone, nats"]["k_100"]["value"]
    bits = estimates["bound of the picture alone, bits a value"]["k_100"]["value"]
    assert bits == pytest.approx(-nats / (32 * 32 * 3) / np.log(2) + np.log2(127.5))


@pytest.mark.slow
def test_inferred_latents_reconstruct_no_worse_than_encoded_ones(contexts):
    context = contexts["discvae"]
    estimates, pictures = posterior.reconstruction(context)
    inferred, encoded = (estimates[title]["squared_error_whole"]["value"]
                         for title in ("by posterior inference", "by the encoder's mean"))
    assert inferred < encoded
    assert estimates["by posterior inference"]["evaluations"]["values"].max() <= context.config.iterations
    assert pictures["reconstructions"].dtype == np.uint8


@pytest.mark.slow
def test_an_error_of_the_whole_is_that_of_its_parts(data):
    test = data.test[:6]
    drawn = np.random.default_rng(0).integers(0, 256, test.images.shape).astype(np.uint8)
    errors = {name: estimate["values"] for name, estimate in posterior._errors(data, test, drawn).items()}
    share = test.masks.mean((1, 2, 3)) / 255
    np.testing.assert_allclose(errors["squared_error_whole"], share * errors["squared_error_foreground"]
                               + (1 - share) * errors["squared_error_background"], rtol=1e-6)


@pytest.mark.slow
def test_completion_keeps_what_is_seen_and_measures_what_is_hidden(contexts, data):
    context = contexts["discvae"]
    estimates, pictures = posterior.completion(context)
    assert list(estimates) == ["8 x 8 pixels inside the foreground", "8 x 8 pixels anywhere"]
    rows = context.workspace.rows("completion-anywhere-8", 4, 4, None)  # read, so nothing is computed
    test = data.test[[0, 5, 10, 15]]
    hidden = posterior.patches(test.masks, 8, inside=False, seed=0)
    np.testing.assert_array_equal(rows["images"] * (1 - hidden), test.images * (1 - hidden))
    assert len(pictures) == 2
    expected = metrics.pixel_error(test.images / 255, rows["images"] / 255, hidden)
    found = estimates["8 x 8 pixels anywhere"]["squared_error_hidden"]["values"]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_patches_are_squares_inside_the_foreground_where_it_is_large_enough(size):
    masks = np.zeros((40, 32, 32, 1), np.uint8)
    masks[:, 8:24, 4:20] = 255
    hidden = posterior.patches(masks, size, inside=True, seed=0)
    assert (hidden.sum((1, 2, 3)) == size**2).all()
    assert ((hidden * masks).sum((1, 2, 3)) >= 0.9 * 255 * size**2).all()
    for patch in hidden[..., 0]:
        rows, columns = np.flatnonzero(patch.any(1)), np.flatnonzero(patch.any(0))
        assert len(rows) == np.ptp(rows) + 1 == size and len(columns) == np.ptp(columns) + 1 == size
    anywhere = posterior.patches(masks, size, inside=False, seed=0)
    assert (anywhere * (masks == 0)).any()
    # A function of the seed and the picture's place alone.
    np.testing.assert_array_equal(hidden[:7], posterior.patches(masks[:7], size, inside=True, seed=0))
    assert np.any(hidden != posterior.patches(masks, size, inside=True, seed=1))


def test_pictures_without_masks_have_no_foreground_to_measure(data):
    bare = dataclasses.replace(data, test=dataclasses.replace(data.test, masks=0 * data.test.masks))
    assert list(posterior.real_completion(bare)[0]) == ["8 x 8 pixels anywhere"]
    errors = posterior.real_reconstruction(bare)[0]["by posterior inference"]
    assert "squared_error_whole" in errors and not [name for name in errors if name.endswith("foreground")]


def test_a_patch_that_hides_everything_is_refused():
    with pytest.raises(ValueError, match="patch of 32 pixels leaves nothing of pictures of 32 x 32"):
        posterior.patches(np.zeros((1, 32, 32, 1), np.uint8), 32, inside=True, seed=0)


@pytest.mark.slow
def test_exchanged_backgrounds_leave_the_foreground_alone(contexts):
    estimates, pictures = disentanglement.swap(contexts["discvae"])
    assert estimates["largest change"]["foreground_layer"]["value"] == 0.0
    assert estimates["largest change"]["gate"]["value"] == 0.0
    changes = estimates["mean squared change of pixels in [0, 1]"]
    assert changes["where_the_gate_is_open"]["value"] > 0.0
    assert len(pictures) == 1


def test_leakage_finds_what_latents_hold_and_no_more(data):
    data = dataclasses.replace(data, test=data.train[30:], train=data.train[:30])
    noise = np.random.default_rng(0).normal(size=(2, 30, 2))

    def halves(pictures):
        known = disentanglement._mean_colour(pictures.images, pictures.masks / 255.0)
        return np.concatenate([known, noise[0, :, :1]], -1), noise[1]

    estimates = disentanglement._leakage(data, halves)
    assert estimates["R^2 from z_F"]["mean colour of the foreground"]["value"] > 0.99
    assert estimates["R^2 from z_B"]["mean colour of the foreground"]["value"] < 0.1


def test_real_pictures_are_measured_as_samples_are(data):
    estimates, _ = generation.real_faithfulness(data)
    regressor = data.regressors["b"]
    expected = metrics.correlation(data.test.attributes, regressor(data.test.images)[0])
    assert estimates["judge b"]["correlation"]["value"] == pytest.approx(expected.mean())


@pytest.mark.slow
def test_a_regressor_that_sees_the_request_gives_full_marks(contexts, data):
    class Knowing:
        schema = data.schema

        def __call__(self, images):
            return data.test.attributes, np.zeros((len(images), 2))

    easy = EvaluationData(data.test, data.train, data.schema, {"knowing": Knowing()}, data.config)
    estimates = generation.real_faithfulness(easy)[0]["judge knowing"]
    assert estimates["cosine_similarity"]["value"] == pytest.approx(1.0)
    assert estimates["cosine_similarity_to_another_request"]["value"] < 0.5


def test_one_picture_for_all_draws_has_no_diversity(data):
    images = np.repeat(data.test.images[:3], generation.DIVERSITY_DRAWS, axis=0)
    estimates = generation._diversity(data, images, ["x", "y", "z"], generation.DIVERSITY_DRAWS)
    assert estimates["pixels"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert generation.real_diversity(data)[0]["pixels"]["value"] > 0.1


def test_the_same_pictures_have_no_distance(data):
    data = dataclasses.replace(data, train=data.test)
    estimates, _ = generation.real_distances(data)
    for name in ("features of judge a", "features of judge b"):
        assert estimates[name]["frechet_distance"]["value"] == pytest.approx(0.0, abs=1e-6)


def test_a_copy_of_a_training_picture_is_found(data):
    estimates, neighbours = generation._nearest(data, data.train.images[[7, 40]], ["x", "y"])
    for space in estimates:
        assert estimates[space]["smallest_distance"]["value"] == pytest.approx(0.0, abs=1e-6)
    for places in neighbours.values():
        np.testing.assert_array_equal(places[:, 0], [7, 40])


@pytest.mark.slow
def test_samples_are_drawn_for_the_attributes_of_the_test_pictures(contexts, data):
    context = contexts["discvae"]
    drawn = context.samples()
    expected = context.model.generate(data.test.attributes[9:10], context.seeds(16)[9:10])["images"]
    difference = drawn[9:10].astype(int) - pixels.uint8_from_model_range(expected).numpy()
    assert np.abs(difference).max() <= 1  # rounding
    np.testing.assert_array_equal(drawn, context.samples())


@pytest.mark.slow
def test_every_experiment_is_in_the_report(contexts, data):
    # Those of scenes that are known: known_factors_test.py; of faces: identity_test.py.
    names = [name for name, experiment in experiments.EXPERIMENTS.items() if experiment.suits(data)]
    references = Workspace(contexts["vae"].workspace.path.parent / "real", {"seed": 0})
    experiments.measure_references(data, references, list(experiments.EXPERIMENTS))
    experiments.measure_run(contexts["discvae"], list(experiments.EXPERIMENTS))
    experiments.measure_run(contexts["vae"], ["faithfulness", "leakage", "swap"])
    workspaces = {name: context.workspace for name, context in contexts.items()}
    assert all(workspaces["discvae"].read(name) is not None for name in names)
    assert not set(experiments.EXPERIMENTS) - set(names) & {path.stem for path in workspaces["discvae"].path.iterdir()}
    assert [name for name in experiments.EXPERIMENTS if workspaces["vae"].read(name) is not None] == ["faithfulness"]
    log = [{"epoch": "1", "validation_lower_bound": "1.0", "validation_squared_error": "0.5",
            "observation_standard_deviation": "0.3"}]
    output = references.path.parent
    path = report.write(output, "A <title>", [report.Section("Runs", "Text & more.")], workspaces, references,
                        dict.fromkeys(workspaces, log), side_by_side.sheets(data, workspaces))
    page, plain = path.read_text(), (output / "report.md").read_text()
    assert "A &lt;title&gt;" in page and "Text &amp; more." in page and "src='data:image/png;base64" in page
    # Needs no other file.
    assert page.count("src=") == page.count("src='data:image/png;base64,") and "href" not in page
    for name in names:
        assert f"## {name.capitalize()}\n" in plain and f"<h2>{name.capitalize()}</h2>" in page
    for file in re.findall(r"!\[.*\]\((.*)\)", plain):
        assert (output / file).is_file()
    samples = "one sample for the attributes of each real picture"
    assert list(side_by_side.sheets(data, workspaces)) == [samples]
    assert set(side_by_side.sheets(data, {"discvae": workspaces["discvae"]})) == {
        samples, "reconstructions by posterior inference",
        "completion of 8 x 8 pixels inside the foreground", "completion of 8 x 8 pixels anywhere"}
    value = workspaces["discvae"].read("reconstruction")["by posterior inference"]["squared_error_whole"]
    assert report._text(value) in plain and "discvae less vae" in plain


@pytest.mark.slow
def test_a_finished_experiment_is_not_measured_again(contexts, monkeypatch):
    monkeypatch.setitem(experiments.EXPERIMENTS, "swap",
                        dataclasses.replace(experiments.EXPERIMENTS["swap"], measure=None))
    contexts["discvae"].workspace.write("swap", {}, {}, 0.0)
    experiments.measure_run(contexts["discvae"], ["swap"])


def test_paired_differences_have_the_interval_of_the_differences():
    random = np.random.default_rng(0)
    shared, people = 100 * random.normal(size=50), np.arange(50).astype(str)
    examples = {name: {"group/an_error": {"values": shared + offset + 0.01 * random.normal(size=50),
                                          "people": people}} for name, offset in (("one", 0.0), ("two", 1.0))}
    header, [[title, cell]] = report._differences(examples)
    assert header[1] == "two less one" and title == "group, an error"
    # The difficulty of pictures, which both share, is gone.
    assert re.fullmatch(r"(1\.00\d|0\.99\d\d) \[0\.99\d\d, 1\.00\d\] \*", cell)
    assert report._differences({"one": examples["one"]}) is None


@pytest.mark.parametrize(("number", "text"), [(0.0, "0.0000"), (-12345.6, "-12,346"), (0.12346, "0.1235"),
                                              (2e-5, "2.00e-05"), (27.456, "27.46"), (-123.46, "-123.5")])
def test_estimates_are_rounded_to_four_digits(number, text):
    assert report._round(number) == text
