"""Detects faces in photos, and the part of each that the model sees.

    for face in find_faces(picture):                # best first
        small = face.region.cut(picture, 64)        # the face as the model knows faces: upright, in its usual place
        changed = ...                               # what the model makes of it
        result = face.region.put_back(picture, small, changed)

They are found by MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded Convolutional
Networks"; package and weights MIT), which the extra [photos] brings with its weights.
"""

import dataclasses
import functools
import importlib.util
import pathlib
import threading

import numpy as np
from PIL import Image

from attr2image_tf.photos.turned_square import TurnedSquare

# Where the eye at the left, the eye at the right and the middle of the mouth lie in the square that a model sees, x and
# y in shares of its side: those of LFW's funneled pictures in the square of 160 pixels from row and column 45, medians
# of what mtcnn 1.0 finds in 466 random pictures of the training people (the spread is 5 to 6 pixels in x, 3 to 4 in y).
# Another detector has its own places, 2 to 3 of these pixels apart.
PLACES = tuple((x / 160, y / 160) for x, y in ((58.5, 69.0), (101.5, 68.0), (81.0, 115.0)))
# Faces are looked for in a copy with no longer side than this, which bounds time and memory. The network sees faces
# of 20 pixels and more.
LARGEST_SIDE = 1000
# The network's own pyramid of scales fails below.
SMALLEST_SIDE = 20
# With no face of this confidence that stands upright a photo may lie on its side, which the network, trained on upright
# faces, finds less often and never so surely: of 236 upright pictures of LFW 208 have such a face, upside down 4.
SURE = 0.995
# Another way to look at a photo counts where what is missing to certainty is so many times less: few photos are turned,
# and some faces look like one on their heads.
_SURER = 3.0
# Degrees by which a face that stands upright leans at most; beyond, another quarter turn brings it nearer to that.
_LEANING = 45.0


@dataclasses.dataclass(frozen=True)
class Face:
    """A face in a photo. All places are x before y, in pixels from the photo's upper left corner.

    Attributes:
        box: left, top, right and bottom, floats.
        points: places of the eye on the left when the face is upright, the other eye, and the middle of the mouth. The
            nose is left out: it moves with the pose.
        confidence: float in [0, 1].
    """

    box: tuple[float, float, float, float]
    points: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    confidence: float

    @property
    def region(self) -> TurnedSquare:
        """What the model is to see: the square in which eyes and mouth lie nearest to their places in LFW's pictures.
        """
        return TurnedSquare.fit(self.points, PLACES)


def find_faces(picture: np.ndarray) -> list[Face]:
    """The faces in a photo, best first: the largest, one in a corner counting half as large as one in the middle.

    Where none stands upright for sure, the photo is also looked at on its sides and on its head, which takes four times
    as long; the faces are those of the way in which one is much surer, with the angle that they have in the photo.

    Args:
        picture: uint8 [H, W, 3]. Of a large photo (more than LARGEST_SIDE pixels) faces are found that take at least a
            fiftieth of its longer side.

    Raises:
        ValueError: the picture is none, or the extra [photos] is not installed.
    """
    check_installed()
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
        raise ValueError(f"picture: expected uint8 [H, W, 3], got {picture.dtype} {list(picture.shape)}.")
    height, width = picture.shape[:2]
    scale = max(1.0, max(height, width) / LARGEST_SIDE)
    copy = picture if scale == 1.0 else np.asarray(Image.fromarray(picture).resize(
        (max(1, round(width / scale)), max(1, round(height / scale))), Image.Resampling.LANCZOS))
    if min(copy.shape[:2]) < SMALLEST_SIDE:
        return []
    # Rounded to whole pixels, the copy is not scaled alike in both directions.
    scales = np.array([width / copy.shape[1], height / copy.shape[0]])
    found, best = _search(copy, 0, scales)
    if best < SURE:
        turned, surest = max((_search(copy, turns, scales) for turns in (1, 2, 3)), key=lambda each: each[1])
        if 1.0 - surest < (1.0 - best) / _SURER:
            found = turned
    return sorted(found, key=lambda face: -_prominence(face, height, width))


def _search(picture, turns, scales):
    """Faces in a picture that is turned by some quarters, against the clock, with their places times `scales` in the
    picture as it is; and the confidence of the surest that stands upright there, or -1.0."""
    detector, lock = _detector()
    with lock:
        # As numbers: its own dictionaries round places to whole pixels.
        rows = np.reshape(detector.detect_faces(np.ascontiguousarray(np.rot90(picture, turns)), box_format="xyxy",
                                                output_type="numpy"), (-1, 16))
    faces, best = [], -1.0
    for row in rows.astype(np.float64):
        left_eye, right_eye, _, *mouth = row[6:].reshape(2, 5).T
        places = np.stack([left_eye, right_eye, np.mean(mouth, 0), row[1:3], row[3:5]])
        *points, corner, opposite = _turned_back(places, turns, *picture.shape[:2]) * scales
        face = Face((*np.minimum(corner, opposite).tolist(), *np.maximum(corner, opposite).tolist()),
                    tuple(tuple(point.tolist()) for point in points), float(row[5]))
        faces.append(face)
        if abs((face.region.angle - 90.0 * turns + 180.0) % 360.0 - 180.0) <= _LEANING:
            best = max(best, face.confidence)
    return faces, best


def _turned_back(places, turns, height, width):
    """Places [K, 2] in a picture of a size that was turned by some quarters against the clock, as they were before."""
    x, y = places.T
    return np.stack([(x, y), (width - y, x), (width - x, height - y), (y, height - x)][turns], -1)


def check_installed() -> None:
    """Raises ValueError unless what finds faces is installed."""
    if any(importlib.util.find_spec(name) is None for name in ("mtcnn", "joblib", "lz4")):
        raise ValueError('finding faces needs mtcnn, which is not installed here; pip install "attr2image-tf[photos]" '
                         "brings it.")


def _prominence(face, height, width):
    left, top, right, bottom = face.box
    from_middle = np.hypot((left + right - width) / 2, (top + bottom - height) / 2) / (np.hypot(width, height) / 2)
    return np.sqrt(max(right - left, 0.0) * max(bottom - top, 0.0)) / (1.0 + from_middle)


@functools.cache
def _detector():
    """The network, and a lock: nobody promises that it may be called from several threads."""
    from mtcnn import MTCNN
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    # By name alone it would first look into the current folder, and unpickle what lies there.
    weights = pathlib.Path(importlib.util.find_spec("mtcnn").submodule_search_locations[0]) / "assets" / "weights"
    stages = {"pnet": StagePNet, "rnet": StageRNet, "onet": StageONet}
    return MTCNN([stage(weights=str(weights / f"{name}.lz4")) for name, stage in stages.items()]), threading.Lock()
