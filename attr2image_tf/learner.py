"""Learner: what a training loop must know of what it trains. `trainers.loop.Loop` runs the steps of one."""

from attr2image_tf.models import AttributeModel


class Diverged(RuntimeError):
    """Training that cannot go on: a whole epoch without one finite step, or a validation that is not finite."""


class Learner:
    """Something that is trained step by step, under any tf.distribute strategy.

    It is made in the strategy's scope. Whatever a step draws is a function of the configuration and `iterations`, so
    that a run that was stopped goes on as if it had not been. A subclass defines at least `training_step` and
    `describe`.

    Args:
        model: AttributeModel that is trained, or that what is trained belongs to; epochs are shown by its pictures.

    Attributes:
        variables: list of tf.Variable that are averaged, and that checkpoints hold beside their averages. Those of the
            model, unless a subclass says otherwise.
        iterations: int64 variable. Steps, skipped ones included.
        skipped: int64 variable. Steps not taken because a gradient was not finite.
        state: dictionary of what else a checkpoint must hold.
        terms: names of what `training_step` returns beside `count`; empty for those of `evaluation_step`.
        shown: name of the term that the progress bar shows.
    """

    terms: tuple[str, ...] = ()
    shown: str

    def __init__(self, model: AttributeModel):
        self.model, self.variables = model, [variable.value for variable in model.variables]

    def training_step(self, batch) -> dict:
        """The sums of the terms over this replica's rows of a batch, and their number as `count`; call in replica
        context."""
        raise NotImplementedError(f"{type(self).__name__} does not define training_step.")

    def evaluation_step(self, batch, seed) -> dict:
        """As `training_step`, weighted by the batch's `weight` and without training: what is measured on the validation
        split, with the averages in place of the variables.

        Args:
            batch: see AttributeModel.
            seed: int32 [2]. Of what is drawn.
        """
        return self.model.evaluation_step(batch, seed)

    def before_epoch(self, loop, epoch: int):
        """What happens before an epoch's first step, on all workers alike.

        Args:
            loop: `trainers.loop.Loop`: its `reader`, its `validation`, which is what the epoch before measured by
                `evaluation_step` (None before the first), and `in_both`.
            epoch: int, from 0.
        """

    def after_epoch(self, loop):
        """What happens after an epoch's last step and before it is measured, with the averages in place of the
        variables, on all workers alike; `loop.chief` may write to `loop.folder`."""

    def pictures(self, batch, seeds) -> dict:
        """What is shown after an epoch, uint8 [H, W, 3] by name; nothing for reconstructions and samples of the model.

        Args:
            batch: of the validation split; see AttributeModel.
            seeds: int32 [n, 2]. Of so many samples.
        """
        del batch, seeds
        return {}

    def describe(self, row: dict) -> str:
        """How it stands, from an epoch's row of the log: `train_` and `validation_` with the terms' names."""
        raise NotImplementedError(f"{type(self).__name__} does not define describe.")
