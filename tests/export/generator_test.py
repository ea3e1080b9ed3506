"""Laws of the exported generator: what is loaded without this package does what the model does."""


import numpy as np
import pytest
import tensorflow as tf

from attr2image_tf.signatures.publishing import publish
from tests.export import plain_process, tiny_models

pytestmark = pytest.mark.slow

ROWS = 7
LAYERS = ("images", "foregrounds", "gates", "backgrounds")

@pytest.fixture(scope="module")
def model():
    return tiny_models.folded_model("generator")


@pytest.fixture(scope="module")
def schema():
    return tiny_models.SCHEMA


@pytest.fixture(scope="module")
def path():
    return tiny_models.exported() / "generator" / "1"


@pytest.fixture(scope="module")
def loaded(path):
    # The object owns the variables, so it must outlive its signatures.
    return tf.saved_model.load(str(path))


@pytest.fixture(scope="module")
def signatures(loaded):
    return loaded.signatures


@pytest.fixture(scope="module")
def values():
    random = np.random.default_rng(0)
    return {"attributes": random.normal(size=(ROWS, 3)).astype(np.float32),
            "seed": np.stack([np.full(ROWS, 5), np.arange(ROWS)], -1).astype(np.int32),
            "latents": random.normal(size=(ROWS, 7)).astype(np.float32),
            "images": random.random((ROWS, 32, 32, 3), np.float32),
            "masks": random.random((ROWS, 32, 32, 1), np.float32), "request": np.zeros(2, np.int32),
            "temperature": np.linspace(0.0, 1.0, ROWS, dtype=np.float32)}


ARGUMENTS = {"generate": ("attributes", "seed"), "serving_default": ("attributes", "seed"),
             "sample": ("attributes", "seed", "temperature"), "generate_bytes": ("attributes", "seed"),
             "decode": ("latents", "attributes"), "encode": ("images", "masks", "attributes"), "describe": ("request",)}


def call(signatures, name, values, **changes):
    return signatures[name](**{key: tf.constant({**values, **changes}[key]) for key in ARGUMENTS[name]})


def public(layers):
    return {name: value.numpy() if name in ("gates", "latents") else np.clip(value.numpy() * 0.5 + 0.5, 0.0, 1.0)
            for name, value in layers.items() if name != "gate_logits"}


def test_a_process_with_tensorflow_alone_gets_what_the_model_gives(model, schema, path, values, tmp_path):
    found = plain_process.answers(
        path, {f"{name}/{key}": values[key] for name, keys in ARGUMENTS.items() for key in keys}, tmp_path)

    generated = public(model.generate(values["attributes"], values["seed"]))
    sampled = public(model.generate(values["attributes"], values["seed"], values["temperature"]))
    decoded = public(model.decode(tf.constant(values["latents"]), values["attributes"]))
    posterior = model.encode(values["images"] * 2.0 - 1.0, values["masks"], values["attributes"])
    encoded = {"latents_mean": posterior.mean(), "latents_log_variance": 2.0 * np.log(posterior.stddev())}
    assert set(generated) == {*LAYERS, "latents"} and set(decoded) == set(LAYERS)
    assert np.abs(generated["images"][0] - generated["images"][1]).max() > 1e-3
    expected = {f"{name}/{key}": value for name, layers in (
        ("generate", generated), ("serving_default", generated), ("sample", sampled), ("decode", decoded),
        ("encode", encoded)) for key, value in layers.items()}
    described = {"minimum": schema.minimum, "mean": schema.mean, "maximum": schema.maximum,
                 "standard_deviation": schema.standard_deviation, "covariance": schema.covariance,
                 "image_size": [32], "latent_sizes": [4, 3], "maximum_batch": [256], "temperature": [1.0]}
    expected |= {f"describe/{name}": np.stack([value, value]) for name, value in described.items()}
    assert set(found) == {*expected, "describe/names", "generate_bytes/images_bytes"}
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-5, rtol=1e-5, err_msg=key)
    assert np.char.decode(found["describe/names"]).tolist() == [list(tiny_models.NAMES)] * 2


def test_every_input_and_output_has_the_batch_first(signatures):
    assert set(signatures) == set(ARGUMENTS)
    for function in signatures.values():
        # TF Serving joins requests along the first dimension of every input.
        assert all(spec.shape[0] is None for spec in function.structured_input_signature[1].values())
        assert all(output.shape[0] is None for output in function.structured_outputs.values())


def test_a_row_of_seeds_gives_one_picture_at_any_batch_size(signatures, values):
    together = call(signatures, "generate", values)
    for row in (0, ROWS - 1):
        alone = call(signatures, "generate", {key: value[row:row + 1] for key, value in values.items()})
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][row], atol=5e-5, err_msg=name)


def test_bytes_are_the_same_pictures(signatures, values):
    images = call(signatures, "generate", values)["images"].numpy()
    texts = call(signatures, "generate_bytes", values)["images_bytes"].numpy()
    assert all(text.startswith(b"\x89PNG") for text in texts)
    decoded = np.stack([tf.io.decode_png(text, dtype=tf.uint8) for text in texts])
    # Half a level of rounding, and what two graphs differ by.
    np.testing.assert_allclose(decoded / 255.0, images, atol=0.51 / 255.0)


def test_encoded_latents_decode(signatures, values):
    latents = call(signatures, "encode", values)["latents_mean"]
    images = call(signatures, "decode", values, latents=latents)["images"]
    assert images.shape == (ROWS, 32, 32, 3) and np.all((images >= 0.0) & (images <= 1.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["generate", "generate_bytes", "decode", "encode"])
def test_attributes_that_are_not_finite_are_refused(signatures, values, name, bad):
    attributes = values["attributes"].copy()
    attributes[3, 1] = bad
    with pytest.raises(tf.errors.InvalidArgumentError, match="attributes: expected finite numbers"):
        call(signatures, name, values, attributes=attributes)


def test_latents_that_are_not_finite_are_refused(signatures, values):
    with pytest.raises(tf.errors.InvalidArgumentError, match="latents: expected finite numbers"):
        call(signatures, "decode", values, latents=values["latents"] * np.float32(np.nan))


@pytest.mark.parametrize("name", ["images", "masks"])
@pytest.mark.parametrize("bad", [-0.1, 1.1, np.nan])
def test_pixels_out_of_range_are_refused(signatures, values, name, bad):
    pixels = values[name].copy()
    pixels[2, 3, 4, 0] = bad
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: expected numbers from 0 to 1"):
        call(signatures, "encode", values, **{name: pixels})


# One number would broadcast to all attributes.
@pytest.mark.parametrize("length", [1, 2, 4])
@pytest.mark.parametrize("name", ["generate", "decode", "encode"])
def test_attributes_of_the_wrong_length_are_refused(signatures, values, name, length):
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"attributes: expected rows of shape \[3\]"):
        call(signatures, name, values, attributes=np.zeros((ROWS, length), np.float32))


@pytest.mark.parametrize("rows", [0, 257])
def test_batches_that_are_empty_or_too_large_are_refused(signatures, values, rows):
    with pytest.raises(tf.errors.InvalidArgumentError, match="attributes: expected from 1 to 256 rows, got"):
        call(signatures, "generate", values, attributes=np.zeros((rows, 3), np.float32),
             seed=np.zeros((rows, 2), np.int32))


def test_inputs_of_different_lengths_are_refused(signatures, values):
    with pytest.raises(tf.errors.InvalidArgumentError, match="seed: expected as many rows as attributes"):
        call(signatures, "generate", values, seed=values["seed"][:1])


def test_a_model_without_layers_has_none(values):
    functions = tiny_models.functions("cvae")["generator"]
    answer = functions["generate"](attributes=tf.constant(values["attributes"]), seed=tf.constant(values["seed"]))
    assert set(answer) == {"images", "latents"}
    described = functions["describe"](request=tf.constant([0]))
    np.testing.assert_array_equal(described["latent_sizes"], [[5]])


class Number(tf.Module):
    """The smallest thing that can be published."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def double(self, x):
        return {"y": 2.0 * x}


def test_versions_count_up_and_nothing_else_stays(tmp_path):
    module, base = Number(), tmp_path / "deep" / "models"
    signatures = {"serving_default": module.double.get_concrete_function()}
    assert [publish(module, signatures, base).name for _ in range(2)] == ["1", "2"]
    (base / "9").mkdir()
    (base / "notes").mkdir()
    assert publish(module, signatures, base) == base / "10"
    assert {each.name for each in base.iterdir()} == {"1", "2", "9", "10", "notes"}
    # A server of another user must be able to read it.
    assert (base / "10").stat().st_mode & 0o777 == 0o755


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(ValueError):
        publish(Number(), {"serving_default": "no function"}, tmp_path)
    assert list(tmp_path.iterdir()) == []
