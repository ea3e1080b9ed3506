"""Laws of requests as text."""

import numpy as np
import pytest

from attr2image_tf.data.schema import AttributeSchema


@pytest.fixture(scope="module")
def schema():
    random = np.random.default_rng(0)
    return AttributeSchema.measure(("Smiling", "Gray Hair", "Senior"),
                                   random.normal(size=(100, 3)) @ random.normal(size=(3, 3)) + [1.0, 2.0, 3.0])


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_nothing_is_the_mean(schema, text):
    np.testing.assert_array_equal(schema.request(text), schema.mean)


@pytest.mark.parametrize("text", ["Smiling=+2,Gray Hair=min", " gray_hair = min , smiling = 2 ,"])
def test_named_attributes_are_set_and_others_stay(schema, text):
    vector = schema.request(text)
    assert vector.dtype == np.float32 and vector.shape == (3,)
    np.testing.assert_allclose(
        vector, [schema.mean[0] + 2.0 * schema.standard_deviation[0], schema.minimum[1], schema.mean[2]], rtol=1e-6)


def test_amounts_are_deviations_from_the_mean_or_its_names(schema):
    for amount, expected in (("min", schema.minimum), ("mean", schema.mean), ("max", schema.maximum),
                             ("-0.5", schema.mean - 0.5 * schema.standard_deviation)):
        assert schema.request(f"Senior={amount}")[2] == pytest.approx(expected[2], rel=1e-5)


def test_correlated_requests_move_the_others(schema):
    vector = schema.request("Senior=1", correlated=True)
    np.testing.assert_array_equal(vector, schema.vector({"Senior": 1.0}, correlated=True))
    assert np.abs(vector - schema.mean)[:2].min() > 1e-3


@pytest.mark.parametrize(("text", "message"), [
    ("Smiling", "request 'Smiling': expected NAME=AMOUNT parts with commas between, got 'Smiling'"),
    ("Smiling=1;Senior", "attribute 'Smiling': expected min, mean, max or a number.*'1;Senior'"),
    ("Smiling=1,Senior+1", "got 'Senior.1'"),
    ("Smiling=", "attribute 'Smiling': expected min, mean, max or a number"),
    ("Smiling=nan", "attribute 'Smiling': expected min, mean, max or a number.*'nan'"),
    ("Smiling=a lot", "attribute 'Smiling': expected min, mean, max or a number.*'a lot'"),
    ("Smilling=1", "unknown attribute 'Smilling'. Did you mean 'Smiling'.* Known: Smiling, Gray Hair, Senior"),
    ("Smiling=1, Smiling = 2", "'Smiling' is asked for twice"),
    ("=1", "unknown attribute ''"),
])
def test_what_cannot_be_read_is_refused(schema, text, message):
    with pytest.raises(ValueError, match=message):
        schema.request(text)


@pytest.mark.parametrize(("text", "expected"), [
    ('"size, in cm"=+1', {"size, in cm": "+1"}), (' "a=b" = max , c=min', {"a=b": "max", "c": "min"}),
    ('"say ""so"""=1', {'say "so"': "1"}), ('5" screen=1', {'5" screen': "1"}), ("a=1=2", {"a": "1=2"})])
def test_names_with_commas_and_equals_stand_in_quotes(text, expected):
    assert AttributeSchema.parse(text) == expected


def test_messages_say_how_to_quote():
    schema = AttributeSchema.measure(("size, in cm", "b"), np.random.default_rng(0).random((20, 2)))
    assert schema.request('"size, in cm"=max')[0] == schema.maximum[0]
    for text in ("size, in cm=+1", "size=1"):
        with pytest.raises(ValueError, match='stands in double quotes: "size, in cm"=.1'):
            schema.request(text)
