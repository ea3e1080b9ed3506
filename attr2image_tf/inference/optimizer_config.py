"""The settings of a descent, and the reasons why it ends; does not import TensorFlow."""

import dataclasses

from attr2image_tf.config import Config, choice

# Why a row stopped.
CONVERGED, LIMIT, NO_DESCENT, DIVERGED = range(4)
STOP_REASONS = ("converged", "step limit reached", "no further descent", "diverged")

METHODS = ("lbfgs", "adam")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Config):
    """How an energy is minimised. The defaults are the fast method.

    Attributes:
        method: "lbfgs" or "adam".
        evaluations: most evaluations of energy and gradient in one descent, at least 1.
        learning_rate: learning rate of adam, above 0.
        tolerance: an example stops when `patience` turns lower its energy by less than this share; 0 never stops.
        patience: number of such turns, at least 1.
        memory: steps that lbfgs remembers, at least 1.
    """

    method: str = choice("lbfgs", METHODS)
    evaluations: int = 50
    learning_rate: float = 0.3
    tolerance: float = 1e-3
    patience: int = 10
    memory: int = 20

    def __post_init__(self):
        super().__post_init__()
        for name in ("evaluations", "patience", "memory"):
            self.require(getattr(self, name) >= 1, name, "at least 1")
        self.require(self.learning_rate > 0, "learning_rate", "above 0")
        self.require(0 <= self.tolerance < 1, "tolerance", "at least 0 and below 1")

    @classmethod
    def paper(cls) -> "OptimizerConfig":
        """The reference: Adam at 0.3 for 1000 iterations, from the prior mean."""
        return cls(method="adam", evaluations=1000, learning_rate=0.3, tolerance=0.0)

    @classmethod
    def from_dict(cls, values: dict):
        if isinstance(values, dict) and "iterations" in values:
            # Its name in files of before.
            values = {"evaluations": values["iterations"]} | {
                name: value for name, value in values.items() if name != "iterations"}
        return super().from_dict(values)
