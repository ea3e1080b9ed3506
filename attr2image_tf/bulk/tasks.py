"""The tasks of bulk work, one record each: what a task needs, how it uses the models, and what results.

The answers are those that the client gives for a single picture: both ask `attr2image_tf.client.verbs`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from attr2image_tf.client import verbs

# What a task does with attributes of the input.
NONE, GIVEN, FOUND = "none", "given", "given or found"


class Batch(NamedTuple):
    """Items made ready for a model, the batch first.

    Attributes:
        images: uint8 [B, size, size, 3], or None for requests.
        observed: bool [B, size, size], False where a picture is hidden; None for requests.
        masks: float32 [B, size, size, 1], the share of each pixel that is foreground; None for requests.
        attributes: float32 [B, A], or None to infer them.
        seeds: int32 [B, 2], or None for pictures.
    """

    images: np.ndarray | None
    observed: np.ndarray | None
    masks: np.ndarray | None
    attributes: np.ndarray | None
    seeds: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Task:
    """What can be done with every picture.

    Attributes:
        model: the model it uses: "generator", "latent_optimizer" or "regressor".
        answer: function of an Engine and a Batch to arrays by name, the batch first: those of `columns` and, if the
            task gives pictures, images uint8 [B, size, size, 3].
        columns: names of the results, in their order.
        attributes: NONE, GIVEN if the input must have them, or FOUND if they are inferred where it does not.
        draws: whether the task gives pictures.
        settings: names of the settings of BulkConfig that are its own, and whether each must be given.
    """

    model: str
    answer: Callable
    columns: tuple[str, ...]
    attributes: str = NONE
    draws: bool = True
    settings: Mapping[str, bool] = dataclasses.field(default_factory=dict)


def _encode(engine, batch):
    answer = engine.models.call(verbs.GENERATOR, "encode", images=batch.images / np.float32(255),
                                attributes=batch.attributes, masks=batch.masks)
    return {"attributes": batch.attributes, "latents": answer["latents_mean"],
            "latents_log_variance": answer["latents_log_variance"]}


def _score(engine, batch):
    return {"attributes": engine.models(batch.images)[0]}


def _generate(engine, batch):
    drawn = verbs.draw(engine.models, batch.attributes, batch.seeds, layers=True)
    return {"attributes": batch.attributes, "latents": drawn["latents"], "images": drawn["images"]}


def _infer(engine, batch):
    found = verbs.infer(engine.models, batch.images, batch.observed, batch.attributes)
    return _described(engine, batch, found, found["images"])


def _edit(engine, batch):
    answer = _infer(engine, batch)
    new = np.stack([engine.schema.request(engine.config.set, base=vector, correlated=engine.config.correlated)
                    for vector in answer["attributes"]])
    return answer | {"new_attributes": new} | verbs.edit(
        engine.models, batch.images, answer["latents"], answer["attributes"], new)


def _complete(engine, batch):
    seed = engine.config.seed
    found = verbs.complete(engine.models, batch.images, batch.observed, batch.attributes, seed=seed or 0,
                           samples=seed is not None)
    chosen = found if seed is None else found["samples"][0]
    return _described(engine, batch, chosen, chosen["images"])


def _described(engine, batch, found, images):
    """The columns of a descent; the error is the mean squared one where a picture is visible, in units of [0, 1]."""
    squares = np.square(images / 255.0 - batch.images / 255.0).mean(-1) * batch.observed
    return {**{name: found[name] for name in ("attributes", "latents", "energy")}, "images": images,
            "reconstruction_error": np.float32(squares.sum((1, 2)) / batch.observed.sum((1, 2))),
            "stopped": [engine.stop_reasons[place] for place in found["stopped"]]}


_DESCENT = ("attributes", "latents", "energy", "reconstruction_error", "stopped")
TASKS = {
    "encode": Task("generator", _encode, ("attributes", "latents", "latents_log_variance"), GIVEN, draws=False),
    "infer": Task("latent_optimizer", _infer, _DESCENT, GIVEN),
    "infer_attributes": Task("latent_optimizer", _infer, _DESCENT),
    "score": Task("regressor", _score, ("attributes",), draws=False),
    "edit": Task("latent_optimizer", _edit, (*_DESCENT, "new_attributes"), FOUND,
                 settings={"set": True, "correlated": False}),
    "generate": Task("generator", _generate, ("attributes", "latents")),
    "complete": Task("latent_optimizer", _complete, _DESCENT, FOUND, settings={"hide": True, "seed": False}),
}
