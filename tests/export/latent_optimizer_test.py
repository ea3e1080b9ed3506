"""Laws of the exported latent optimiser: what is loaded without this package does what the library does."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from attr2image_tf.config import ConfigError
from attr2image_tf.evaluation.attribute_regressor import save_errors
from attr2image_tf.inference.amortised import amortised_start
from attr2image_tf.inference.attribute_prior import AttributePrior
from attr2image_tf.inference.energy import Energy
from attr2image_tf.inference.latent_optimizer import LatentOptimizer
from attr2image_tf.inference.minimizers import STOP_REASONS
from attr2image_tf.signatures.latent_optimizer import LatentOptimizerModule
from attr2image_tf.signatures.publishing import load_reader, save_quietly
from tests.evaluation.tiny import write_regressor
from tests.export import plain_process, tiny_models
from tests.export.tiny_models import INFERENCE

pytestmark = pytest.mark.slow

SIZE, ATTRIBUTES, LATENTS, BATCH = 32, 3, 7, 3

def random(shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.fixture(scope="module")
def model():
    return tiny_models.folded_model("latent_optimizer")


@pytest.fixture(scope="module")
def schema():
    return tiny_models.SCHEMA


@pytest.fixture(scope="module")
def optimizer(model, schema):
    """The library's own, put together without the module under test."""
    variance = float(model.observation_standard_deviation) ** 2
    prior = AttributePrior(schema.minimum, schema.mean, schema.maximum, schema.covariance)
    return LatentOptimizer(model.decode, Energy(variance), INFERENCE, latent_size=LATENTS, attribute_size=ATTRIBUTES,
                           prior=model, attribute_prior=prior, start=functools.partial(amortised_start, model))


@pytest.fixture(scope="module")
def module():
    return tiny_models.modules("discvae")["latent_optimizer"]


@pytest.fixture(scope="module")
def functions():
    return tiny_models.functions("discvae")["latent_optimizer"]


@pytest.fixture(scope="module")
def request_values():
    observed = np.ones((BATCH, SIZE, SIZE, 1), np.float32)
    observed[:, 8:20, 8:24] = 0.0
    return {"images": np.round(random((BATCH, SIZE, SIZE, 3)) * 255.0).astype(np.float32) / np.float32(255.0),
            "observed": observed, "attributes": random((BATCH, ATTRIBUTES), 2),
            "new_attributes": random((BATCH, ATTRIBUTES), 3), "seed": np.array([[1, 2], [3, 4], [5, 6]], np.int32)}


def input_specs(function):
    return {spec.name: spec for spec in tf.nest.flatten(function.structured_input_signature)}


def call(function, values, **changes):
    arguments = {name: tf.constant({**values, **changes}[name]) for name in input_specs(function)}
    return {name: value.numpy() for name, value in function(**arguments).items()}


def png(pictures):
    return np.array([tf.io.encode_png(tf.cast(tf.round(picture * 255.0), tf.uint8)).numpy() for picture in pictures])


def test_names_types_and_shapes(functions):
    image, one = (None, SIZE, SIZE, 3), (None,)
    summary = {"latents": (None, LATENTS), "images": image, "energy": one, "reconstruction_energy": one,
               "prior_energy": one, "iterations": one, "evaluations": one, "stopped": one}
    more = {"infer_attributes": {"attributes": (None, ATTRIBUTES)}}
    for name in ("infer", "infer_attributes", "complete", "complete_sample", "edit"):
        expected = summary | more.get(name, {})
        outputs = {key: tuple(value.shape) for key, value in functions[name].structured_outputs.items()}
        assert outputs == expected, name
        outputs = {key: tuple(value.shape) for key, value in functions[f"{name}_bytes"].structured_outputs.items()}
        assert outputs == {key: value for key, value in expected.items() if key != "images"} | {"images_bytes": one}
    assert functions["serving_default"] is functions["infer"]
    for function in functions.values():
        # TF Serving joins requests along the first dimension of every input.
        assert input_specs(function) and all(spec.shape[0] is None for spec in input_specs(function).values())


@pytest.mark.nightly
def test_a_process_with_tensorflow_alone_gets_what_the_library_gives(module, functions, optimizer, request_values,
                                                                     tmp_path):
    names = ("serving_default", "infer_attributes", "complete_sample", "edit")
    tf.saved_model.save(module, str(tmp_path / "model"), {name: functions[name] for name in (*names, "describe")})
    inputs = {f"{name}/{each}": request_values[each] for name in names for each in input_specs(functions[name])}
    inputs["describe/request"] = np.zeros(2, np.int32)
    loaded = plain_process.answers(tmp_path / "model", inputs, tmp_path)

    pictures, shown = request_values["images"] * 2 - 1, request_values["observed"]
    attributes, new_attributes = request_values["attributes"], request_values["new_attributes"]
    completed = optimizer.complete(pictures, shown, attributes, seeds=request_values["seed"], samples=1)
    expected = {
        "serving_default": optimizer.infer(pictures, attributes, shown),
        "infer_attributes": optimizer.infer_attributes(pictures, shown),
        "complete_sample": {name: value[:, 1] for name, value in completed.items()},
        "edit": optimizer.edit(pictures, attributes, new_attributes)}
    for name in names:
        for key in functions[name].structured_outputs:
            found, wanted = loaded[f"{name}/{key}"], expected[name][key].numpy()
            wanted = np.clip(wanted * 0.5 + 0.5, 0.0, 1.0) if key == "images" else wanted
            np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=1e-4, err_msg=f"{name} {key}")
    assert np.char.decode(loaded["describe/stop_reasons"]).tolist() == [list(STOP_REASONS)] * 2


def test_a_regressor_reads_the_attributes(request_values, tmp_path):
    regressor = write_regressor(tmp_path / "regressor", tiny_models.SCHEMA)
    with pytest.raises(ConfigError, match="did not measure its errors; run the command that trained it again"):
        load_reader(tmp_path / "regressor", tiny_models.SCHEMA, SIZE)
    save_errors(1e-6 * np.eye(ATTRIBUTES), tmp_path / "regressor")
    with pytest.raises(ConfigError, match="pictures of 32 pixels; the run has"):
        load_reader(tmp_path / "regressor", tiny_models.SCHEMA, 2 * SIZE)
    reader = load_reader(tmp_path / "regressor", tiny_models.SCHEMA, SIZE)
    module = LatentOptimizerModule(tiny_models.folded_model("latent_optimizer"), tiny_models.SCHEMA, INFERENCE, reader)
    infer = tf.function(module.infer_attributes, autograph=False).get_concrete_function(
        *(tf.TensorSpec([None, SIZE, SIZE, channels], tf.float32, name)
          for name, channels in (("images", 3), ("observed", 1))))
    images = tf.constant(request_values["images"])
    found = infer(images, tf.ones([BATCH, SIZE, SIZE, 1]))["attributes"].numpy()
    read = np.clip(regressor(request_values["images"])[0], tiny_models.SCHEMA.minimum, tiny_models.SCHEMA.maximum)
    np.testing.assert_allclose(found, read, atol=0.05)


def test_a_row_does_not_depend_on_its_batch(functions, request_values):
    for name in ("infer_attributes", "complete_sample"):
        together = call(functions[name], request_values)
        for row in range(BATCH):
            alone = call(functions[name], {key: value[row:row + 1] for key, value in request_values.items()})
            for key in ("images", "latents", "energy"):
                np.testing.assert_allclose(alone[key][0], together[key][row], atol=1e-3, rtol=1e-3, err_msg=name)


def test_completion_keeps_what_was_observed_to_the_last_bit(functions, request_values):
    shown = np.broadcast_to(request_values["observed"] == 1.0, request_values["images"].shape)
    hidden = np.where(shown, request_values["images"], np.float32(np.nan))
    for name in ("complete", "complete_sample"):
        result = call(functions[name], request_values, images=hidden)["images"]
        np.testing.assert_array_equal(result[shown], request_values["images"][shown])
        assert np.isfinite(result).all() and result.min() >= 0.0 and result.max() <= 1.0


def test_another_seed_gives_another_completion(functions, request_values):
    first = call(functions["complete_sample"], request_values)["images"]
    again = call(functions["complete_sample"], request_values)["images"]
    other = call(functions["complete_sample"], request_values, seed=request_values["seed"] + 10)["images"]
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max((1, 2, 3)).min() > 1e-3


def test_a_completion_with_latents_at_hand_is_the_same_completion(functions, request_values):
    best = call(functions["complete"], request_values)
    quick = call(functions["complete_latents"], request_values, latents=best["latents"])["images"]
    np.testing.assert_allclose(quick, best["images"], atol=1e-5)
    shown = np.broadcast_to(request_values["observed"] == 1.0, quick.shape)
    np.testing.assert_array_equal(quick[shown], request_values["images"][shown])
    # A sample begins at the best, wherever that comes from.
    whole = call(functions["complete_sample"], request_values)
    sample = call(functions["complete_sample_latents"], request_values, latents=best["latents"])
    assert sample.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(sample[name], value, rtol=1e-3, atol=1e-4, err_msg=name)
    values = request_values | {"image_bytes": png(request_values["images"]), "latents": best["latents"],
                               "observed_bytes": png(request_values["observed"])}
    for name in ("complete_latents", "complete_sample_latents"):
        plain, encoded = call(functions[name], values), call(functions[f"{name}_bytes"], values)
        for picture, one in zip(plain["images"], encoded["images_bytes"], strict=True):
            np.testing.assert_allclose(tf.io.decode_png(one).numpy() / 255.0, picture, atol=1.1 / 255.0)


def test_all_signatures_share_one_descent_and_one_generator(module, functions, tmp_path):
    save_quietly(module, tmp_path, functions)
    graph = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
    sizes = {function.signature.name: len(function.node_def) for function in graph.library.function}
    descents = [name for name, size in sizes.items() if "while_body" in name and size > 500]
    assert len(descents) == 1
    # The generator's: with gradients in the descent, and once without.
    convolving = [function.signature.name for function in graph.library.function
                  if sum(node.op == "Conv2DBackpropInput" for node in function.node_def) > 1]
    assert len(convolving) == 2
    assert len(graph.node) + sum(sizes.values()) < 10_000


def test_an_edit_with_latents_at_hand_is_the_same_edit(functions, request_values):
    whole = call(functions["edit"], request_values)
    quick = call(functions["edit_latents"], request_values, latents=whole["latents"])
    np.testing.assert_allclose(quick["images"], whole["images"], atol=1e-6)
    encoded = call(functions["edit_latents_bytes"], request_values, latents=whole["latents"],
                   image_bytes=png(request_values["images"]))["images_bytes"]
    np.testing.assert_allclose(tf.io.decode_png(encoded[0]).numpy() / 255.0, whole["images"][0], atol=1.1 / 255.0)


def test_an_edit_that_changes_nothing_gives_the_picture_back(functions, request_values):
    same = call(functions["edit"], request_values, new_attributes=request_values["attributes"])["images"]
    np.testing.assert_allclose(same, request_values["images"], atol=1e-5)
    changed = call(functions["edit"], request_values)["images"]
    assert np.abs(changed - request_values["images"]).max((1, 2, 3)).min() > 1e-2


def test_bytes_are_the_same_pictures(functions, request_values):
    values = request_values | {"image_bytes": png(request_values["images"]),
                               "observed_bytes": png(request_values["observed"])}
    for name in ("infer", "complete_sample", "edit"):
        plain, encoded = call(functions[name], values), call(functions[f"{name}_bytes"], values)
        np.testing.assert_allclose(encoded["energy"], plain["energy"], rtol=1e-4)
        pictures = np.stack([tf.io.decode_png(one).numpy() for one in encoded["images_bytes"]])
        np.testing.assert_allclose(pictures / 255.0, plain["images"], atol=0.51 / 255 + 1e-3)


def test_bytes_of_another_size_show_their_central_square(functions, request_values):
    enlarged = np.repeat(np.repeat(request_values["images"], 4, 1), 4, 2)
    wide = np.pad(enlarged, [[0, 0], [0, 0], [20, 20], [0, 0]])
    # Smooth pictures, so that enlarging and shrinking gives them back.
    smooth = tf.image.resize(random((BATCH, 4, 4, 3)), [4 * SIZE, 4 * SIZE], "bicubic").numpy().clip(0, 1)
    wide[:, :, 20:-20] = smooth
    small = smooth.reshape(BATCH, SIZE, 4, SIZE, 4, 3).mean((2, 4))
    # An edit that changes nothing gives back what was shown.
    same = {"image_bytes": png(wide), "new_attributes": request_values["attributes"],
            "latents": np.zeros((BATCH, LATENTS), np.float32)}
    answer = call(functions["edit_latents_bytes"], request_values, **same)["images_bytes"]
    shown = np.stack([tf.io.decode_png(one).numpy() for one in answer]) / 255.0
    np.testing.assert_allclose(shown, small, atol=0.02)


def with_row(array, value):
    array = np.array(array)
    array[1] = value
    return array


@pytest.mark.parametrize("signature, name, value, message", [
    ("infer", "images", 1.5, "images: expected numbers from 0 to 1"),
    ("edit", "images", np.nan, "images: expected numbers from 0 to 1"),
    ("infer_attributes", "observed", 0.0, "observed: nothing is observed"),
    ("complete", "observed", -1.0, "observed: expected numbers from 0 to 1"),
    ("complete_sample", "attributes", np.nan, "attributes: expected finite numbers"),
    ("edit", "new_attributes", np.inf, "new_attributes: expected finite numbers")])
def test_bad_numbers_are_refused_and_their_row_named(functions, request_values, signature, name, value, message):
    bad = with_row(request_values[name], value)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message + r".*; rows\D*1\D"):
        call(functions[signature], request_values, **{name: bad})


def test_describe_tells_what_the_numbers_mean(functions, schema):
    answer = call(functions["describe"], {"request": np.zeros(2, np.int32)})
    assert all(len(value) == 2 for value in answer.values())
    assert answer["names"][1].tolist() == [name.encode() for name in schema.names]
    np.testing.assert_array_equal(answer["covariance"][1], schema.covariance)
    assert answer["stop_reasons"][1].tolist() == [reason.encode() for reason in STOP_REASONS]
    assert answer["maximum_iterations"].tolist() == [[INFERENCE.evaluations]] * 2
    assert answer["latent_sizes"].tolist() == [[4, 3]] * 2
