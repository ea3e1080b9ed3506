"""BulkConfig: what a bulk run does with every picture."""

import dataclasses

from attr2image_tf.bulk.tasks import NONE, TASKS, Task
from attr2image_tf.config import Config, choice
from attr2image_tf.photos.hiding import parse_hidden

# Settings that belong to some tasks alone, and how one is given.
_EXPECTED = {"set": 'a request such as "Smiling=+2"', "correlated": "True or False",
             "hide": "left,top,right,bottom or a mask picture", "seed": "a whole number from 0 to 2147483647"}


@dataclasses.dataclass(frozen=True)
class BulkConfig(Config):
    """What is done with every picture. A picture's result depends only on this, the models and the other pictures of
    its shard.

    Attributes:
        task: "encode" (latents by the encoder), "infer" (latents by descent, attributes given), "infer_attributes"
            (both by descent), "score" (attributes by a regressor), "edit", "complete", or "generate" (pictures from
            requests).
        attributes: request such as "Male=-1,Senior=max" for all pictures, with all others at the training mean; None
            takes those of the input.
        set: attributes that `edit` changes in what was found, as a request.
        correlated: whether `edit` also moves correlated attributes, as in the training data.
        hide: what `complete` fills in: "left,top,right,bottom" in pixels of the picture, or a mask picture of the same
            size, white where hidden.
        seed: seed of the completion that `complete` samples, from 0 to 2147483647; None for the likeliest.
        square: part of each picture that the model sees, as left, top and side in pixels; the central square if empty.
        pictures: how resulting pictures are written: "names" writes one PNG file each, "shards" one tar file of them
            per shard, "none" nothing.
        shard_size: inputs per shard, at least 1; a multiple of batch_size wastes nothing.
        batch_size: pictures computed together, at least 1; the last batch of a shard is padded to it.
    """

    task: str = choice("infer_attributes", tuple(TASKS))
    attributes: str | None = None
    set: str | None = None
    correlated: bool = False
    hide: str | None = None
    seed: int | None = None
    square: tuple[int, ...] = ()
    pictures: str = choice("names", ("names", "shards", "none"))
    shard_size: int = 1024
    batch_size: int = 32

    def __post_init__(self):
        super().__post_init__()
        task, own = self.task, self.about.settings
        for name, expected in _EXPECTED.items():
            given = getattr(self, name) not in (None, False)
            owner = next(each for each, record in TASKS.items() if name in record.settings)
            self.require(not given or name in own, name, f"nothing; it belongs to --task={owner}")
            self.require(given or not own.get(name), name, f"{expected} for --task={task}")
        self.require(self.seed is None or 0 <= self.seed < 2**31, "seed", _EXPECTED["seed"])
        self.require(self.attributes is None or self.about.attributes != NONE, "attributes",
                     f"nothing; --task={task} takes no attributes")
        self.require(len(self.square) in (0, 3) and (not self.square or self.square[2] > 0 and min(self.square) >= 0),
                     "square", "left,top,side, whole numbers of at least 0")
        self.require(not self.square or task != "generate", "square", "nothing; --task=generate sees no picture")
        self.require_least(1, "shard_size", "batch_size")
        if self.hide is not None:
            parse_hidden(self.hide)

    @property
    def about(self) -> Task:
        """The task's record."""
        return TASKS[self.task]
