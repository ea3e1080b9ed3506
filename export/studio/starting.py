"""What the main needs before there is a page: who may see it, Gradio, a name for the models."""

import os
import pathlib
import tempfile

# Holds USER:PASSWORD.
ENVIRONMENT = "ATTR2IMAGE_STUDIO_AUTH"


def users(text: str | None, file: str | None, environment: str | None) -> list[tuple[str, str]] | None:
    """Pairs of a user and a password, or None where the page is open to all.

    Args:
        text: of --auth.
        file: of --auth_file.
        environment: of the variable ENVIRONMENT.

    Raises:
        ValueError: a line that is no pair; the message does not repeat it, since it may hold a password.
        OSError: the file cannot be read.
    """
    given = {"--auth": text, ENVIRONMENT: environment}
    lines = [(name, value) for name, value in given.items() if value is not None]
    if file is not None:
        content = pathlib.Path(file).read_text(encoding="utf-8").splitlines()
        found = [(f"--auth_file={file!r}, line {number}", line) for number, line in enumerate(content, 1)
                 if line.strip()]
        if not found:
            raise ValueError(f"auth_file={file!r} is empty; expected lines USER:PASSWORD.")
        lines += found
    pairs = []
    for name, line in lines:
        user, separator, password = line.strip().partition(":")
        if not (separator and user and password):
            raise ValueError(f"{name}: expected USER:PASSWORD.")
        pairs.append((user, password))
    return pairs or None


def temporary_folder() -> tempfile.TemporaryDirectory:
    """A folder for what visitors upload and get, which nobody else can read and which is removed at the end.

    Gradio reads where it is when it is imported, and later.
    """
    folder = tempfile.TemporaryDirectory(prefix="attr2image_studio_", ignore_cleanup_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(pathlib.Path(folder.name).resolve())
    return folder


def import_page():
    """The module of the page; after `temporary_folder`.

    Raises:
        ValueError: Gradio is not installed.
    """
    try:
        from export.studio import page
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise ValueError('the page needs Gradio, which is not installed here; pip install ".[studio,photos]" brings '
                         "it and what finds faces.") from None
    return page


def title(models: str) -> str:
    """What visitors read of where the models are; folders above and addresses of servers are not for them."""
    if "://" in models:
        return "of a server"
    return pathlib.PurePath(models.removeprefix("pretrained:")).name or "of this machine"
