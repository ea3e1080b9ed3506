"""Trained models that come with the package: ready to draw and infer, without data or training.

    tf.saved_model.load(str(pretrained.path("faces") / "generator" / "1"))
    connect("pretrained:faces")
    python -m trainers.infer --models=pretrained:faces --images=photo.jpg --region=face --output=out

Each is an archive in this folder, with a model card beside it: what it was trained on and under which terms, how good
it is, and what it is not for. An archive is unpacked when it is first used, to ATTR2IMAGE_CACHE or else to the user's
cache folder, and again if the files there are damaged. It holds generator/1, latent_optimizer/1 and, of a model without
detail, the LiteRT file NAME.tflite with NAME.json.
"""

import errno
import hashlib
import json
import os
import pathlib
import shutil
import tarfile

from absl import logging

from attr2image_tf.files import as_path, folder_beside

PREFIX = "pretrained:"
_HERE = pathlib.Path(__file__).parent
# Sums of the archives by name, which `python -m export.pretrained` writes.
SUMS = _HERE / "sums.json"
# After the name of a model: an archive with the warm-up records of TF Serving, where the model's own has none.
WARMUP = ".warmup"
# The same model without detail, by name: it lies in the other's archive, in a folder of its name, since both have most
# weights in common.
PLAIN = {"faces-64": "faces"}
# In an unpacked model: the sums of its files.
_UNPACKED = ".sums.json"


def names() -> list[str]:
    """The models there are."""
    packed = {name for name in json.loads(SUMS.read_text()) if not name.endswith(WARMUP)}
    return sorted(packed | {name for name, detailed in PLAIN.items() if detailed in packed})


def archive(name: str) -> pathlib.Path:
    """Path of the archive of a name in sums.json, whether or not it exists."""
    return _HERE / f"{name}.tar.xz"


def sum_of(file: str | os.PathLike) -> str:
    """SHA-256 of a file."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def card(name: str) -> str:
    """The model card, Markdown.

    Raises:
        ValueError: no such model.
    """
    _sums_of(name)
    return (_HERE / f"{name}.md").read_text()


def path(name: str) -> pathlib.Path:
    """The folder of a model's exports, unpacked if it is not yet.

    Args:
        name: one of `names()`, with or without "pretrained:" before it.

    Raises:
        ValueError: no such model, its archive is damaged, or nothing can be written to the folder for unpacked models.
        OSError: the disk is full, or fails.
    """
    name = name.removeprefix(PREFIX)
    parts = _sums_of(name)
    packed = PLAIN.get(name, name)
    # A sum is part of the folder's name: another version of the package has its own.
    folder = cache() / f"{packed}-{parts[max(parts)][:12]}"
    if not _is_whole(folder):
        _unpack(parts, folder)
    return folder if name == packed else folder / name


def _unpack(parts, folder):
    for part, expected in parts.items():
        if sum_of(archive(part)) != expected:
            raise ValueError(f"{str(archive(part))!r} is not the published file: its checksum differs. "
                             "Install the package again.")
    _check_writable(folder.parent)
    with folder_beside(folder) as beside:
        for part in parts:
            with tarfile.open(archive(part)) as packed:
                packed.extractall(beside, filter="data")
        sums = {path.relative_to(beside).as_posix(): sum_of(path) for path in _files(beside)}
        (beside / _UNPACKED).write_text(json.dumps(sums, indent=2))
        if folder.exists() and not _is_whole(folder):
            logging.warning("%s is damaged, or of an older version, and is unpacked again.", folder)
            shutil.rmtree(folder)
        try:
            beside.rename(folder)
        except OSError:
            # Another process was faster.
            if not _is_whole(folder):
                raise


def _files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_whole(folder):
    """Whether an unpacked model is as it was unpacked: every byte is read, which takes a tenth of a second, since
    TensorFlow says of a cut file what nobody understands, and says it each time."""
    try:
        sums = json.loads((folder / _UNPACKED).read_text())
        return bool(sums) and all(sum_of(folder / name) == value for name, value in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _check_writable(folder):
    """Raises ValueError where unpacked models have no place."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        writable = False
    if not writable:
        raise ValueError(f"nothing can be written to {str(folder)!r}, the folder for unpacked models; name another one "
                         "in ATTR2IMAGE_CACHE.")


def cache() -> pathlib.Path:
    """The folder that gets unpacked models.

    Raises:
        ValueError: nobody knows the user's home folder.
    """
    if chosen := os.environ.get("ATTR2IMAGE_CACHE"):
        return as_path(chosen)
    base = os.environ.get("LOCALAPPDATA") if os.name == "nt" else os.environ.get("XDG_CACHE_HOME")
    try:
        return as_path(base or "~/.cache") / "attr2image_tf"
    except ValueError:
        raise ValueError("there is no home folder for unpacked models, since HOME is not set; name a folder for them "
                         "in ATTR2IMAGE_CACHE.") from None


def models_folder(text: str | os.PathLike) -> pathlib.Path:
    """The folder of exports that a text means: a path, or "pretrained:" and a name.

    Raises:
        ValueError, OSError: as `path`.
    """
    return path(os.fspath(text)) if os.fspath(text).startswith(PREFIX) else as_path(text)


def _sums_of(name):
    """The sums of a model's archives by their names, its own first."""
    sums = json.loads(SUMS.read_text())
    if name not in names():
        raise ValueError(f"pretrained:{name}: there is no such model; expected one of "
                         f"{', '.join(PREFIX + known for known in names())}.")
    packed = PLAIN.get(name, name)
    return {part: sums[part] for part in (packed, packed + WARMUP) if part in sums}
