"""Laws of the comparison between attributes asked for and attributes seen."""

import numpy as np
import pytest

from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation import faithfulness

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def attributes():
    return RANDOM.normal([1.0, -5.0, 0.5, 3.0], [1.0, 2.0, 0.1, 0.0], (500, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def schema(attributes):
    return AttributeSchema.measure(("one", "two", "three", "constant"), attributes)


def test_what_is_seen_as_asked_is_perfect(attributes, schema):
    summary = faithfulness.compare(attributes, attributes, schema).summary()
    assert summary["cosine_similarity"] == pytest.approx(1.0)
    assert summary["raw_cosine_similarity"] == pytest.approx(1.0)
    assert summary["squared_error"] == 0.0 and summary["sign_accuracy"] == 1.0
    assert summary["correlation"] == pytest.approx(3 / 4)  # the constant one has none


def test_always_the_mean_scores_no_cosine_and_an_error_of_one(attributes, schema):
    mean = np.tile(schema.mean, (500, 1))
    compared = faithfulness.compare(attributes, mean, schema)
    np.testing.assert_allclose(compared.cosine_similarity, 0.0, atol=1e-6)
    # Three of four attributes vary.
    assert compared.squared_error.mean() == pytest.approx(3 / 4, rel=0.01)
    # Raw vectors are alike all the same, which is why they say little.
    assert compared.raw_cosine_similarity.mean() > 0.9


def test_the_opposite_is_minus_one(attributes, schema):
    compared = faithfulness.compare(attributes, 2 * schema.mean - attributes, schema)
    np.testing.assert_allclose(compared.cosine_similarity, -1.0, atol=1e-5)
    np.testing.assert_allclose(compared.correlation[:3], -1.0, atol=1e-5)


def test_units_do_not_matter(attributes, schema):
    seen = attributes + RANDOM.normal(size=attributes.shape) * schema.standard_deviation
    scale, offset = np.array([10.0, 0.1, 3.0, 1.0]), np.array([5.0, -1.0, 0.0, 0.0])
    other = AttributeSchema.measure(schema.names, attributes * scale + offset)
    first = faithfulness.compare(attributes, seen, schema)
    second = faithfulness.compare(attributes * scale + offset, seen * scale + offset, other)
    np.testing.assert_allclose(first.cosine_similarity, second.cosine_similarity, atol=1e-4)
    np.testing.assert_allclose(first.squared_error, second.squared_error, rtol=1e-3)


def test_metrics_by_attribute_have_its_name(attributes, schema):
    table = faithfulness.compare(attributes, attributes, schema).by_attribute(schema)
    assert list(table) == list(schema.names)
    assert table["two"] == {"correlation": pytest.approx(1.0), "sign_accuracy": 1.0, "balanced_accuracy": 1.0}
