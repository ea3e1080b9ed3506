"""FaceNetwork: features of who is in a picture, from a network that nobody here trained.

It is dlib's (King, 2017; weights CC0): faces of one person lie about 0.4 apart on LFW, of different people 0.8. The
extra [judges] brings it.
"""

import functools
import importlib.util
import pathlib

import numpy as np
from PIL import Image

# Faces are looked for in pictures of this size; smaller ones are enlarged.
_SIZE = 256


class FaceNetwork:
    """128 features of each face, or the reason why there are none.

    Args:
        extract: function of a picture uint8 [256, 256, 3] and a box in its pixels to 128 floats; or None.
        reason: text where there is none.

    Call inputs: pictures uint8 [N, H, W, 3]; the box around the face, the same for all, as left, top, right and bottom
    in shares of the picture. Output: float32 [N, 128].
    """

    def __init__(self, extract, reason=""):
        self.extract, self.reason = extract, reason

    @classmethod
    @functools.lru_cache(maxsize=1)
    def load(cls) -> "FaceNetwork":
        """The network of the installed packages."""
        # Its own __init__ imports pkg_resources, which newer setuptools do not have.
        found = importlib.util.find_spec("face_recognition_models")
        if found is None or importlib.util.find_spec("dlib") is None:
            return cls(None, 'the face network is not installed; pip install "attr2image-tf[judges]"')
        import dlib

        place = pathlib.Path(found.submodule_search_locations[0]) / "models"
        network = dlib.face_recognition_model_v1(str(place / "dlib_face_recognition_resnet_model_v1.dat"))
        landmarks = dlib.shape_predictor(str(place / "shape_predictor_5_face_landmarks.dat"))

        def extract(image, box):
            return network.compute_face_descriptor(image, landmarks(image, dlib.rectangle(*box)))

        return cls(extract)

    def __call__(self, images: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
        corners = [round(_SIZE * share) for share in box]
        features = []
        for image in images:
            large = Image.fromarray(image).resize((_SIZE, _SIZE), Image.Resampling.BICUBIC)
            features.append(self.extract(np.asarray(large), corners))
        return np.array(features, np.float32)
