"""Laws of AttributeSchema: statistics, requests by name and conditional means, against numpy."""

import numpy as np
import pytest

from attr2image_tf.data.schema import REQUEST_NOISE, AttributeSchema

NAMES = ("Smiling", "Gray Hair", "Senior", "No Beard")


@pytest.fixture(scope="module")
def attributes():
    random = np.random.default_rng(0)
    return random.normal(size=(300, 4)) @ random.normal(size=(4, 4)) + [0.0, 1.0, 2.0, -3.0]


@pytest.fixture(scope="module")
def schema(attributes):
    return AttributeSchema.measure(NAMES, attributes)


def test_statistics_equal_numpy(schema, attributes):
    assert len(schema) == 4
    for found, expected in ((schema.minimum, attributes.min(0)), (schema.mean, attributes.mean(0)),
                            (schema.maximum, attributes.max(0)), (schema.covariance, np.cov(attributes.T)),
                            (schema.standard_deviation, attributes.std(0, ddof=1))):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_statistics_cannot_be_written(schema):
    with pytest.raises(ValueError, match="read-only"):
        schema.mean[0] = 0.0


def test_json_gives_back_an_equal_schema(schema):
    again = AttributeSchema.from_json(schema.to_json())
    assert again.names == schema.names
    for field in ("minimum", "mean", "maximum", "covariance"):
        np.testing.assert_array_equal(getattr(again, field), getattr(schema, field))


def test_one_attribute_has_a_covariance_matrix():
    schema = AttributeSchema.measure(["a"], [[1.0], [3.0]])
    np.testing.assert_allclose(schema.covariance, [[2.0]])


def test_shapes_and_too_few_examples_are_refused(schema):
    with pytest.raises(ValueError, match="mean has shape"):
        AttributeSchema(NAMES, schema.minimum, schema.mean[:3], schema.maximum, schema.covariance)
    with pytest.raises(ValueError, match="at least 2"):
        AttributeSchema.measure(NAMES, np.zeros((1, 4)))


@pytest.mark.parametrize("name", ["Gray Hair", "gray_hair", "GRAYHAIR", "gray-hair"])
def test_spelling_of_names_does_not_matter(schema, name):
    assert schema.index(name) == 1


def test_an_unknown_name_lists_near_ones_and_all(schema):
    with pytest.raises(ValueError) as error:
        schema.index("Smilling")
    before, known = str(error.value).split("Known:")
    assert "'Smilling'" in before and "'Smiling'" in before and "No Beard" not in before
    assert all(name in known for name in NAMES)


def test_values(schema):
    assert [schema.value("Senior", amount) for amount in ("min", "mean", "max")] == [
        schema.minimum[2], schema.mean[2], schema.maximum[2]]
    expected = schema.mean[2] - 1.5 * schema.standard_deviation[2]
    for amount in (-1.5, "-1.5"):
        assert schema.value("Senior", amount) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("amount", ["much", "", "nan", "inf"])
def test_an_amount_that_is_no_number_is_refused(schema, amount):
    with pytest.raises(ValueError, match="attribute 'Senior': expected min, mean, max or a number"):
        schema.value("Senior", amount)


def test_others_stay_at_the_base(schema):
    np.testing.assert_array_equal(schema.vector({}), schema.mean)
    moved = schema.vector({"Senior": "max"})
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved, np.where(np.arange(4) == 2, schema.maximum, schema.mean))
    base = np.arange(4.0)
    np.testing.assert_allclose(schema.vector({"Senior": "min"}, base=base), [0.0, 1.0, schema.minimum[2], 3.0])
    np.testing.assert_array_equal(base, np.arange(4.0))


def test_correlated_others_move_to_their_conditional_mean(schema, attributes):
    covariance, mean = np.cov(attributes.T), attributes.mean(0)
    chosen, others = [2, 0], [1, 3]
    values = mean[chosen] + [0.5, -0.4] * attributes.std(0, ddof=1)[chosen]
    inner = covariance[np.ix_(chosen, chosen)]
    expected = mean[others] + covariance[np.ix_(others, chosen)] @ np.linalg.solve(
        inner + np.diag(REQUEST_NOISE * np.diagonal(inner)), values - mean[chosen])
    assert np.abs(expected - mean[others]).max() > 0.1
    moved = schema.vector({"Senior": 0.5, "Smiling": -0.4}, correlated=True)
    np.testing.assert_allclose(moved[chosen], values, rtol=1e-4)
    np.testing.assert_allclose(moved[others], expected, rtol=1e-3)


def test_requests_that_contradict_each_other_leave_the_others_near_the_data():
    random = np.random.default_rng(0)
    joy, third = random.normal(size=(2, 5000))
    grins = np.stack([joy, -joy + 0.1 * random.normal(size=5000), 0.6 * joy + 0.8 * third], 1)
    schema = AttributeSchema.measure(["smiling", "frowning", "teeth"], 100.0 + grins)
    assert np.corrcoef(grins.T)[0, 1] < -0.99
    for requests in ({"smiling": 2.0, "frowning": 2.0}, {"smiling": 2.0}):
        moved = schema.vector(requests, correlated=True)
        assert abs(moved[2] - schema.mean[2]) < 2.0 * schema.standard_deviation[2]
    # A request by itself moves what goes with it nearly as far as it goes with it.
    np.testing.assert_allclose((moved[2] - schema.mean[2]) / schema.standard_deviation[2], 2.0 * 0.6, rtol=0.1)


def test_correlated_others_stay_within_what_was_seen(schema):
    moved = schema.vector({"Senior": 50.0}, correlated=True)
    assert moved[2] > schema.maximum[2]
    others = [0, 1, 3]
    assert np.all((moved >= schema.minimum) & (moved <= schema.maximum), where=np.isin(np.arange(4), others))


def test_a_constant_attribute_moves_no_other():
    random = np.random.default_rng(0)
    schema = AttributeSchema.measure(["constant", "free"], np.stack([np.ones(20), random.normal(size=20)], 1))
    np.testing.assert_allclose(schema.vector({"constant": 3.0}, correlated=True), schema.mean, atol=1e-6)


def test_an_attribute_asked_for_twice_is_refused(schema):
    name = schema.names[0]
    with pytest.raises(ValueError, match="twice"):
        schema.vector({name: 1.0, name.upper() + " ": 2.0})


def test_drawn_attributes_are_as_asked_and_vary_as_in_training(schema, attributes):
    name = schema.names[1]
    drawn = schema.draw({name: 0.5}, 4000, seed=3)
    np.testing.assert_allclose(drawn[:, 1], schema.value(name, 0.5), rtol=1e-6)
    assert (drawn >= schema.minimum - 1e-6).all() and (drawn <= schema.maximum + 1e-6).all()
    np.testing.assert_array_equal(drawn, schema.draw({name: 0.5}, 4000, seed=3))
    assert (drawn != schema.draw({name: 0.5}, 4000, seed=4)).any()
    # Without a request, and but for the clipping, the moments are those of training.
    free = schema.draw({}, 4000)
    np.testing.assert_allclose(free.mean(0), schema.mean, atol=0.15 * schema.standard_deviation.max())
    np.testing.assert_allclose(np.corrcoef(free.T), np.corrcoef(np.asarray(attributes).T), atol=0.15)


def test_names_that_differ_in_signs_or_vowel_signs_are_several():
    names = ("grade_A+", "grade_A-", "age <50", "age >50", "\u0915\u093f", "\u0915\u0940", "\U0001f642", "\U0001f641",
             "Red")
    schema = AttributeSchema.measure(names, np.random.default_rng(0).random((20, len(names))))
    for place, name in enumerate(names):
        assert schema.index(name) == place and schema.index(f" {name.upper()} ") == place
    for name in ("grade A", "age 50"):
        with pytest.raises(ValueError, match=f"attribute {name!r} may be '.*' or '.*'; write it as it is"):
            schema.index(name)
    assert schema.index("red!") == len(names) - 1


def test_a_letter_with_an_accent_is_one_however_it_is_written():
    composed, apart = "Gr\u00f6\u00dfe", "Gro\u0308\u00dfe"
    for known, asked in ((composed, apart), (apart, composed), (apart, apart.upper())):
        schema = AttributeSchema.measure([known, "Grosse"], np.random.default_rng(0).random((20, 2)))
        assert schema.index(asked) == 0


def test_constant_is_meant_for_the_size_of_an_attribute():
    random = np.random.default_rng(0).random(200)
    columns = [4e-7 + 3e-7 * random, 1e12 + 1e8 * random, 1e12 + 1e3 * random, np.full(200, 0.1), np.zeros(200)]
    schema = AttributeSchema.measure("abcde", np.stack(columns, -1))
    assert schema.constant.tolist() == [False, False, True, True, True]
    np.testing.assert_allclose(schema.scale[:2], schema.standard_deviation[:2])
    np.testing.assert_array_equal(schema.scale[2:], 1.0)


def test_a_variance_that_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="attribute 'b' has a variance of .*; give it in a larger unit"):
        AttributeSchema.measure("ab", [[0.0, 0.0], [1.0, 3e21]])


def test_many_attributes_travel_in_binary():
    values = np.random.default_rng(0).random((30, 250))
    schema = AttributeSchema.measure([f"a{number}" for number in range(250)], values)
    text = schema.to_json()
    assert len(text) < 8 * 250**2
    np.testing.assert_array_equal(AttributeSchema.from_json(text).covariance, schema.covariance)


@pytest.fixture(scope="module")
def answers():
    """Yes or no: bald people have no bangs; a score beside them, and one that is the same for all."""
    random = np.random.default_rng(1)
    bald = random.random(2000) < 0.03
    bangs = ~bald & (random.random(2000) < 0.2)
    return np.stack([bald, bangs, random.random(2000) < 0.5, random.normal(size=2000), np.ones(2000)], 1).astype(float)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (2.0, -1.0)])
def test_yes_and_no_are_amounts_of_attributes_with_two_values(answers, scale, offset):
    schema = AttributeSchema.measure(["Bald", "Bangs", "Wearing_Hat", "Score", "Face"], answers * scale + offset)
    np.testing.assert_array_equal(schema.binary, [True, True, True, False, False])
    asked = schema.request("wearing hat=Yes,Bald=no")
    assert asked[2] == scale + offset and asked[0] == offset
    np.testing.assert_array_equal(asked, schema.request("Wearing_Hat=max,Bald=min"))
    with pytest.raises(ValueError, match="attribute 'Score': expected min, mean, max or a number"):
        schema.value("Score", "yes")
    with pytest.raises(ValueError, match="attribute 'Bald': expected min, mean, max, no, yes or a number"):
        schema.value("Bald", "perhaps")
    assert AttributeSchema.from_json(schema.to_json()).binary.sum() == 3


def test_answers_that_nobody_gave_together_are_named(answers):
    schema = AttributeSchema.measure(["Bald", "Bangs", "Hat", "Score", "Face"], answers)
    assert schema.unseen({"Bangs": "yes", "Bald": "max", "Hat": "yes"}) == [("Bangs=yes", "Bald=yes")]
    for request in ({"Bald": "yes", "Bangs": "no"}, {"Bald": "no", "Bangs": "yes"}, {"Bald": "yes", "Hat": "no"},
                    {"Bald": "+2", "Bangs": "yes"}, {"Score": "max", "Bald": "yes"}, {}):
        assert schema.unseen(request) == []
