"""Entry: what the rest of the package must know of a data set, said once in the data set's own folder."""

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
            AttributeDataset. What it needs it imports itself, since most runs are of another data set.
        details: texts of which one may follow the name and a colon, the first by default; empty where there is no
            choice, None where it is a path that has to be there.
        flag: name of the flag that chooses among `details`, or None.
        help: of the flag.
        background_attributes: names of the attributes that describe what is behind the foreground.
        scenes: Scenes of a data set that is rendered, whose factors are known; or None.
        face_box: of a data set of faces that all lie in one place, where: left, top, right and bottom of the box that a
            face detector finds, in shares of the picture; or None.
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
