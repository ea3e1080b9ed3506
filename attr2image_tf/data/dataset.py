"""AttributeDataset: pictures with masks and attributes, opened and ready to read."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping

from attr2image_tf.data.schema import AttributeSchema
from attr2image_tf.later import tf

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class AttributeDataset:
    """A prepared data set.

    Attributes:
        name: text, as in `--dataset`.
        image_size: int, height and width in pixels.
        schema: AttributeSchema of the training split.
        counts: number of examples by split ("train", "validation", "test").
        examples: function of a split's name that returns its examples in a fixed order, as an unbatched
            tf.data.Dataset of dictionaries
            image: uint8 [H, W, 3].
            mask: uint8 [H, W, 1], 255 on the foreground, 0 on the background, between at the border.
            attributes: float32 [A].
            name: string, unique within the data set.
        bordered: like `examples`, but with larger pictures and masks, whose middle `examples` gives, so that training
            can crop at random; None if there is no border.
        has_masks: False if no picture has a mask and all masks are 0; a layered model cannot be trained on them.
        prepared: text that changes if the pictures are prepared from other files or in another way, for sets whose name
            does not say that.
    """

    name: str
    image_size: int
    schema: AttributeSchema
    counts: Mapping[str, int]
    examples: Callable[[str], tf.data.Dataset]
    bordered: Callable[[str], tf.data.Dataset] | None = None
    has_masks: bool = True
    prepared: str = ""

    @property
    def fingerprint(self) -> str:
        """Text that changes with the pictures, their splits and the attributes, as far as that is known without reading
        them all."""
        about = [self.prepared, [self.counts[split] for split in SPLITS], list(self.schema.names)]
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
