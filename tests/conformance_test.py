"""Laws that every model obeys; a new class of attr2image_tf.models.CLASSES must be entered here."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf import models
from attr2image_tf.config import MODELS, ModelConfig
from attr2image_tf.models import randomness
from attr2image_tf.models.folding import fold
from attr2image_tf.models.optimizer import Adam
from tests.tiny import make_model as make

COVERED = ("vae", "cvae", "discvae")
# A VAE is a CVAE without attribute streams: what a network is rewritten, trained and rounded like it shows as well.
DISTINCT = tuple(name for name in COVERED if name != "vae")
LAYERS = ("foregrounds", "gates", "backgrounds")
SEED = tf.constant([3, 5])


def make_batch(rows=4, seed=0):
    random = np.random.default_rng(seed)
    batch = {"image": random.uniform(-1, 1, (rows, 32, 32, 3)), "mask": random.uniform(0, 1, (rows, 32, 32, 1)) > 0.5,
             "attributes": random.normal(size=(rows, 3)), "weight": np.ones(rows)}
    return {name: tf.constant(value, tf.float32) for name, value in batch.items()}


def example_seeds(rows):
    return tf.stack([tf.fill([rows], 11), tf.range(rows)], -1)


@pytest.fixture(scope="module")
def made():
    return {name: make(name) for name in COVERED}


@contextlib.contextmanager
def put_back(model):
    """Undoes what happens to a model's variables: making another takes longer."""
    values = [variable.numpy() for variable in model.variables]
    yield model
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)


@pytest.fixture(params=COVERED)
def model(request, made):
    """A model that no test may change."""
    return made[request.param]


def test_every_class_is_covered():
    assert set(COVERED) == set(models.CLASSES) == set(MODELS)


def test_the_configuration_names_the_class(model):
    assert type(model) is models.CLASSES[model.config.model]


def test_a_vae_is_a_cvae_but_for_its_flag():
    assert models.CLASSES["vae"].__bases__ == (models.CLASSES["cvae"],)
    assert {name for name in vars(models.CLASSES["vae"]) if not name.startswith("_")} == {"conditional"}


@pytest.mark.slow
def test_first_weights_are_a_function_of_the_seed(model):
    same, other = (make(model.config.model, seed=seed) for seed in (0, 1))
    for variable, again in zip(model.variables, same.variables, strict=True):
        np.testing.assert_array_equal(variable, again)
    assert any(np.any(variable.numpy() != another.numpy())
               for variable, another in zip(model.variables, other.variables, strict=True))


def test_a_row_of_seeds_gives_one_picture_at_any_batch_size(model):
    attributes = make_batch(7)["attributes"]
    together = model.generate(attributes, example_seeds(7))
    assert np.abs(together["images"][0] - together["images"][1]).max() > 1e-3
    assert together["latents"].shape == (7, model.latent_size)
    for row in (0, 6):
        alone = model.generate(attributes[row:row + 1], example_seeds(7)[row:row + 1])
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][row], atol=5e-5, err_msg=name)


def test_pictures_are_drawn_from_the_prior(model):
    attributes = make_batch()["attributes"]
    noise = randomness.normal_by_example(example_seeds(4), model.latent_size)
    drawn = model.generate(attributes, example_seeds(4))
    latents = model.latents_from_noise(noise, attributes)
    np.testing.assert_allclose(drawn["latents"], latents, atol=1e-5)
    assert np.abs(latents - noise).max() > 0.1
    np.testing.assert_allclose(model.noise_from_latents(latents, attributes), noise, atol=1e-4)
    np.testing.assert_allclose(model.decode(latents, attributes)["images"], drawn["images"], atol=1e-5)


def test_a_lower_temperature_draws_pictures_more_alike(model):
    attributes = tf.zeros([6, 3])

    def deviation(temperature):
        return float(tf.reduce_mean(tf.math.reduce_std(
            model.generate(attributes, example_seeds(6), temperature)["images"], 0)))

    assert deviation(0.0) < 1e-6 < deviation(0.5) < deviation(1.0)
    # A row's own is a row's own.
    mixed = model.generate(attributes, example_seeds(6), tf.constant([1.0, 0.0, 1.0, 0.5, 1.0, 1.0]))["images"]
    np.testing.assert_allclose(mixed[0], model.generate(attributes, example_seeds(6))["images"][0], atol=1e-5)


def test_what_the_prior_adds_to_the_bound_is_its_density_over_the_standard_one(model):
    batch = make_batch()
    terms = model.lower_bound(batch, SEED)
    assert terms["prior_gain"].shape == (4,) and np.isfinite(terms["prior_gain"]).all()
    # Training moves statistics of batches.
    with put_back(model):
        assert "prior_gain" not in model.lower_bound(batch, SEED, training=True)
    assert "prior_gain" not in make(model.config.model, prior="standard").lower_bound(batch, SEED)


def test_pictures_are_in_their_ranges_and_of_their_shapes(model):
    layers = model.generate(make_batch()["attributes"], example_seeds(4))
    assert layers["images"].shape == (4, 32, 32, 3)
    assert all(name in layers for name in LAYERS) == model.layered
    for name in LAYERS if model.layered else ["images"]:
        low = 0.0 if name == "gates" else -1.0
        assert np.all((layers[name] >= low) & (layers[name] <= 1.0)), name


def test_layers_compose_to_the_picture(model):
    if not model.layered:
        pytest.skip("has no layers")
    layers = model.generate(make_batch()["attributes"], example_seeds(4))
    np.testing.assert_array_equal(layers["gates"], tf.sigmoid(layers["gate_logits"]))
    np.testing.assert_allclose(layers["images"], layers["foregrounds"] + layers["gates"] * layers["backgrounds"],
                               atol=1e-6)


def test_posterior_has_one_latent_vector_an_example(model):
    batch = make_batch()
    posterior = model.encode(batch["image"], batch["mask"], batch["attributes"])
    assert posterior.mean().shape == posterior.stddev().shape == (4, model.latent_size)
    assert np.all(posterior.stddev() > 0)
    alone = model.encode(batch["image"][2:3], batch["mask"][2:3], batch["attributes"][2:3])
    np.testing.assert_allclose(alone.mean()[0], posterior.mean()[2], atol=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_bound_is_the_sum_of_its_parts(model, training):
    # Training moves the statistics of batch normalisation.
    with put_back(model):
        terms = model.lower_bound(make_batch(), SEED, training=training)
    for term, value in terms.items():
        assert value.shape == (4,) and value.dtype == tf.float32, term
        assert np.all(np.isfinite(value)), term
    likelihoods = sum(value for term, value in terms.items() if term.startswith("log_likelihood"))
    divergences = sum(value for term, value in terms.items() if term.startswith("kl_"))
    assert np.all(divergences >= 0)
    np.testing.assert_allclose(terms["lower_bound"], likelihoods - divergences, rtol=1e-5)
    np.testing.assert_allclose(terms["lower_bound_image"], terms["log_likelihood_image"] - divergences, rtol=1e-5)
    if not model.layered:
        np.testing.assert_array_equal(terms["objective"], terms["lower_bound"])
        np.testing.assert_array_equal(terms["lower_bound_image"], terms["lower_bound"])


def test_the_deviation_of_the_foreground_maximises_its_likelihood_and_outside_it_shall_be_0(made):
    batch = make_batch()
    with put_back(made["discvae"]) as model:
        noise = model.observation_noise

        def evaluate():
            terms = model.lower_bound(batch, SEED)
            return terms, {name: float(tf.reduce_mean(term)) for name, term in terms.items()}

        _, means = evaluate()
        best = noise.squared_errors(means)
        likelihoods = []
        for factor in (0.8, 1.0, 1.25):
            noise.assign({name: factor * float(error) for name, error in best.items()})
            _, scaled = evaluate()
            likelihoods.append([scaled[f"log_likelihood_{name}"] for name in best])
        assert np.all(np.array(likelihoods[1]) > np.maximum(likelihoods[0], likelihoods[2]))
        # What training asks for beside the bound: x_F at 0 where the background shows.
        terms, _ = evaluate()
        layers = model.decode(_latents_drawn(model, batch), batch["attributes"])
        spilled = np.sum((1.0 - batch["mask"]) * np.square(layers["foregrounds"]), (1, 2, 3))
        expected = (terms["lower_bound"] + (model.config.gate_weight - 1) * terms["log_likelihood_gate"]
                    - 0.5 * spilled / float(noise.standard_deviation("foreground")) ** 2)
        np.testing.assert_allclose(terms["objective"], expected, rtol=1e-4)


def _latents_drawn(model, batch):
    """The latents that `lower_bound` draws with SEED."""
    seeds = randomness.split_seed(SEED, 4)
    posterior = model.encode_foreground(batch["image"], batch["mask"], batch["attributes"])
    foreground = posterior.mean() + posterior.stddev() * randomness.replica_normal(4, 8, seeds[1])
    posterior = model.encode_background(batch["image"], batch["attributes"], foreground)
    background = posterior.mean() + posterior.stddev() * randomness.replica_normal(4, 4, seeds[3])
    return tf.concat([foreground, background], -1)


@pytest.mark.slow
def test_kl_warm_up_weighs_the_objective_alone(made):
    for name, model in made.items():
        warm = make(name, kl_warmup_steps=4)
        plain = model.lower_bound(make_batch(), SEED)
        terms = warm.lower_bound(make_batch(), SEED, kl_weight=warm.kl_weight(tf.constant(0)))
        assert [float(warm.kl_weight(tf.constant(step))) for step in (3, 9)] == [1.0, 1.0]
        divergences = sum(value for term, value in terms.items() if term.startswith("kl_"))
        np.testing.assert_allclose(terms["lower_bound"], plain["lower_bound"], rtol=1e-5)
        np.testing.assert_allclose(terms["objective"], plain["objective"] + 0.75 * divergences, rtol=1e-5)


@pytest.mark.slow
def test_importance_weighted_bound_is_at_least_the_elbo(model):
    batch = make_batch()
    seeds = [tf.constant([7, number]) for number in range(4)]
    bound = tf.function(lambda seed: model.lower_bound(batch, seed))
    weighted = tf.function(lambda seed: model.importance_weighted_bound(batch, seed, 5))
    elbo = np.mean([terms["lower_bound"] + terms["prior_gain"] for terms in map(bound, seeds)], 0)
    iwae = np.mean([weighted(seed) for seed in seeds], 0)
    assert elbo.shape == iwae.shape == (4,)
    assert np.mean(iwae) >= np.mean(elbo)
    # Of the same draws it is at least the mean by Jensen's inequality, and at most the largest.
    draws = [bound(each) for each in randomness.split_seed(seeds[0], 5)]
    weights = np.stack([terms["log_weight"] + terms["prior_gain"] for terms in draws])
    of_first = weighted(seeds[0])
    assert np.all(of_first >= weights.mean(0) - 0.01) and np.all(of_first <= weights.max(0) + 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_every_trainable_weight_gets_a_gradient(name):
    model = make(name, observation_noise="learned", dropout=0.0)
    weights = model.trainable_variables

    @tf.function
    def compute(batch):
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(model.lower_bound(batch, SEED, training=True)["objective"])
        return tape.gradient(loss, [variable.value for variable in weights])

    gradients = compute(make_batch())
    assert len(weights) > 20
    for variable, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, variable.path
        assert np.all(np.isfinite(gradient)), variable.path
        # A bias before batch normalisation has no effect, but every kernel has.
        assert len(variable.shape) < 2 or np.any(gradient), variable.path


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_a_step_changes_all_kernels_and_one_with_nan_none(name):
    # With this the observation noise is a variable that every step changes, too.
    model = make(name, observation_noise="running")
    optimizer = Adam([variable.value for variable in model.trainable_variables], 1e-3)
    step = tf.function(lambda batch: model.training_step(batch, optimizer))

    def values():
        return {variable.path: variable.numpy() for variable in model.variables}

    first = values()
    sums = step(make_batch())
    assert sums["count"] == 4.0 and np.isfinite(sums["lower_bound"])
    second = values()
    for variable in model.variables:
        changed = np.any(first[variable.path] != second[variable.path])
        assert changed or (variable.trainable and len(variable.shape) < 2), variable.path
    assert (optimizer.iterations, optimizer.skipped) == (1, 0)

    for number, key in enumerate(("image", "attributes"), 1):
        broken = make_batch(seed=1)
        broken[key] = tf.concat([broken[key][:3], np.nan * broken[key][3:]], 0)
        step(broken)
        assert (optimizer.iterations, optimizer.skipped) == (1 + number, number)
        for variable in model.variables:
            assert np.all(np.isfinite(variable)), (key, variable.path)
            if variable.trainable:
                np.testing.assert_array_equal(variable, second[variable.path], err_msg=variable.path)
    skipped = int(optimizer.skipped)
    assert np.isfinite(step(make_batch())["lower_bound"])
    assert optimizer.skipped == skipped


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_keras_own_fit_trains_on_one_device(name):
    model = make(name)
    data = tf.data.Dataset.from_tensor_slices(make_batch(8)).batch(4)
    model.compile(optimizer="adam")
    history = model.fit(data, epochs=8, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0]
    assert np.isfinite(list(model.evaluate(data, verbose=0, return_dict=True).values())).all()


def test_rows_of_weight_zero_do_not_count(model):
    batch = make_batch(6)
    batch["weight"] = tf.constant([1.0, 1, 1, 1, 0, 0])
    terms = model.lower_bound(batch, SEED)
    sums = model.evaluation_step(batch, SEED)
    assert sums["count"] == 4.0
    for name, value in terms.items():
        np.testing.assert_allclose(sums[name], np.sum(value[:4]), rtol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISTINCT)
def test_mixed_precision_gives_finite_float32(name, made):
    model = make(name, precision="mixed_bfloat16")
    assert all(variable.dtype == "float32" for variable in model.variables)
    batch = make_batch()
    generated = model.generate(batch["attributes"], example_seeds(4))
    for term, value in (generated | model.lower_bound(batch, SEED, training=True)).items():
        assert value.dtype == tf.float32, term
        assert np.all(np.isfinite(value)), term
    difference = np.abs(made[name].generate(batch["attributes"], example_seeds(4))["images"] - generated["images"])
    assert 0 < difference.max() < 0.5 and difference.mean() < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("name", DISTINCT)
def test_a_folded_model_is_the_same_function(name, gradients):
    model, batch = make(name), make_batch()
    random = np.random.default_rng(0)
    for variable in model.variables:
        # Statistics of training, without which normalisation would be the identity.
        if "moving" in variable.path:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
    latents = tf.constant(random.normal(size=(4, model.latent_size)), tf.float32)
    cotangent = tf.constant(random.normal(size=batch["image"].shape), tf.float32)

    def values():
        posterior = model.encode(batch["image"], batch["mask"], batch["attributes"])
        with tf.GradientTape() as tape:
            tape.watch(latents)
            parts = model.decode(latents, batch["attributes"])
            total = tf.reduce_sum(parts["images"] * cotangent)
        return [posterior.mean(), posterior.stddev(), *parts.values()] + [tape.gradient(total, latents)] * gradients

    before = values()
    fold(model, gradients=gradients)
    for one, other in zip(before, values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)
    with pytest.raises(ValueError, match="cannot be trained"):
        model.lower_bound(batch, SEED, training=True)
    fold(model, gradients=gradients)
    with pytest.raises(ValueError, match="already folded.*load it again"):
        fold(model, gradients=not gradients)


@pytest.mark.slow
@pytest.mark.parametrize("storage", [tf.float16, tf.bfloat16])
def test_a_model_stored_in_half_the_space_is_nearly_the_same(storage):
    model, batch = make("discvae"), make_batch()
    latents = tf.random.stateless_normal([4, model.latent_size], SEED)
    before = model.decode(latents, batch["attributes"])["images"]
    fold(model, storage)
    after = model.decode(latents, batch["attributes"])["images"]
    assert np.abs(after - before).max() > 0.0
    np.testing.assert_allclose(after, before, atol=0.02)
    decode = tf.function(model.decode).get_concrete_function(latents, batch["attributes"])
    # What a SavedModel would keep: no kernel in full but those of the heads.
    captured = {id(outside) for outside, _ in decode.graph.captures}
    stored = [kernel.stored for kernel in model.stored_kernels if id(kernel.resource_handle) in captured]
    kept = [*decode.graph.variables, *stored]
    sizes = [np.prod(variable.shape) * variable.dtype.size for variable in kept]
    full = [4 * np.prod(variable.shape) for variable in kept]
    assert stored and sum(sizes) < 0.55 * sum(full)


def test_vae_ignores_attributes(made):
    batch, model = make_batch(), made["vae"]
    other = batch | {"attributes": batch["attributes"] + 5.0}
    for name, value in model.lower_bound(batch, SEED).items():
        np.testing.assert_array_equal(value, model.lower_bound(other, SEED)[name])
    images = [model.generate(each["attributes"], example_seeds(4))["images"] for each in (batch, other)]
    np.testing.assert_array_equal(*images)


@pytest.mark.parametrize("name", ["cvae", "discvae"])
def test_conditional_models_heed_attributes(made, name):
    batch, model = make_batch(), made[name]
    images = [model.generate(batch["attributes"] + shift, example_seeds(4))["images"] for shift in (0.0, 5.0)]
    assert np.abs(images[0] - images[1]).max() > 1e-3


def test_background_depends_on_its_own_latents_alone(made):
    model, attributes = made["discvae"], make_batch()["attributes"]
    latents = randomness.normal_by_example(example_seeds(4), model.latent_size)
    foreground, background = model.split(latents)
    assert (foreground.shape[1], background.shape[1]) == (8, 4)
    layers = model.decode(latents, attributes)
    moved = model.decode(tf.concat([foreground + 1.0, background], -1), attributes + 1.0)
    np.testing.assert_array_equal(layers["backgrounds"], moved["backgrounds"])
    assert np.abs(layers["foregrounds"] - moved["foregrounds"]).max() > 1e-3
    behind = model.decode(tf.concat([foreground, background + 1.0], -1), attributes)
    for name in ("foregrounds", "gates"):
        np.testing.assert_array_equal(layers[name], behind[name])
    assert np.abs(layers["backgrounds"] - behind["backgrounds"]).max() > 1e-3


def test_paper_size():
    model = models.create(ModelConfig(attribute_mean=(0.0,) * 73, attribute_standard_deviation=(1.0,) * 73))
    counts = {name: sum(int(np.prod(variable.shape)) for variable in getattr(model, name).trainable_variables)
              for name in ("foreground_encoder", "background_encoder", "foreground_decoder", "background_decoder")}
    assert counts == {"foreground_encoder": 6_785_920, "background_encoder": 676_288,
                      "foreground_decoder": 7_647_556, "background_decoder": 748_483}
    assert model.latent_size == 256
