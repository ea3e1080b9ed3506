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
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from attr2image_tf import models, pixels
from attr2image_tf.client import verbs
from attr2image_tf.client.client import Client
from attr2image_tf.client.local import Models, answer
from attr2image_tf.config import ModelConfig
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.inference.optimizer_config import OptimizerConfig
from attr2image_tf.models.latent_prior import LatentPrior
from attr2image_tf.models.prior_fitting import Posteriors, encoder, fit_gaussian
from attr2image_tf.run_folder import RunFolder
from attr2image_tf.signatures.generator import Generator
from attr2image_tf.signatures.latent_optimizer import LatentOptimizerModule


class RunModels(Models):
    """The model of a run in this process, with the signatures that its export would have.

    Args:
        inference: how latents are searched for.
    """

    def __init__(self, model: models.AttributeModel, schema: AttributeSchema,
                 inference: OptimizerConfig = OptimizerConfig()):
        self.model, self.schema, self.inference = model, schema, inference
        self.forget()

    def forget(self):
        """Has signatures traced again at their next call, since the weights or the prior have changed."""
        self._modules, self._traced = {}, {}

    def has(self, model, signature):
        return signature in self._module(model).names

    def send(self, model, signature, inputs):
        name = f"{model}, {signature}"
        if name not in self._traced:
            if not self.has(model, signature):
                raise ValueError(f"{model} has no signature {signature!r}.")
            self._traced[name] = self._module(model).trace(signature)
        return answer(self._traced[name], name, inputs)

    def _module(self, model):
        if model not in self._modules:
            made = {verbs.GENERATOR: lambda: Generator(self.model, self.schema),
                    verbs.OPTIMIZER: lambda: LatentOptimizerModule(self.model, self.schema, self.inference)}
            if model not in made:
                raise ValueError(f"there is no model {model!r}; expected one of {', '.join(made)}.")
            self._modules[model] = made[model]()
        return self._modules[model]


class TrainedModel(Client):
    """An AttributeModel with the names of its attributes: a Client that computes in this process, and can `fit`.

    Args:
        inference: how latents are searched for.

    Attributes:
        model, schema: as given. `model.decode`, `encode` and the rest take tensors.
        names: names of the attributes.
        image_size: height and width of the pictures.
    """

    def __init__(self, model: models.AttributeModel, schema: AttributeSchema,
                 inference: OptimizerConfig = OptimizerConfig()):
        super().__init__(RunModels(model, schema, inference))
        self.model, self.names = model, schema.names

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
            raise ValueError("dataset: it never ends; `take` as many batches as an epoch should have.")
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
        self.models.forget()
        return history

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
    """A new model for your own attributes, to be trained with `fit`.

    Args:
        name: "vae", "cvae" or "discvae".
        names: names of the attributes.
        attributes: float [N, A], those of the training pictures.
        image_size: height and width, a multiple of 32.
        settings: of ModelConfig, such as `width=0.5` or `seed=1`.

    Raises:
        ValueError: a value out of its range.
    """
    schema = AttributeSchema.measure(tuple(names), np.asarray(attributes, np.float32))
    fields = {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown := sorted(set(settings) - fields):
        raise ValueError(f"{', '.join(unknown)}: not a setting of a model; known: {', '.join(sorted(fields))}.")
    # By default the noise follows the error of a validation split, which `fit` does not know.
    settings = {"observation_noise": "running"} | settings
    model = models.create(ModelConfig(model=name, image_size=image_size, **schema.standardisation(), **settings))
    model.build_networks()
    return TrainedModel(model, schema)
