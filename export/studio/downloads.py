"""Pictures for the page: enlarged, and as files for the browser to show and download."""

import json
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from attr2image_tf.pixels import to_png

SHOWN = 256


def enlarged(picture: np.ndarray, side: int = SHOWN) -> np.ndarray:
    """uint8 [H, W, 3] or [H, W, 1] to uint8 [side, side, 3], smoothly."""
    picture = np.repeat(picture, 3, -1) if picture.shape[-1] == 1 else picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def new_file(name: str) -> pathlib.Path:
    """A path in a folder of its own among Gradio's temporary files, which are removed in time (`page.launch`)."""
    return pathlib.Path(tempfile.mkdtemp(dir=os.environ.get("GRADIO_TEMP_DIR"))) / name


def jpeg(picture: np.ndarray, name: str) -> str:
    """Writes a photo for download; returns the path."""
    path = new_file(name)
    Image.fromarray(picture).save(path, quality=93)
    return str(path)


def animation(frames: Sequence[np.ndarray], name: str, milliseconds: int = 60) -> str:
    """Writes pictures uint8 [H, W, 3] as a WebP that goes there and back for ever; returns the path."""
    path = new_file(name)
    first, *others = [Image.fromarray(frame) for frame in (*frames, *frames[-2:0:-1])]
    # The ends stay for a moment.
    durations = [milliseconds] * (1 + len(others))
    durations[0] = durations[len(frames) - 1] = 10 * milliseconds
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, quality=90)
    return str(path)


def archive(pictures: Mapping[str, np.ndarray], about: Mapping, name: str) -> str:
    """Writes a ZIP of PNG files by their names, and about.json with how they were made; returns the path."""
    path = new_file(name)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("about.json", json.dumps(about, indent=2))
        for title, picture in pictures.items():
            file.writestr(f"{title}.png", to_png(picture))
    return str(path)
