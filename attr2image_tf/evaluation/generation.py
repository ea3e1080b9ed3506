"""Experiments on what a model draws: faithfulness, diversity, distances, copies, progressions (sec. 5).

Every function takes a Context and returns figures, a dictionary that JSON can hold with figures ({"value", "low",
"high", "n"}) at its leaves, and pictures uint8 by title.
"""

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.evaluation import faithfulness as judging
from attr2image_tf.evaluation import metrics, sheets
from attr2image_tf.evaluation.context import Context, Material, figure, number, spread
from attr2image_tf.evaluation.inception import Inception

DIVERSITY_REQUESTS = 50
DIVERSITY_DRAWS = 8
PROGRESSION_LATENTS = 8
NEIGHBOURS = 5
INCEPTION_PICTURES = 500
RETRIEVED = 500


def faithfulness(context: Context):
    """How far one sample for each test picture's attributes has them, as each judge sees it."""
    return _judged(context.material, context.judged_samples), {"samples": _sample_sheet(context)}


def real_faithfulness(material: Material):
    """The same for the real pictures, which no model can pass but by drawing to please the judge."""
    return _judged(material, material.judged_test), {}


def _judged(material, judged):
    figures, people, count = {}, material.test.people, len(material.test)
    # Attributes of another person: what a judge says of a picture that ignores the request.
    others = np.roll(material.test.attributes, count // 2, axis=0)
    for name, (regressed, _) in judged.items():
        compared = judging.compare(material.test.attributes, regressed, material.schema)
        figures[f"judge {name}"] = {
            part: figure(getattr(compared, part), people, material.config.seed)
            for part in ("cosine_similarity", "raw_cosine_similarity", "squared_error")}
        figures[f"judge {name}"] |= {part: number(getattr(compared, part).mean(), count)
                                     for part in ("correlation", "sign_accuracy")}
        swapped = judging.compare(others, regressed, material.schema).cosine_similarity
        figures[f"judge {name}"]["cosine_similarity_to_another_request"] = figure(swapped, people,
                                                                                  material.config.seed)
        figures[f"judge {name}"]["by_attribute"] = compared.by_attribute(material.schema)
    return figures


def diversity(context: Context):
    """How far samples for one request differ: root mean squared difference of pairs, of pixels and judges' features."""
    test = context.material.test
    chosen = spread(len(test), DIVERSITY_REQUESTS)
    attributes = np.repeat(test.attributes[chosen], DIVERSITY_DRAWS, axis=0)
    images = context.generate(attributes, context.seeds(len(attributes), stream=1))
    return _diversity(context.material, images, test.people[chosen], DIVERSITY_DRAWS), {}


def real_diversity(material: Material):
    """The same for groups of test pictures of different people: other requests, so more than one request allows."""
    groups = len(material.test) // DIVERSITY_DRAWS
    places = np.arange(groups * DIVERSITY_DRAWS).reshape(DIVERSITY_DRAWS, groups).T.ravel()
    return _diversity(material, material.test.images[places], np.arange(groups), DIVERSITY_DRAWS), {}


def _diversity(material, images, people, draws):
    values = {"pixels": images.reshape(len(images), -1) / 255.0}
    values |= {f"features of judge {name}": features for name, (_, features) in material.judged(images).items()}
    return {name: figure([metrics.mean_pairwise_distance(group) for group in np.split(rows, len(rows) // draws)],
                         people, material.config.seed) for name, rows in values.items()}


def distances(context: Context):
    """Frechet and kernel distance between samples for the test attributes and the real test pictures."""
    return _distances(context.material, context.samples(), context.judged_samples), {}


def real_distances(material: Material):
    """The same for training pictures, as many as test pictures: what chance alone makes of equal distributions."""
    images = material.train.images[spread(len(material.train), len(material.test))]
    return _distances(material, images, material.judged(images)), {}


def _distances(material, images, judged):
    figures = {}
    pairs = {f"features of judge {name}": (features, material.judged_test[name][1])
             for name, (_, features) in judged.items()}
    inception = Inception.load() if material.config.inception else None
    if inception is not None and inception.network is None:
        figures["features of InceptionV3"] = {"left_out": inception.reason}
    elif inception is not None:
        pairs["features of InceptionV3"] = tuple(inception(pictures[spread(len(pictures), INCEPTION_PICTURES)])
                                                 for pictures in (images, material.test.images))
    for name, (first, second) in pairs.items():
        figures[name] = {"frechet_distance": number(metrics.frechet_distance(first, second), len(first)),
                         "kernel_distance": number(metrics.kernel_distance(first, second), len(first))}
    return figures


def retrieval(context: Context):
    """How near samples are to the nearest training picture, and those pictures beside them."""
    samples = context.samples()
    chosen = spread(len(samples), RETRIEVED)
    figures, neighbours = _nearest(context.material, samples[chosen], context.material.test.people[chosen])
    rows = spread(len(chosen), 12)
    return figures, {title: _neighbour_sheet(context.material, samples[chosen][rows], places[rows])
                     for title, places in neighbours.items()}


def real_retrieval(material: Material):
    """The same for real test pictures, of people who are not in the training split."""
    chosen = spread(len(material.test), RETRIEVED)
    figures, _ = _nearest(material, material.test.images[chosen], material.test.people[chosen])
    return figures, {}


def _nearest(material, images, people):
    name, judge = next(iter(material.judges.items()))
    spaces = {"pixels": (_halved(images), _halved(material.train.images)),
              f"features of judge {name}": (judge(images)[1], material.train_features)}
    figures, neighbours = {}, {}
    for space, (queries, references) in spaces.items():
        places, lengths = metrics.nearest(queries, references, NEIGHBOURS)
        figures[space] = {"distance_to_the_nearest": figure(lengths[:, 0], people, material.config.seed),
                          "smallest_distance": number(lengths.min(), len(images))}
        neighbours[f"nearest training pictures by {space}"] = places
    return figures, neighbours


def _halved(images):
    """Pictures as rows, at half size: a shift by a pixel should not hide a copy. float32 in [0, 1]."""
    count, size = images.shape[:2]
    blocks = images.reshape(count, size // 2, 2, size // 2, 2, 3)
    return (blocks.mean((2, 4), dtype=np.float32) / 255.0).reshape(count, -1)


def _neighbour_sheet(material, samples, places):
    rows = [[sample, *material.train.images[row]] for sample, row in zip(samples, places, strict=True)]
    return pixels.grid(rows, column_labels=["sample", "nearest", *[""] * (NEIGHBOURS - 1)])


def progression(context: Context):
    """Strips in which one attribute moves from its training minimum to its maximum, and how far the judge follows.

    The response of an attribute is the change that the judge sees in it between both ends, divided by the change that
    was asked for; with all others at their mean, and with the others as they go with it in the training data. Real
    pictures do not have 1 either: `real_progression`.
    """
    schema = context.schema
    name, judge = next(iter(context.judges.items()))
    names = context.config.attributes or _best_told(context)
    sheet = sheets.progression(context.model, schema, names, seed=context.config.seed)
    correlated = sheets.progression(context.model, schema, names, seed=context.config.seed, correlated=True)

    figures, real = {}, real_progression(context.material)[0]
    for title, together in (("alone", False), ("with the others", True)):
        response = _responses(context, judge, together)
        ceiling = real[f"judge {name}, {title}"]["mean_response"]
        figures[f"judge {name}, {title}"] = {
            "mean_response": number(response.mean(), PROGRESSION_LATENTS),
            "ratio_to_that_of_real_pictures": number(response.mean() / ceiling["value"], PROGRESSION_LATENTS),
            "median_response": number(np.median(response), PROGRESSION_LATENTS),
            "by_attribute": {each: {f"response {title}": float(value)}
                             for each, value in zip(schema.names, response, strict=True)}}
    return figures, {"one attribute moved, the others at the mean": sheet,
                     "one attribute moved, the others as they go with it in the training data": correlated}


def real_progression(material: Material):
    """The first judge's slopes on real test pictures: how much more of an attribute it sees where there is more.

    With the others: the slope of a regression on the attribute alone. Alone: its partial slope in a ridge regression on
    all attributes together.
    """
    name, (judged, _) = next(iter(material.judged_test.items()))
    true, seen = (judging.standardise(part, material.schema) for part in (material.test.attributes, judged))
    figures = {}
    for title, partial in (("alone", True), ("with the others", False)):
        slopes, low, high = metrics.slopes(true, seen, material.test.people, partial=partial, seed=material.config.seed)
        figures[f"judge {name}, {title}"] = {
            "mean_response": {"value": float(slopes.mean()), "low": low, "high": high, "n": len(true)},
            "median_response": number(np.median(slopes), len(true)),
            "by_attribute": {each: {f"response {title}": float(value)}
                             for each, value in zip(material.schema.names, slopes, strict=True)}}
    return figures, {}


def _responses(context, judge, correlated):
    """The mean response of each attribute, float64 [A]."""
    schema, draws = context.schema, PROGRESSION_LATENTS
    count, seeds = len(schema), np.tile(context.seeds(draws, stream=2), (len(schema), 1))
    seen = []
    for end in ("min", "max"):
        vectors = np.stack([schema.vector({name: end}, correlated=correlated) for name in schema.names])
        pictures = context.generate(np.repeat(vectors, draws, axis=0), seeds)
        regressed = judge(pictures)[0].astype(np.float64).reshape(count, draws, count)
        seen.append(regressed[np.arange(count), :, np.arange(count)])
    asked = np.where(schema.constant, 1.0, schema.maximum - schema.minimum)[:, np.newaxis]
    return ((seen[1] - seen[0]) / asked).mean(1)


def _best_told(context, count=8):
    """The attributes that the first judge tells best on real pictures."""
    judged, _ = next(iter(context.material.judged_test.values()))
    told = metrics.correlation(context.material.test.attributes, judged)
    return [context.schema.names[i] for i in np.argsort(-told, kind="stable")[:count]]


def _sample_sheet(context, rows=8, draws=7):
    """Real test pictures at the left, and samples for their attributes beside them; a column shares its latents."""
    test = context.material.test
    chosen = spread(len(test), rows)

    def generate(attributes, seeds):
        return context.generate(np.asarray(attributes), np.asarray(seeds))

    return sheets.beside_references(generate, test.images[chosen], test.attributes[chosen], count=draws,
                                    seed=context.config.seed)
