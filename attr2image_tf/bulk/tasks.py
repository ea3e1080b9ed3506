"""What a model makes of a batch: one function a task, each the answer that the client gives for a single picture."""

import functools
from typing import NamedTuple

import numpy as np

from attr2image_tf import pixels
from attr2image_tf.bulk.config import BulkConfig
from attr2image_tf.bulk.inputs import Files
from attr2image_tf.bulk.items import Item
from attr2image_tf.photos.hiding import parse_hidden
from attr2image_tf.photos.reading import decode
from attr2image_tf.photos.square import Square
from attr2image_tf.pixels import from_png, to_png

# The exported model that a task calls.
MODELS = {"encode": "generator", "generate": "generator", "infer": "latent_optimizer",
          "infer_attributes": "latent_optimizer", "edit": "latent_optimizer", "complete": "latent_optimizer"}


class Subject(NamedTuple):
    """An item made ready for a model.

    Attributes:
        small: uint8 [size, size, 3], or None of a request.
        observed: uint8 [size, size], 255 where the picture is visible and 0 where it is hidden.
        mask: float32 [size, size, 1], the share of each pixel that is foreground.
        attributes: float32 [A], or None where they are to be found.
        seed: int32 [2], or None of a picture.
    """

    small: np.ndarray | None
    observed: np.ndarray | None
    mask: np.ndarray | None
    attributes: np.ndarray | None
    seed: np.ndarray | None = None


class Answer(NamedTuple):
    """What a task makes of a batch.

    Attributes:
        columns: by name, each with the batch first: float32 [B, ...], or a list of B texts.
        pictures: PNG of the resulting pictures, or None where there are none.
    """

    columns: dict[str, np.ndarray | list[str]]
    pictures: list[bytes] | None


class Engine:
    """A task over its models; calls of several threads do not disturb each other.

    Args:
        config: BulkConfig.
        models: LocalModels, or for `score` an AttributeRegressor.

    Attributes:
        schema: AttributeSchema.
        size: int. Height and width of the pictures.

    Raises:
        ValueError: the models are not as the task needs them, or a request is none.
    """

    def __init__(self, config: BulkConfig, models):
        self.config, self._models, largest = config, models, None
        if config.task == "score":
            self.schema, self.size = models.schema, models.config.image_size
        else:
            self.schema, self.size = models.describe()
            about = models.call(MODELS[config.task], "describe", request=np.zeros(1, np.int32))
            largest = int(about["maximum_batch"].max())
            self._reasons = [text.decode() for text in about.get("stop_reasons", [[]])[0]]
        if largest and config.batch_size > largest:
            raise ValueError(f"batch_size={config.batch_size}: {config.task} takes at most {largest} pictures at once.")
        self._hidden = parse_hidden(config.hide)
        self._given = None if config.attributes is None else self.schema.request(config.attributes)
        if config.set is not None:
            self.schema.request(config.set)
        self._run = getattr(self, f"_{config.task}")

    def read(self, item: Item, files: Files) -> Subject:
        """An item as the model takes it.

        Raises:
            ValueError: it cannot be read, or is not as the task needs it.
        """
        if self.config.task == "generate":
            vectors = _drawn(self.schema, item.request, item.count, item.seed)
            return Subject(None, None, None, vectors[item.number], np.int32([item.seed, item.number]))
        attributes = item.attributes if self._given is None else self._given
        if item.offset < 0:
            picture, mask = decode(lambda: files.read(item.path), item.path), None
        else:
            from attr2image_tf.bulk import records
            features = records.read(item.path, item.offset, files).features.feature
            name = f"{item.path}, {item.name}"
            picture, mask = (decode(lambda key=key: _only(features, key), name) for key in ("image", "mask"))
        square = Square(*self.config.square) if self.config.square else Square.central(*picture.shape[:2])
        square.check(*picture.shape[:2])
        hidden = self._hidden(picture)
        observed = np.full((self.size, self.size), True) if hidden is None else square.observed(hidden, self.size)
        # A picture without a mask is foreground all over.
        share = np.ones((self.size, self.size), np.float32) if mask is None else square.share(
            mask[..., 0] / np.float32(255), self.size)
        return Subject(square.cut(picture, self.size, hidden), np.where(observed, 255, 0).astype(np.uint8),
                       share[..., np.newaxis], attributes)

    def run(self, subjects: list[Subject]) -> Answer:
        """The task's answer for one batch.

        Fewer than the batch size are filled up by repeating the last: a model may give other last bits at another
        size.
        """
        count = len(subjects)
        answer = self._run(subjects + [subjects[-1]] * (self.config.batch_size - count))
        columns = {name: values[:count] for name, values in answer.columns.items()}
        return Answer(columns, None if answer.pictures is None else list(answer.pictures[:count]))

    def _score(self, subjects):
        attributes, _ = self._models(np.stack([subject.small for subject in subjects]))
        return Answer({"attributes": attributes}, None)

    def _encode(self, subjects):
        images = np.stack([subject.small for subject in subjects]) / np.float32(255)
        attributes = _attributes(subjects)
        answer = self._models.call("generator", "encode", images=images, attributes=attributes,
                                   masks=np.stack([subject.mask for subject in subjects]))
        return Answer({"attributes": attributes, "latents": answer["latents_mean"],
                       "latents_log_variance": answer["latents_log_variance"]}, None)

    def _generate(self, subjects):
        attributes, seed = _attributes(subjects), np.stack([subject.seed for subject in subjects])
        answer = self._models.call("generator", "generate", attributes=attributes, seed=seed)
        return Answer({"attributes": attributes, "latents": answer["latents"]},
                      [to_png(picture) for picture in pixels.uint8_from_unit(answer["images"]).numpy()])

    def _infer(self, subjects):
        attributes = _attributes(subjects)
        return self._found(subjects, self._optimizer("infer_bytes", subjects, attributes=attributes), attributes)

    def _infer_attributes(self, subjects):
        answer = self._optimizer("infer_attributes_bytes", subjects)
        return self._found(subjects, answer, answer["attributes"])

    def _edit(self, subjects):
        found = self._infer_attributes(subjects) if subjects[0].attributes is None else self._infer(subjects)
        attributes = found.columns["attributes"]
        changed = np.stack([self.schema.request(self.config.set, base=vector, correlated=self.config.correlated)
                            for vector in attributes])
        answer = self._models.call(
            "latent_optimizer", "edit_latents_bytes", image_bytes=_pngs(subject.small for subject in subjects),
            latents=found.columns["latents"], attributes=attributes, new_attributes=changed)
        return Answer(found.columns | {"new_attributes": changed}, list(answer["images_bytes"]))

    def _complete(self, subjects):
        attributes = (self._optimizer("infer_attributes_bytes", subjects)["attributes"]
                      if subjects[0].attributes is None else _attributes(subjects))
        if self.config.seed is None:
            answer = self._optimizer("complete_bytes", subjects, attributes=attributes)
        else:
            seed = np.tile(np.int32([self.config.seed, 0]), (len(subjects), 1))
            answer = self._optimizer("complete_sample_bytes", subjects, attributes=attributes, seed=seed)
        return self._found(subjects, answer, attributes)

    def _optimizer(self, signature, subjects, **inputs):
        return self._models.call(
            "latent_optimizer", signature, image_bytes=_pngs(subject.small for subject in subjects),
            observed_bytes=_pngs(subject.observed for subject in subjects), **inputs)

    def _found(self, subjects, answer, attributes):
        errors = [_error(subject, from_png(content))
                  for subject, content in zip(subjects, answer["images_bytes"], strict=True)]
        return Answer({"attributes": attributes, "latents": answer["latents"], "energy": answer["energy"],
                       "reconstruction_error": np.float32(errors),
                       "stopped": [self._reasons[place] for place in answer["stopped"]]}, list(answer["images_bytes"]))


def _error(subject, picture):
    """Mean squared difference where the picture is visible, in units of [0, 1]."""
    difference = (picture.astype(np.float64) - subject.small)[subject.observed > 0] / 255.0
    return np.square(difference).mean()


def _attributes(subjects):
    return np.stack([subject.attributes for subject in subjects])


def _pngs(pictures):
    return np.array([to_png(picture) for picture in pictures], object)


def _only(features, key):
    """The bytes of a feature."""
    values = features[key].bytes_list.value
    if len(values) != 1:
        raise ValueError(f"no {key} in the record; expected one of a prepared set with image, mask, attributes, name")
    return values[0]


# All pictures of a request are drawn together, as the client does it.
@functools.lru_cache(maxsize=4)
def _drawn(schema, request, count, seed):
    return schema.draw(schema.parse(request), count, seed=seed)
