"""Whatever is sent to the served signatures is answered or refused as INVALID_ARGUMENT, and the next is answered."""

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies
from hypothesis.extra import numpy as arrays

from tests.export import tiny_models

pytestmark = pytest.mark.slow

hypothesis.settings.register_profile("server", deadline=None, max_examples=40, derandomize=True,
                                     suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
hypothesis.settings.load_profile("server")

NUMBERS = strategies.floats(width=32) | strategies.just(float("nan")) | strategies.floats(-2, 2, width=32)
GOOD = {"attributes": np.full((1, 3), 0.5, np.float32), "seed": np.zeros((1, 2), np.int32)}


@pytest.fixture(scope="module")
def models():
    return tiny_models.loaded()


def answered(model, signature, inputs):
    """Whether a request was answered, and with numbers; everything but a clear refusal is an error."""
    try:
        answer = model.run(signature, inputs)
    except tf.errors.InvalidArgumentError as error:
        assert error.message
        return False
    for value in answer.values():
        assert value.dtype == object or np.isfinite(value).all()
    return True


@hypothesis.given(arrays.arrays(np.float32, strategies.tuples(strategies.integers(0, 3), strategies.integers(1, 4)),
                                elements=NUMBERS), strategies.integers(0, 3))
def test_attributes(models, attributes, rows):
    model = models["generator"]
    fine = attributes.shape == (rows, 3) and rows and np.isfinite(attributes).all()
    done = answered(model, "generate", {"attributes": attributes, "seed": np.zeros((rows, 2), np.int32)})
    # Numbers so large that they overflow may be refused; nothing else that is fine may.
    assert done == bool(fine) or (fine and np.abs(attributes).max() > 1e6)
    assert answered(model, "generate", GOOD)


@hypothesis.given(strategies.binary(max_size=200) | strategies.binary(max_size=60).map(
    lambda tail: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + tail) | strategies.binary(max_size=60).map(
    lambda tail: b"\xff\xd8\xff" + tail))
def test_bytes_that_are_no_picture(models, content):
    model = models["latent_optimizer"]
    observed = tf.io.encode_png(tf.fill([32, 32, 1], tf.constant(255, tf.uint8))).numpy()
    inputs = {"image_bytes": np.array([content], object), "observed_bytes": np.array([observed], object)}
    assert not answered(model, "infer_attributes_bytes", inputs)
    fine = {"image_bytes": np.array([tf.io.encode_png(tf.zeros([40, 32, 3], tf.uint8)).numpy()], object)}
    assert answered(model, "infer_attributes_bytes", inputs | fine)


@pytest.mark.parametrize("value", [np.array([["a", "b", "c"]], object), np.array(0.5)])
def test_what_is_no_number(models, value):
    assert not answered(models["generator"], "generate", GOOD | {"attributes": value})
    assert answered(models["generator"], "generate", GOOD)
