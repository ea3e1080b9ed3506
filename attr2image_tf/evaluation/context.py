"""Context: one trained run, and the pictures and attribute regressors that it is evaluated with."""

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from attr2image_tf import pixels
from attr2image_tf.data.scenes import Scenes
from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.evaluation import metrics
from attr2image_tf.evaluation.attribute_regressor import AttributeRegressor
from attr2image_tf.evaluation.config import EvaluationConfig
from attr2image_tf.evaluation.face_network import FaceNetwork
from attr2image_tf.evaluation.pictures import Pictures, in_batches
from attr2image_tf.evaluation.workspace import Workspace
from attr2image_tf.inference.latent_optimizer import LatentOptimizer, OptimizerConfig
from attr2image_tf.inference.model_optimizer import model_optimizer
from attr2image_tf.models import AttributeModel
from attr2image_tf.models.base import reduced
from attr2image_tf.models.folding import fold
from attr2image_tf.randomness import seed_rows

# Training pictures among which the face of a sample is looked for; the face network takes a tenth of a second for each.
KNOWN_FACES = 2000


@dataclasses.dataclass(frozen=True)
class EvaluationData:
    """What all runs are evaluated with.

    Attributes:
        test: Pictures, of people that no run and no regressor was trained on.
        train: Pictures.
        schema: AttributeSchema.
        regressors: AttributeRegressor by name; the first is used where one is enough.
        config: EvaluationConfig.
        scenes: Scenes of a data set that is rendered; or None.
        face_box: where faces are, in a data set of faces (`data.registry.Entry`); or None.
        open_photos: function of a size in pixels to the test pictures at that size, for models with detail; or None.
    """

    test: Pictures
    train: Pictures
    schema: AttributeSchema
    regressors: Mapping[str, AttributeRegressor]
    config: EvaluationConfig
    scenes: Scenes | None = None
    face_box: tuple[float, float, float, float] | None = None
    open_photos: Callable[[int], Pictures] | None = None

    def regress(self, images: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Attributes [N, A] and features [N, F] of pictures uint8 [N, H, W, 3], by regressor."""
        return {name: regressor(images) for name, regressor in self.regressors.items()}

    def estimate(self, values, people) -> dict:
        """`estimate` of values [N] of these people, by the configuration's seed."""
        return estimate(values, people, self.config.seed)

    @functools.cached_property
    def regressed_test(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """`regress` of the real test pictures."""
        return self.regress(self.test.images)

    @functools.cached_property
    def known_faces(self) -> np.ndarray:
        """The face network's features [N, 128] of evenly spaced training pictures."""
        return FaceNetwork.load()(self.train.images[evenly_spaced(len(self.train), KNOWN_FACES)], self.face_box)

    @functools.cached_property
    def train_features(self) -> np.ndarray:
        """The first regressor's features [N, F] of the training pictures."""
        return next(iter(self.regressors.values()))(self.train.images)[1]


class Context:
    """One run: its model by plain functions of arrays, in batches.

    Pictures are uint8 in and out, so that what is measured is what a user gets.

    Args:
        model: AttributeModel, trained; it is folded, and serves inference only from then on.
        data: EvaluationData.
        workspace: Workspace of this run.
    """

    def __init__(self, model: AttributeModel, data: EvaluationData, workspace: Workspace):
        self.model, self.data, self.workspace = model, data, workspace
        self.config, self.schema, self.regressors = data.config, data.schema, data.regressors
        fold(model)
        size, count = model.config.image_size, len(data.schema)
        images, masks = (tf.TensorSpec([None, size, size, channels], tf.float32) for channels in (3, 1))
        attributes = tf.TensorSpec([None, count], tf.float32)
        latents = tf.TensorSpec([None, model.latent_size], tf.float32)
        seeds = tf.TensorSpec([None, 2], tf.int32)
        self._generate = tf.function(lambda *inputs: {"images": reduced(model, model.generate(*inputs)["images"])},
                                     input_signature=[attributes, seeds])
        self._decode = tf.function(model.decode, input_signature=[latents, attributes])
        self._encode = tf.function(lambda *inputs: model.encode(*inputs).mean(),
                                   input_signature=[images, masks, attributes])

    @functools.cached_property
    def optimizer(self) -> LatentOptimizer:
        """Posterior inference with the model's own observation variance (eq. 9), from its encoder's guess."""
        return model_optimizer(self.model, OptimizerConfig(evaluations=self.config.iterations))

    def generate(self, attributes, seeds) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] for attributes float32 [N, A] and seeds int32 [N, 2]; with detail at the size
        that judges know."""
        return self._batched(lambda rows: self._generate(attributes[rows], seeds[rows])["images"], len(attributes))

    def decode(self, latents, attributes) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] for latents float32 [N, Z] and attributes float32 [N, A]."""
        return self._batched(lambda rows: self._decode(latents[rows], attributes[rows])["images"], len(latents))

    def layers(self, latents, attributes) -> dict[str, np.ndarray]:
        """All of `AttributeModel.decode`, float32, for one batch."""
        return {name: layer.numpy() for name, layer in self._decode(latents, attributes).items()}

    def encode(self, pictures: Pictures) -> np.ndarray:
        """The mean of q(z | x, y), float32 [N, Z]."""
        def encoded(rows):
            batch = self.batch(pictures[rows])
            return self._encode(batch["image"], batch["mask"], batch["attributes"])

        return in_batches(encoded, len(pictures), self.config.batch_size)

    def samples(self) -> np.ndarray:
        """One picture for the attributes of each test picture, uint8 [N, H, W, 3]; drawn once, then read from disk."""
        attributes, seeds = self.data.test.attributes, self.seeds(len(self.data.test))
        rows = self.workspace.rows("samples", len(attributes), 16 * self.config.batch_size,
                                   lambda part: {"images": self.generate(attributes[part], seeds[part])})
        return rows["images"]

    @functools.cached_property
    def regressed_samples(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """`regress` of the samples."""
        return self.data.regress(self.samples())

    def seeds(self, count: int, stream: int = 0) -> np.ndarray:
        """Seeds int32 [count, 2]; other numbers for each stream."""
        return seed_rows((self.config.seed + 7919 * stream) % 2**31, count)

    @staticmethod
    def batch(pictures: Pictures) -> dict[str, tf.Tensor]:
        """A model's batch of some pictures."""
        return {"image": pixels.model_range_from_uint8(pictures.images),
                "mask": tf.cast(pictures.masks, tf.float32) / 255.0, "attributes": tf.constant(pictures.attributes),
                "weight": tf.ones([len(pictures)])}

    def _batched(self, function, count):
        return in_batches(lambda rows: pixels.uint8_from_model_range(function(rows)), count, self.config.batch_size)


def estimate(values, people, seed: int = 0) -> dict:
    """The mean of values [N] that are not NaN, its 95 % interval by bootstrap over people, and their number.

    The values go with it, so that runs can be compared picture by picture.
    """
    values = np.asarray(values, np.float64)
    if np.isnan(values).all():
        return {"left_out": "no picture has it"}
    low, high = metrics.bootstrap_interval(values, people, seed=seed)
    return {"value": float(np.nanmean(values)), "low": low, "high": high, "n": int((~np.isnan(values)).sum()),
            "values": values, "people": np.asarray(people)}


def number(value, n: int) -> dict[str, float]:
    """An estimate without an interval."""
    return {"value": float(value), "n": int(n)}


def evenly_spaced(count: int, wanted: int) -> np.ndarray:
    """`wanted` places evenly spaced over `count`, or all of them."""
    return np.linspace(0, count - 1, min(wanted, count)).round().astype(int)
