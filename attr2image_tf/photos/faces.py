"""Faces in photos, and what of them the model is to see.

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


@dataclasses.dataclass(frozen=True)
class Face:
    """A face in a photo. All places are x before y, in pixels from its upper left corner.

    Attributes:
        box: left, top, right and bottom, floats.
        points: of the eye at the left of the picture, the eye at its right, and the middle of the mouth. The nose is
            left out: it moves with the pose.
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
    detector, lock = _detector()
    with lock:
        # As numbers: its own dictionaries round places to whole pixels.
        rows = np.reshape(detector.detect_faces(copy, box_format="xyxy", output_type="numpy"), (-1, 16))
    # Rounded to whole pixels, the copy is not scaled alike in both directions.
    scales = np.array([width / copy.shape[1], height / copy.shape[0]])
    faces = []
    for row in rows.astype(np.float64):
        left_eye, right_eye, _, *mouth = row[6:].reshape(2, 5).T * scales
        points = np.stack([left_eye, right_eye, np.mean(mouth, 0)])
        faces.append(Face(tuple((row[1:5].reshape(2, 2) * scales).ravel().tolist()),
                          tuple(map(tuple, points.tolist())), float(row[5])))
    return sorted(faces, key=lambda face: -_prominence(face, height, width))


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
