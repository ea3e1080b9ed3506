"""Experiment on edits of photos of people never seen: whether they show what was asked for, the same person and nothing
else, and whether they can be told from photos."""

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.detail import editing
from attr2image_tf.evaluation.context import Context, EvaluationData, evenly_spaced, number
from attr2image_tf.evaluation.face_network import FaceNetwork
from attr2image_tf.evaluation.faithfulness import standardise
from attr2image_tf.evaluation.pictures import in_batches
from attr2image_tf.evaluation.two_sample import tell_apart
from attr2image_tf.inference.editing import carry_over
from attr2image_tf.models.base import reduced

EDITED = 200
# Amounts in standard deviations, by names of LFW; those of other sets are passed over.
EDITS = {"Smiling": 2.0, "Eyeglasses": 2.0, "Mustache": 2.0, "Mouth Wide Open": 2.0, "Senior": 2.0, "Blond Hair": 2.0,
         "Bald": 2.0}
# Attributes that are yes or no are turned to what they were not, those by which editors of CelebA are compared (He et
# al., AttGAN, IEEE TIP 2019).
TURNED = ("Bald", "Bangs", "Black Hair", "Blond Hair", "Brown Hair", "Bushy Eyebrows", "Eyeglasses", "Male",
          "Mouth Slightly Open", "Mustache", "No Beard", "Pale Skin", "Young")
ALL_TURNED = "mean of all turned"
_SHOWN = 12


def edits(context: Context):
    """Edits are those of a user: latents from posterior inference, the attribute moved with those that go with it; one
    that is yes or no is turned, and no other goes along."""
    data, schema, size = context.data, context.schema, context.model.picture_size
    photos = _photos(data, size)
    edited = _edited(schema)
    drawn = context.workspace.rows("edits", len(photos), context.config.batch_size,
                                   lambda rows: _edits(context, photos[rows], edited, rows.start))
    small = {title: _small(context, images) for title, images in (("", photos.images), *drawn.items())}
    name, regressor = next(iter(context.regressors.items()))
    seen = {title: regressor(images)[0] for title, images in small.items()}
    before, turned = standardise(seen[""], schema), {}
    faces, network = None, FaceNetwork.load()
    if network.extract is not None and data.face_box is not None:
        faces = network(photos.images, data.face_box)
    estimates = {}
    for title, images in drawn.items():
        estimates[title] = found = {}
        if faces is not None:
            distance = np.linalg.norm(faces - network(images, data.face_box), axis=-1)
            found["distance_of_the_person"] = data.estimate(distance, photos.people)
        found["told_from_photos"] = _told(data, images, photos.people, photos)
        if title == "reconstruction":
            continue
        found["pixels_left_alone"] = data.estimate((images == photos.images).all(-1).mean((1, 2)), photos.people)
        attribute, amount = edited[title]
        changed, place = _moved(schema, photos.attributes, attribute, amount), schema.index(attribute)
        if amount is None:
            turned[title] = _answers(schema, changed, seen[""], seen[title], place)
            found |= {f"{measure}, judge {name}": data.estimate(values, photos.people)
                      for measure, values in turned[title].items()}
        asked = standardise(changed, schema) - standardise(photos.attributes, schema)
        moved = standardise(seen[title], schema) - before
        found[f"response, judge {name}"] = data.estimate(moved[:, place] / asked[:, place], photos.people)
        others = np.delete(moved - asked, place, axis=1)
        found[f"others_off, judge {name}"] = data.estimate(np.sqrt(np.square(others).mean(1)), photos.people)
    if turned:
        estimates[ALL_TURNED] = {f"{measure}, judge {name}": data.estimate(
            np.mean([each[measure] for each in turned.values()], 0), photos.people)
            for measure in next(iter(turned.values()))}
    shown = evenly_spaced(len(photos), _SHOWN)
    table = [photos.images[shown], *(images[shown] for images in drawn.values())]
    return estimates, {"edits": pixels.grid(table, row_labels=["photo", *drawn])}


def real_edits(data: EvaluationData):
    """What other real pictures have in the place of edits: other people, and pictures of the training split."""
    photos, network, found = data.test[evenly_spaced(len(data.test), EDITED)], FaceNetwork.load(), {}
    if network.extract is not None and data.face_box is not None:
        faces = network(photos.images, data.face_box)
        apart = np.linalg.norm(faces - faces[::-1], axis=-1)[photos.people != photos.people[::-1]]
        found["distance_of_the_person"] = number(apart.mean(), len(apart))
    train = data.train[evenly_spaced(len(data.train), len(photos))]
    found["told_from_photos"] = _told(data, train.images, train.people, photos)
    return {"another photo": found}, {}


def two_samples(context: Context):
    """How well samples are told from the real test pictures."""
    data = context.data
    return {"told from photos": {"accuracy": _told(data, context.samples(), data.test.people, data.test)}}, {}


def real_two_samples(data: EvaluationData):
    """The same for training pictures: what a perfect model could reach."""
    train = data.train[evenly_spaced(len(data.train), len(data.test))]
    return {"told from photos": {"accuracy": _told(data, train.images, train.people, data.test)}}, {}


def _told(data, images, people, photos):
    return data.estimate(*tell_apart(images, photos.images, people, photos.people, seed=data.config.seed))


def _photos(data, size):
    test = data.test if size == data.test.images.shape[1] else data.open_photos(size)
    return test[evenly_spaced(len(test), EDITED)]


def _edited(schema):
    """By title, the name of what is changed and its amount, None where it is turned."""
    moved = {f"{name} {amount:+g}": (name, amount) for name, amount in EDITS.items()
             if name in schema.names and not schema.binary[schema.index(name)]}
    return moved | {f"{name} turned": (name, None) for name in TURNED
                    if name in schema.names and schema.binary[schema.index(name)]}


def _moved(schema, attributes, name, amount):
    if amount is not None:
        return np.stack([schema.vector({name: amount}, base=each, correlated=True) for each in attributes])
    changed, place = attributes.copy(), schema.index(name)
    changed[:, place] = np.where(_yes(schema, attributes)[:, place], schema.minimum[place], schema.maximum[place])
    return changed


def _answers(schema, changed, before, after, place):
    """Of each edit, float [N]: whether the judge finds the new answer, and of the other attributes that can be turned
    the share in which it finds on the edit what it found on the photo."""
    others = [schema.index(name) for name, amount in _edited(schema).values() if amount is None]
    others.remove(place)
    wanted, before, after = (_yes(schema, values) for values in (changed, before, after))
    return {"answer_reached": (after[:, place] == wanted[:, place]).astype(float),
            "other_answers_kept": (after[:, others] == before[:, others]).mean(1)}


def _yes(schema, attributes):
    return attributes > (schema.minimum + schema.maximum) / 2.0


def _small(context, images):
    """Pictures uint8 at the size that judges know."""
    return in_batches(lambda rows: pixels.uint8_from_model_range(reduced(
        context.model, pixels.model_range_from_uint8(images[rows]))), len(images), 256)


def _edits(context, photos, edited, start):
    """Pictures uint8 by title: reconstructions, and what a user gets who changes an attribute."""
    model, images = context.model, pixels.model_range_from_uint8(photos.images)
    attributes = photos.attributes
    latents = context.optimizer.infer(reduced(model, images), attributes)["latents"].numpy()
    drawn, seeds = {}, context.seeds(start + len(photos), stream=3)[start:]
    for title, change in edited.items():
        changed = _moved(context.schema, attributes, *change)
        before, after = context.optimizer.drawn(latents, attributes, changed)
        if not drawn:
            found = before["images"]
            drawn["reconstruction"] = found if model.detail is None else model.detail.enlarge(found)
        if model.detail is None:
            drawn[title] = carry_over(images, before, after)
        else:
            drawn[title], _ = editing.edit(model.detail, images, before, after, model.standardise(changed),
                                           tf.constant(seeds))
    return {title: pixels.uint8_from_model_range(tf.constant(each)).numpy() for title, each in drawn.items()}
