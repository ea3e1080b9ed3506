"""LocalModels: exported SavedModels of a folder, called by signature, with TensorFlow alone."""

import os
import pathlib
from collections.abc import Mapping

import numpy as np
from absl import logging

from attr2image_tf import files, pretrained
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.later import tf

# What signatures take by the name of an input; encoded pictures, whose names end in _bytes, are bytes.
_TYPES = {"attributes": np.float32, "images": np.float32, "latents": np.float32, "new_attributes": np.float32,
          "observed": np.float32, "request": np.int32, "seed": np.int32, "temperature": np.float32}


class Models:
    """The exported models, wherever they run: signatures by name, arrays in and out."""

    def call(self, model: str, signature: str, **inputs) -> dict[str, np.ndarray]:
        """What a signature gives for inputs of one batch, all as arrays by name.

        Args:
            model: "generator" or "latent_optimizer".
            signature: text.
            inputs: arrays, the batch first; texts and encoded pictures as arrays of bytes. Numbers of another type than
                the signature's are converted where that changes none of them (rounding aside).

        Raises:
            ValueError: an input cannot be converted, the model refuses the inputs, or there is no such model or
                signature; the message is then the model's own.
        """
        return self.send(model, signature, {name: _converted(name, value) for name, value in inputs.items()})

    def send(self, model: str, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`call` with inputs as they are, of whatever type, for those who want to know what a server says of them."""
        raise NotImplementedError(f"{type(self).__name__} does not define send.")

    def has(self, model: str, signature: str) -> bool:
        """Whether a model has a signature: those of older exports lack some."""
        raise NotImplementedError(f"{type(self).__name__} does not define has.")

    def describe(self, model: str = "generator") -> tuple[AttributeSchema, int]:
        """Names, ranges and covariance of the attributes, and the height and width of the pictures.

        Args:
            model: which is asked; both know, and one that is used anyway spares loading the other.
        """
        answer = {name: value[0] for name, value in
                  self.call(model, "describe", request=np.zeros(1, np.int32)).items()}
        schema = AttributeSchema(tuple(name.decode() for name in answer["names"]), answer["minimum"], answer["mean"],
                                 answer["maximum"], answer["covariance"])
        return schema, int(answer["image_size"][0])


class LocalModels(Models):
    """The newest versions of the SavedModels below a folder, each loaded when first called.

    Args:
        folder: what `python -m export.export --output=FOLDER` wrote, or "pretrained:NAME" (see
            attr2image_tf.pretrained).
        versions: version by model, such as {"generator": "3"}, where it shall not be the newest.

    Raises:
        ValueError: the folder holds no exported generator, TensorFlow would take its path for a pattern, or no model of
            the name comes with the package.
    """

    def __init__(self, folder: str | os.PathLike, versions: Mapping[str, str] | None = None):
        self.folder, self.versions = pretrained.models_folder(folder), dict(versions or {})
        files.check_no_pattern(self.folder, "models")
        self._loaded = {}
        self.newest("generator")

    def newest(self, model: str) -> pathlib.Path:
        """The folder of a model's largest version, or of the one asked for.

        Raises:
            ValueError: there is none.
        """
        base = self.folder / model
        versions = [path for path in base.iterdir() if path.name.isdigit()] if base.is_dir() else []
        if model in self.versions:
            versions = [path for path in versions if path.name == self.versions[model]]
            if not versions:
                raise ValueError(f"models={str(self.folder)!r} no longer has version {self.versions[model]} of "
                                 f"{model}; put it back, or connect again to use the newest.")
        if not versions:
            raise ValueError(f"models={str(self.folder)!r} has no {model}; expected the folder that "
                             "`python -m export.export --run=RUN --output=FOLDER` writes.")
        return max(versions, key=lambda path: int(path.name))

    def has(self, model, signature):
        return signature in self._signatures(model)

    def _signatures(self, model):
        if model not in self._loaded:
            path, before = str(self.newest(model)), logging.get_verbosity()
            # TensorFlow warns of gradients that exports lack, which nobody asks for.
            logging.set_verbosity(min(before, logging.ERROR))
            try:
                self._loaded[model] = tf.saved_model.load(path)
            finally:
                logging.set_verbosity(before)
        return self._loaded[model].signatures

    def send(self, model, signature, inputs):
        signatures = self._signatures(model)
        if signature not in signatures:
            raise ValueError(f"{str(self.newest(model))!r} has no signature {signature!r}; export the run again.")
        return answer(signatures[signature], f"{model}, {signature}", inputs)


def answer(function, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a signature gives, as arrays by name.

    Raises:
        ValueError: it refuses the inputs; in its own words, with its name.
    """
    try:
        outputs = function(**{each: tf.constant(value) for each, value in inputs.items()})
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(f"{name}: {error.message}") from None
    return {each: value.numpy() for each, value in outputs.items()}


def _converted(name, value):
    """An input as the array that every model takes, here or behind a server: servers differ in what they cast."""
    array, kind = np.asarray(value), _TYPES.get(name)
    if kind is None:
        return array
    if array.dtype.kind not in ("iu" if kind is np.int32 else "iuf"):
        raise ValueError(f"{name}: expected {'whole ' if kind is np.int32 else ''}numbers, got {array.dtype} "
                         f"{list(array.shape)}.")
    with np.errstate(over="ignore"):
        converted = array.astype(kind)
    same = converted == array if kind is np.int32 else np.isfinite(converted) | ~np.isfinite(array)
    if not same.all():
        limits = np.iinfo(kind) if kind is np.int32 else np.finfo(kind)
        raise ValueError(f"{name}: expected numbers from {limits.min} to {limits.max}, got {array[~same][0]}.")
    return converted
