"""TrainedModel: a model in a notebook, by names of attributes and pictures rather than tensors.

    model = attr2image_tf.load("runs/lfw")
    faces = model.generate({"Smiling": +2, "Male": "min"}, count=8)        # uint8 [8, H, W, 3]
    found = model.infer(faces[0])
    model.edit(faces[0], {"Senior": +2}, found=found, correlated=True)

    model = attr2image_tf.create("cvae", names, attributes)
    model.fit(pictures, epochs=20)
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf import models, pixels
from attr2image_tf.client.checks import as_at_least_0, as_hidden, as_picture, as_region, as_whole
from attr2image_tf.client.client import Found
from attr2image_tf.client.drawing import requested_rows
from attr2image_tf.config import ModelConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.inference.model_optimizer import model_optimizer
from attr2image_tf.models.latent_prior import LatentPrior
from attr2image_tf.models.prior_fitting import Posteriors, encoder, fit_gaussian
from attr2image_tf.run_folder import RunFolder


class TrainedModel:
    """An AttributeModel with the names of its attributes.

    Methods take and return what those of `attr2image_tf.client.Client` do, and compute here.

    Args:
        model: AttributeModel.
        schema: AttributeSchema.

    Attributes:
        model, schema: as given. `model.decode`, `encode` and the rest take tensors.
        names: of the attributes.
        image_size: height and width of the pictures.
    """

    def __init__(self, model: models.AttributeModel, schema: AttributeSchema):
        self.model, self.schema = model, schema
        self.names, self.image_size = schema.names, model.config.image_size
        self._forget()

    def generate(self, request: Mapping[str, float | str] = {}, *, seed: int = 0, count: int = 1, varied: bool = True,
                 correlated: bool = True, temperature: float = 1.0) -> np.ndarray:
        """Pictures with the requested attributes. Args and errors are those of `Client.generate`."""
        vectors, seeds = requested_rows(self.schema, request, seed, count, varied, correlated)
        drawn = self.model.generate(tf.constant(vectors), tf.constant(seeds), as_at_least_0("temperature", temperature))
        return pixels.uint8_from_model_range(drawn["images"]).numpy()

    def infer(self, picture: np.ndarray, attributes: Mapping[str, float | str] | None = None, *,
              hidden: np.ndarray | None = None, region=None) -> Found:
        """What is behind a picture. Args and errors are those of `Client.infer`."""
        images, observed = self._seen(picture, hidden, region)
        if attributes is None:
            result = self._optimizer.infer_attributes(images, observed)
            vector = result["attributes"][0].numpy()
        else:
            vector = self.schema.vector(attributes)
            result = self._optimizer.infer(images, vector[np.newaxis], observed)
        named = dict(zip(self.names, vector.tolist(), strict=True))
        return Found(result["latents"][0].numpy(), named, pixels.uint8_from_model_range(result["images"][0]).numpy(),
                     float(result["energy"][0]), vector)

    def reconstruct(self, picture: np.ndarray, attributes: Mapping[str, float | str] | None = None, *,
                    region=None) -> np.ndarray:
        """A picture as the model draws it. Args and errors are those of `Client.reconstruct`."""
        return self.infer(picture, attributes, region=region).reconstruction

    def edit(self, picture: np.ndarray, changes: Mapping[str, float | str], *, found: Found | None = None,
             correlated: bool = False, region=None) -> np.ndarray:
        """A picture with other attributes. Args and errors are those of `Client.edit`."""
        found = found or self.infer(picture, region=region)
        images, _ = self._seen(picture, None, region)
        new = self.schema.vector(changes, base=found.vector, correlated=correlated)
        edited = self._optimizer.edit(images, found.vector[np.newaxis], new[np.newaxis],
                                      latents=found.latents[np.newaxis])
        return pixels.uint8_from_model_range(edited["images"][0]).numpy()

    def complete(self, picture: np.ndarray, hidden: np.ndarray, *, seed: int | None = None,
                 attributes: Mapping[str, float | str] | None = None, region=None) -> np.ndarray:
        """A picture with its hidden part filled in. Args and errors are those of `Client.complete`."""
        images, observed = self._seen(picture, hidden, region)
        vector = (self.infer(picture, hidden=hidden, region=region).vector if attributes is None else
                  self.schema.vector(attributes))
        sampled = {} if seed is None else {"seeds": np.array([[as_whole("seed", seed, 0), 0]], np.int32), "samples": 1}
        result = self._optimizer.complete(images, observed, vector[np.newaxis], **sampled)
        return pixels.uint8_from_model_range(result["images"][0, -1]).numpy()

    def fit(self, dataset: tf.data.Dataset, *, epochs: int = 1, learning_rate: float = 3e-4,
            callbacks: Sequence[keras.callbacks.Callback] = ()) -> keras.callbacks.History:
        """Trains on one device, then fits a Gaussian prior; `python -m trainers.train` does more (resuming, several
        devices, averaged weights, the flow).

        Args:
            dataset: batches {"image": uint8 [B, H, W, 3], "attributes": float32 [B, A], in the schema's units} and for
                a layered model "mask": uint8 [B, H, W, 1], 255 on the foreground. Finite.
            epochs: passes over it.
            learning_rate: of Adam.
            callbacks: Keras'.

        Raises:
            ValueError: batches without what the model needs, or of another size, or without an end.
        """
        self._check(dataset.element_spec)
        count = int(dataset.cardinality())
        if count == tf.data.INFINITE_CARDINALITY:
            raise ValueError("dataset: it never ends; `take` as many batches as an epoch shall have.")
        if count == tf.data.UNKNOWN_CARDINALITY:
            # Keras would take the end of the first epoch for a mistake.
            count = int(dataset.reduce(np.int64(0), lambda seen, _: seen + 1))
            dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
        batches = dataset.map(self._batch, num_parallel_calls=tf.data.AUTOTUNE)
        self.model.compile(optimizer=keras.optimizers.Adam(learning_rate))
        history = self.model.fit(batches.prefetch(1), epochs=epochs, shuffle=False, callbacks=list(callbacks))
        weighted = batches.map(lambda batch: batch | {"weight": tf.ones(tf.shape(batch["image"])[:1])})
        prior = LatentPrior("gaussian", self.model.prior_blocks(), len(self.schema))
        fit_gaussian(prior, Posteriors.of(encoder(self.model), weighted))
        self.model.prior = prior
        self._forget()
        return history

    @property
    def _optimizer(self):
        if self._made is None:
            self._made = model_optimizer(self.model, schema=self.schema)
        return self._made

    def _forget(self):
        """The latent optimiser is made anew when it is next used, since the weights or the prior are others."""
        self._made = None

    def _seen(self, picture, hidden, region):
        """What the model sees, [1, H, W, 3] in [-1, 1], and what is observed of it, [1, H, W, 1]."""
        picture = as_picture(picture)
        hidden, region = as_hidden(hidden, picture), as_region(region, picture)
        observed = np.ones((self.image_size, self.image_size), bool)
        if hidden is not None:
            observed = ~region.touched(hidden, self.image_size)
        small = region.cut(picture, self.image_size, hidden)
        return (pixels.model_range_from_uint8(small)[tf.newaxis],
                tf.cast(observed, tf.float32)[tf.newaxis, ..., tf.newaxis])

    def _check(self, spec):
        size, count = self.image_size, len(self.schema)
        needed = {"image": ((size, size, 3), tf.uint8), "attributes": ((count,), tf.float32)}
        if self.model.layered:
            needed["mask"] = ((size, size, 1), tf.uint8)
        for name, (shape, dtype) in needed.items():
            found = spec.get(name) if isinstance(spec, dict) else None
            if found is None or found.dtype != dtype or not found.shape.is_compatible_with((None, *shape)):
                raise ValueError(f"dataset: expected batches with {name!r}, {dtype.name} [B, "
                                 f"{', '.join(map(str, shape))}], got "
                                 f"{'none' if found is None else f'{found.dtype.name} {found.shape}'}.")

    def _batch(self, batch):
        masks = tf.cast(batch["mask"], tf.float32) / 255.0 if "mask" in batch else tf.zeros_like(
            batch["image"][..., :1], tf.float32)
        return {"image": pixels.model_range_from_uint8(batch["image"]), "mask": masks,
                "attributes": batch["attributes"]}


def load(folder: str | os.PathLike) -> TrainedModel:
    """The model of a run folder, with its averaged weights and its prior.

    Raises:
        ConfigError: no run, or no checkpoint yet.
    """
    run = RunFolder(folder)
    return TrainedModel(run.load_model(), run.read_schema())


def create(name: str, names: Sequence[str], attributes: np.ndarray, *, image_size: int = 64, **settings
           ) -> TrainedModel:
    """A new model for attributes of one's own, to be trained by `fit`.

    Args:
        name: "vae", "cvae" or "discvae".
        names: of the attributes.
        attributes: float [N, A], those of the training pictures.
        image_size: height and width, a multiple of 32.
        settings: of ModelConfig, such as `width=0.5` or `seed=1`.

    Raises:
        ValueError: a value out of its range.
    """
    schema = AttributeSchema.measure(tuple(names), np.asarray(attributes, np.float32))
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown := sorted(set(settings) - fields):
        raise ValueError(f"{', '.join(unknown)}: no setting of a model; there are {', '.join(sorted(fields))}.")
    # By default the noise follows the error of a validation split, which `fit` does not know.
    settings = {"observation_noise": "running"} | settings
    model = models.create(ModelConfig(model=name, image_size=image_size, **schema.standardisation(), **settings))
    model.build_networks()
    return TrainedModel(model, schema)
