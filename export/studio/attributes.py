"""Attributes for people: in groups, with the range that training has seen, as a chart."""

import html

import numpy as np

from attr2image_tf.data.schema import AttributeSchema

# The first group with a word that is in a name is its group; names of other data sets have none.
_GROUPS = {
    "Hair": ("hair", "bald", "bangs", "forehead"),
    "Beard": ("mustache", "beard", "goatee", "sideburns", "shadow"),
    "Eyes": ("eyes", "eyebrows", "eyewear", "eyeglasses", "sunglasses"),
    "Mouth": ("mouth", "lips", "teeth"),
    "Expression": ("smiling", "frowning"),
    "Age": ("baby", "child", "youth", "young", "middle aged", "senior"),
    "Skin": ("skin", "cheeks", "flushed", "makeup", "lipstick"),
    "Face": ("nose", "jaw", "chin", "face", "cheekbones", "chubby"),
    "Wearing": ("wearing", "hat", "necktie"),
    "Picture": ("blurry", "lighting", "flash", "outdoor", "photo"),
    "Person": ("male", "asian", "white", "black", "indian", "attractive"),
}
# What shows well, for a start.
_FIRST = {"Smiling": 2.0, "Senior": 1.5}
STEP = 0.1


def varying(schema: AttributeSchema) -> list[str]:
    """The attributes that there is something to ask of."""
    return [name for name, constant in zip(schema.names, schema.constant, strict=True) if not constant]


def of_faces(schema: AttributeSchema) -> bool:
    """Whether the data set is one of faces, which photos are searched for."""
    return {"smiling", "male"} <= {name.casefold() for name in schema.names}


def group(name: str, faces: bool) -> str:
    """The group of an attribute, or "" where it has none. Data sets that write "group::value" say it themselves."""
    before, separator, _ = name.partition("::")
    if separator:
        return before.removeprefix("has_").replace("_", " ").capitalize()
    plain = name.casefold().replace("_", " ")
    return next((title for title, words in _GROUPS.items() if any(word in plain for word in words)),
                "Other") if faces else ""


def choices(schema: AttributeSchema) -> list[tuple[str, str]]:
    """Pairs of a label, which begins with the group, and a name; groups together, in alphabetical order."""
    faces = of_faces(schema)
    labels = []
    for name in varying(schema):
        title, plain = group(name, faces), name.rpartition("::")[2].replace("_", " ")
        labels.append((f"{title}: {plain}" if title else plain, name))
    return sorted(labels, key=lambda pair: pair[0].partition(":")[0])


def first_request(schema: AttributeSchema) -> dict[str, float]:
    """What a page begins with: amounts by name, within the range of training."""
    names = varying(schema)
    wanted = {name: amount for name, amount in _FIRST.items() if name in names} or dict.fromkeys(names[:1], 1.0)
    return {name: seen(schema, name)[1] if schema.binary[schema.index(name)] else
            float(np.clip(amount, *seen(schema, name))) for name, amount in wanted.items()}


def deviations(schema: AttributeSchema, vector: np.ndarray) -> np.ndarray:
    """Attributes float32 [A] as standard deviations from the training mean."""
    return (vector - schema.mean) / schema.scale


def seen(schema: AttributeSchema, name: str) -> tuple[float, float]:
    """The least and the most of an attribute in training, in standard deviations, rounded inwards to STEP; where these
    are its only values, as they are."""
    place = schema.index(name)
    least, most = (float(deviations(schema, bound)[place]) for bound in (schema.minimum, schema.maximum))
    if schema.binary[place]:
        return least, most
    return round(np.ceil(least / STEP - 1e-3) * STEP, 1), round(np.floor(most / STEP + 1e-3) * STEP, 1)


def chart(schema: AttributeSchema, vector: np.ndarray, count: int = 12) -> str:
    """HTML: the attributes that deviate most from the mean, largest first, as bars to the left and right of it."""
    amounts = deviations(schema, vector)
    order = [place for place in np.argsort(-np.abs(amounts)) if not schema.constant[place]][:count]
    largest = max((abs(float(amounts[place])) for place in order), default=1.0) or 1.0
    rows = []
    for place in order:
        amount = float(amounts[place])
        width = 50.0 * abs(amount) / largest
        left = 50.0 if amount >= 0 else 50.0 - width
        rows.append(f"<tr><th scope='row'>{html.escape(schema.names[place])}</th><td class='bar'><span "
                    f"class='{'more' if amount >= 0 else 'less'}' style='left:{left:.1f}%;width:{width:.1f}%'></span>"
                    f"</td><td class='amount'>{amount:+.1f}</td></tr>")
    return (f"<table class='chart'><caption>What stands out: standard deviations from the average of the training "
            f"pictures</caption><tbody>{''.join(rows)}</tbody></table>")
