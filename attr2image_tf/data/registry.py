"""Entry: what the rest of the package must know about a data set, stated once in the data set's own folder."""

import dataclasses
from collections.abc import Callable

from attr2image_tf.data.dataset import AttributeDataset
from attr2image_tf.data.scenes import Scenes


@dataclasses.dataclass(frozen=True)
class Entry:
    """A data set by name.

    Attributes:
        name: text, as in `--dataset`.
        open: function of a detail, a text, and the keywords image_size, source_dir, prepared_dir and seed to an
            AttributeDataset. It does its own imports, since most runs use another data set.
        details: texts of which one may follow the name and a colon, the first by default; empty if there is no choice,
            None for a path that is required.
        flag: name of the flag that chooses among `details`, or None.
        help: help text of the flag.
        background_attributes: names of the attributes that describe what is behind the foreground.
        scenes: Scenes of a rendered data set, whose factors are known; or None.
        face_box: where the faces are, in a data set whose faces are all in one place: left, top, right and bottom of
            the box that a face detector finds, in shares of the picture; or None.
    """

    name: str
    open: Callable[..., AttributeDataset]
    details: tuple[str, ...] | None = ()
    flag: str | None = None
    help: str = ""
    background_attributes: tuple[str, ...] = ()
    scenes: Scenes | None = None
    face_box: tuple[float, float, float, float] | None = None

    @property
    def shown(self) -> str:
        """The name as a list of names shows it."""
        return f"{self.name}:PATH" if self.details is None else self.name
