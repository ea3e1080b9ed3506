"""How much is measured, and how the regressors that judge are trained."""

import dataclasses

from attr2image_tf.config import Config

# Of a regressor, each at half the size of the one before.
LEVELS = 4


@dataclasses.dataclass(frozen=True)
class RegressorConfig(Config):
    """How a regressor is built and trained.

    Attributes:
        dataset: name of the data set, as in `--dataset`.
        attribute_mean: A floats; what is regressed are attributes less this, divided by
        attribute_standard_deviation: A floats above 0.
        image_size: height and width in pixels, a multiple of 16.
        width: channels of the first level, at least 1; each of the four levels has half the size of the one before
            and twice the channels.
        blocks: residual blocks a level, at least 1.
        dropout: rate before the last layer, in [0, 1).
        epochs: passes over the training split; the learning rate falls to 0 over them.
        batch_size: at least 1.
        learning_rate: the largest, above 0; Adam with decoupled weight decay.
        weight_decay: at least 0, in units of the learning rate.
        flip: whether pictures are mirrored at random in training, and predictions averaged over both; off where left
            and right are attributes.
        rotation: largest angle of random rotation, in radians, at least 0.
        shift: largest random shift in pixels, at least 0.
        seed: of the weights, the order, the augmentation and the dropout.
    """

    dataset: str
    attribute_mean: tuple[float, ...]
    attribute_standard_deviation: tuple[float, ...]
    image_size: int = 64
    width: int = 32
    blocks: int = 1
    dropout: float = 0.3
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    flip: bool = True
    rotation: float = 0.1
    shift: int = 3
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        self.require(len(self.attribute_mean) == len(self.attribute_standard_deviation) > 0
                     and all(value > 0 for value in self.attribute_standard_deviation),
                     "attribute_standard_deviation", f"{len(self.attribute_mean)} numbers above 0, one an attribute")
        self.require(self.image_size > 0 and self.image_size % 2**LEVELS == 0, "image_size",
                     f"a positive multiple of {2**LEVELS}")
        for name in ("width", "blocks", "epochs", "batch_size"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(0 <= self.dropout < 1, "dropout", "at least 0 and below 1")
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        for name in ("weight_decay", "rotation"):
            self.require(getattr(self, name) >= 0, name, "at least 0")
        self.require(0 <= self.shift < self.image_size // 2, "shift", "at least 0 and less than half of image_size")
        self.require(0 <= self.seed < 2**31, "seed", "a whole number from 0 to 2147483647")


@dataclasses.dataclass(frozen=True)
class EvaluationConfig(Config):
    """How much is measured. The defaults take less than half an hour for three half-width models on two cores.

    Attributes:
        test_pictures: pictures of the test split, evenly spaced over it; 0 for all.
        training_pictures: pictures of the training split that samples are compared with; 0 for all.
        inferred: test pictures that are reconstructed by posterior inference.
        completed: test pictures that are completed, for each size and place of the hidden patch.
        bounded: test pictures whose bounds are estimated.
        draws: latents drawn for each bound, at least 100.
        iterations: evaluations of energy and gradient for each inferred picture, at most.
        patch_sizes: height and width of hidden patches, in pixels.
        attributes: names of the attributes of the progression strips; none for those that the first regressor estimates
            best.
        background_attributes: names of the attributes that describe the background, for leakage.
        inception: whether distances are also measured in the features of InceptionV3, where its weights can be had.
        batch_size: pictures computed together.
        seed: of latents, patches, draws and intervals.
    """

    test_pictures: int = 0
    training_pictures: int = 10_000
    inferred: int = 500
    completed: int = 32
    bounded: int = 100
    draws: int = 100
    iterations: int = 50
    patch_sizes: tuple[int, ...] = (8, 16, 24, 32)
    attributes: tuple[str, ...] = ()
    background_attributes: tuple[str, ...] = ()
    inception: bool = True
    batch_size: int = 25
    seed: int = 0

    def __post_init__(self):
        super().__post_init__()
        for name in ("inferred", "completed", "bounded", "iterations", "batch_size"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("test_pictures", "training_pictures"):
            self.require(getattr(self, name) >= 0, name, "at least 0")
        self.require(self.draws >= 100, "draws", "at least 100")
        self.require(len(self.patch_sizes) > 0 and min(self.patch_sizes) >= 1, "patch_sizes", "numbers of at least 1")
        self.require(0 <= self.seed < 2**31, "seed", "a whole number from 0 to 2147483647")
