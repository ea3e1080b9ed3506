"""Experiment on how evenly a model of faces serves people: the same measures by sex, age and skin."""

import numpy as np

from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.context import Context, EvaluationData
from attr2image_tf.evaluation.faithfulness import compare

# Names of LFW and, where they differ, of CelebA. Scores are those of the data sets, in the words of their makers.
ATTRIBUTES = ("Male", "Child", "Youth", "Young", "Middle Aged", "Senior", "White", "Asian", "Black", "Indian",
              "Pale Skin", "Pale_Skin")
# Of fewer pictures a mean says nothing.
_LEAST = 20


def groups(context: Context):
    """Faithfulness of samples and squared error of reconstructions, of test pictures with and without an attribute."""
    test = context.data.test
    drawn = context.decode(context.encode(test), test.attributes)
    errors = metrics.pixel_error(test.images / np.float32(255), drawn / np.float32(255))
    return _by_group(context.data, context.regressed_samples, {"squared_error_of_reconstructions": errors}), {}


def real_groups(data: EvaluationData):
    """The faithfulness of the real pictures: how evenly the judges themselves see."""
    return _by_group(data, data.regressed_test, {}), {}


def _by_group(data, regressed, values):
    values = values | {f"cosine_similarity_judge_{name}": compare(
        data.test.attributes, attributes, data.schema).cosine_similarity for name, (attributes, _) in regressed.items()}
    thresholds, estimates = metrics.sign_thresholds(data.schema.minimum, data.schema.maximum), {}
    for name in ATTRIBUTES:
        if name not in data.schema.names:
            continue
        place = data.schema.names.index(name)
        with_it = data.test.attributes[:, place] > thresholds[place]
        for title, rows in ((name, with_it), (f"not {name}", ~with_it)):
            if rows.sum() >= _LEAST:
                estimates[title] = {measure: data.estimate(each[rows], data.test.people[rows])
                                    for measure, each in values.items()}
            else:
                estimates[title] = {"pictures": {"left_out": f"{rows.sum()} test pictures, fewer than {_LEAST}"}}
    return estimates
