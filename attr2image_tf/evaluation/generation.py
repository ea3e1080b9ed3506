"""Experiments on what a model draws: faithfulness, diversity, distances, copies, progressions (sec. 5).

Every function takes a Context and returns a nested dictionary with estimates ({"value", "low", "high", "n"}) at its
leaves, which JSON can hold, and pictures uint8 by title.
"""

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.evaluation import metrics, sheets
from attr2image_tf.evaluation.context import Context, EvaluationData, evenly_spaced, number
from attr2image_tf.evaluation.faithfulness import BY_ATTRIBUTE, compare, standardise
from attr2image_tf.evaluation.inception import Inception
from attr2image_tf.evaluation.pictures import in_batches

DIVERSITY_REQUESTS = 50
DIVERSITY_DRAWS = 8
PROGRESSION_LATENTS = 8
NEIGHBOURS = 5
INCEPTION_PICTURES = 500
RETRIEVED = 500
# Whether an attribute moves with those that go with it.
_TOGETHER = {"alone": False, "with the others": True}


def faithfulness(context: Context):
    """How far samples have the attributes they were drawn for, by each regressor; one sample for each test picture."""
    return _faithfulness(context.data, context.regressed_samples), {"samples": _sample_sheet(context)}


def real_faithfulness(data: EvaluationData):
    """The same for the real test pictures: what a perfect model could reach.

    A model that scores higher has learned the regressor's errors, not better pictures.
    """
    return _faithfulness(data, data.regressed_test), {}


def _faithfulness(data, regressed):
    estimates, people, count = {}, data.test.people, len(data.test)
    # Attributes of another person: the score of a picture that ignores the request.
    others = np.roll(data.test.attributes, count // 2, axis=0)
    for name, (attributes, _) in regressed.items():
        compared = compare(data.test.attributes, attributes, data.schema)
        estimates[f"judge {name}"] = {
            part: data.estimate(getattr(compared, part), people)
            for part in ("cosine_similarity", "raw_cosine_similarity", "squared_error")}
        estimates[f"judge {name}"] |= {part: number(getattr(compared, part).mean(), count)
                                       for part in BY_ATTRIBUTE}
        swapped = compare(others, attributes, data.schema).cosine_similarity
        estimates[f"judge {name}"]["cosine_similarity_to_another_request"] = data.estimate(swapped, people)
        estimates[f"judge {name}"]["by_attribute"] = compared.by_attribute(data.schema)
    return estimates


def diversity(context: Context):
    """How far samples for one request differ: root mean squared difference of pairs, of pixels and features."""
    test = context.data.test
    chosen = evenly_spaced(len(test), DIVERSITY_REQUESTS)
    attributes = np.repeat(test.attributes[chosen], DIVERSITY_DRAWS, axis=0)
    images = context.generate(attributes, context.seeds(len(attributes), stream=1))
    return _diversity(context.data, images, test.people[chosen], DIVERSITY_DRAWS), {}


def real_diversity(data: EvaluationData):
    """The same for groups of test pictures, whose attributes differ: more than samples of one request should have."""
    groups = len(data.test) // DIVERSITY_DRAWS
    places = np.arange(groups * DIVERSITY_DRAWS).reshape(DIVERSITY_DRAWS, groups).T.ravel()
    return _diversity(data, data.test.images[places], np.arange(groups), DIVERSITY_DRAWS), {}


def _diversity(data, images, people, draws):
    values = {"pixels": images.reshape(len(images), -1) / 255.0}
    values |= {f"features of judge {name}": features for name, (_, features) in data.regress(images).items()}
    return {name: data.estimate([metrics.mean_pairwise_distance(group) for group in np.split(rows, len(rows) // draws)],
                                people) for name, rows in values.items()}


def sharpness(context: Context):
    """How much of real pictures' contours samples and reconstructions have, and how much grain."""
    data = context.data
    latents = context.encode(data.test)
    pictures = {"samples": context.samples(), "reconstructions": context.decode(latents, data.test.attributes)}
    real, estimates = real_sharpness(data)[0]["pictures"], {}
    for title, images in pictures.items():
        estimates[title] = _sharpness(data, images)
        estimates[title] |= {f"{name}_beside_real": number(each["value"] / real[name]["value"], each["n"])
                             for name, each in estimates[title].items()}
    return estimates, {}


def real_sharpness(data: EvaluationData):
    """The same for the real test pictures."""
    return {"pictures": _sharpness(data, data.test.images)}, {}


def _sharpness(data, images):
    values = in_batches(lambda rows: {
        "gradient": metrics.root_mean_squared_gradient(images[rows] / 255.0),
        "power_above_half_nyquist": metrics.power_by_frequency(images[rows] / 255.0)[1]}, len(images), 256)
    return {name: data.estimate(each, data.test.people) for name, each in values.items()}


def distances(context: Context):
    """Frechet and kernel distance between samples for the test attributes and the real test pictures."""
    return _distances(context.data, context.samples(), context.regressed_samples), {}


def real_distances(data: EvaluationData):
    """The same for training pictures, as many as test pictures: the distance of two samples of one distribution."""
    images = data.train.images[evenly_spaced(len(data.train), len(data.test))]
    return _distances(data, images, data.regress(images)), {}


def _distances(data, images, regressed):
    estimates = {}
    pairs = {f"features of judge {name}": (features, data.regressed_test[name][1])
             for name, (_, features) in regressed.items()}
    pairs["histograms of gradients"] = tuple(map(metrics.gradient_histograms, (images, data.test.images)))
    inception = Inception.load() if data.config.inception else None
    if inception is not None and inception.network is None:
        estimates["features of InceptionV3"] = {"left_out": inception.reason}
    elif inception is not None:
        pairs["features of InceptionV3"] = tuple(inception(pictures[evenly_spaced(len(pictures), INCEPTION_PICTURES)])
                                                 for pictures in (images, data.test.images))
    for name, (first, second) in pairs.items():
        estimates[name] = {"frechet_distance": number(metrics.frechet_distance(first, second), len(first)),
                           "kernel_distance": number(metrics.kernel_distance(first, second), len(first))}
    return estimates


def retrieval(context: Context):
    """How near samples are to the nearest training picture, and those pictures beside them."""
    samples = context.samples()
    chosen = evenly_spaced(len(samples), RETRIEVED)
    estimates, neighbours = _nearest(context.data, samples[chosen], context.data.test.people[chosen])
    # Whether a blurred copy would be found at all.
    train = context.data.train
    originals = evenly_spaced(len(train), RETRIEVED)
    copies = context.decode(context.encode(train[originals]), train.attributes[originals])
    places, lengths = metrics.nearest(_halved(copies), _halved(train.images), 1)
    found = number((places[:, 0] == originals).mean(), len(originals))
    estimates["pixels"] |= {"training_reconstructions_that_find_their_own": found,
                            "their_distance": number(lengths.mean(), len(originals))}
    rows = evenly_spaced(len(chosen), 12)
    return estimates, {title: _neighbour_sheet(context.data, samples[chosen][rows], places[rows])
                       for title, places in neighbours.items()}


def real_retrieval(data: EvaluationData):
    """The same for real test pictures, of people who are not in the training split."""
    chosen = evenly_spaced(len(data.test), RETRIEVED)
    estimates, _ = _nearest(data, data.test.images[chosen], data.test.people[chosen])
    return estimates, {}


def _nearest(data, images, people):
    name, regressor = next(iter(data.regressors.items()))
    spaces = {"pixels": (_halved(images), _halved(data.train.images)),
              f"features of judge {name}": (regressor(images)[1], data.train_features)}
    estimates, neighbours = {}, {}
    for space, (queries, references) in spaces.items():
        places, lengths = metrics.nearest(queries, references, NEIGHBOURS)
        estimates[space] = {"distance_to_the_nearest": data.estimate(lengths[:, 0], people),
                            "smallest_distance": number(lengths.min(), len(images))}
        neighbours[f"nearest training pictures by {space}"] = places
    return estimates, neighbours


def _halved(images):
    """Pictures as rows, at half size: a shift by a pixel should not hide a copy. float32 in [0, 1]."""
    count, size = images.shape[:2]
    blocks = images.reshape(count, size // 2, 2, size // 2, 2, 3)
    return (blocks.mean((2, 4), dtype=np.float32) / 255.0).reshape(count, -1)


def _neighbour_sheet(data, samples, places):
    rows = [[sample, *data.train.images[row]] for sample, row in zip(samples, places, strict=True)]
    return pixels.grid(rows, column_labels=["sample", "nearest", *[""] * (NEIGHBOURS - 1)])


def progression(context: Context):
    """Strips in which one attribute moves from its training minimum to its maximum, and how far pictures follow.

    What compares with real pictures is the slope of the regressor's estimate on the attribute, over samples for the
    attributes of test pictures (`real_progression`). The response of an attribute is the change of the estimate between
    both ends, divided by the change that was asked for; from the mean vector and from requests of test pictures, with
    the others held there or moved as they go with it in the training data. Real pictures have no response.
    """
    schema, data = context.schema, context.data
    name, regressor = next(iter(context.regressors.items()))
    names = context.config.attributes or _best_estimated(context)
    sheet = sheets.progression(context.model, schema, names, seed=context.config.seed)
    correlated = sheets.progression(context.model, schema, names, seed=context.config.seed, correlated=True)

    estimates, real = _slopes(data, context.regressed_samples), real_progression(data)[0]
    requests = data.test.attributes[evenly_spaced(len(data.test), PROGRESSION_LATENTS)]
    for title, together in _TOGETHER.items():
        found = estimates[f"judge {name}, {title}"]
        ceiling = real[f"judge {name}, {title}"]["mean_slope"]["value"]
        found["mean_slope_beside_real"] = number(found["mean_slope"]["value"] / ceiling, len(data.test))
        for place, bases in (("the mean", None), ("requests", requests)):
            response = _responses(context, regressor, together, bases)
            found[f"mean_response_from_{place}"] = number(response.mean(), PROGRESSION_LATENTS)
            for each, value in zip(schema.names, response, strict=True):
                found["by_attribute"][each][f"response {title}, from {place}"] = float(value)
    return estimates, {"one attribute moved, the others at the mean": sheet,
                       "one attribute moved, the others as they go with it in the training data": correlated}


def real_progression(data: EvaluationData):
    """The first regressor's slopes on real test pictures: how its estimate of an attribute grows with the attribute.

    With the others: the slope of a regression on the attribute alone. Alone: its partial slope in a ridge regression on
    all attributes together.
    """
    return _slopes(data, data.regressed_test), {}


def _slopes(data, regressed):
    """Of the first regressor's estimates on the test pictures' attributes."""
    name, (seen, _) = next(iter(regressed.items()))
    true, seen = (standardise(part, data.schema) for part in (data.test.attributes, seen))
    estimates = {}
    for title, together in _TOGETHER.items():
        slopes, low, high = metrics.slopes(true, seen, data.test.people, partial=not together, seed=data.config.seed)
        estimates[f"judge {name}, {title}"] = {
            "mean_slope": {"value": float(slopes.mean()), "low": low, "high": high, "n": len(true)},
            "median_slope": number(np.median(slopes), len(true)),
            "by_attribute": {each: {f"slope {title}": float(value)}
                             for each, value in zip(data.schema.names, slopes, strict=True)}}
    return estimates


def _responses(context, regressor, correlated, bases):
    """The mean response of each attribute, float64 [A], from the mean vector or a base [A] for each draw."""
    schema, draws = context.schema, PROGRESSION_LATENTS
    count, seeds = len(schema), np.tile(context.seeds(draws, stream=2), (len(schema), 1))
    seen = []
    for end in ("min", "max"):
        vectors = np.stack([schema.vector({name: end}, base=base, correlated=correlated) for name in schema.names
                            for base in ([None] * draws if bases is None else bases)])
        pictures = context.generate(vectors, seeds)
        regressed = regressor(pictures)[0].astype(np.float64).reshape(count, draws, count)
        seen.append(regressed[np.arange(count), :, np.arange(count)])
    asked = np.where(schema.constant, 1.0, schema.maximum - schema.minimum)[:, np.newaxis]
    return ((seen[1] - seen[0]) / asked).mean(1)


def _best_estimated(context, count=8):
    """The attributes that the first regressor estimates best on real pictures."""
    regressed, _ = next(iter(context.data.regressed_test.values()))
    correlation = metrics.correlation(context.data.test.attributes, regressed)
    return [context.schema.names[i] for i in np.argsort(-correlation, kind="stable")[:count]]


def _sample_sheet(context, rows=8, draws=7):
    """Real test pictures at the left, and samples for their attributes beside them; a column shares its latents."""
    test = context.data.test
    chosen = evenly_spaced(len(test), rows)

    def generate(attributes, seeds):
        return context.generate(np.asarray(attributes), np.asarray(seeds))

    return sheets.beside_references(generate, test.images[chosen], test.attributes[chosen], count=draws,
                                    seed=context.config.seed)
