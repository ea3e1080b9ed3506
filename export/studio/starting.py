"""What the main needs before it builds the page: who may see it, Gradio, a name for the models."""

import contextlib
import importlib.util
import ipaddress
import os
import pathlib
import shutil
import socket
import tempfile
from collections.abc import Iterator

from attr2image_tf.files import lock

# Holds USER:PASSWORD.
ENVIRONMENT = "ATTR2IMAGE_STUDIO_AUTH"
# What folders of pages are called, and the file in them that is locked while their page is there.
_PREFIX, _LOCK = "attr2image_studio_", ".lock"


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


@contextlib.contextmanager
def temporary_folder() -> Iterator[pathlib.Path]:
    """A folder for what visitors upload and get, which nobody else can read and which is removed at the end; so are
    those of pages that were killed.

    Gradio reads where it is when it is imported, and later.
    """
    held = None
    # Taken for one of a killed page while it is not locked yet.
    while held is None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
        with contextlib.suppress(FileNotFoundError):
            held = lock(folder / _LOCK)
            held = held if (folder / _LOCK).exists() else None
    try:
        _remove_left(folder)
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        held.close()


def _remove_left(mine):
    """Removes the folders beside one whose pages are gone: the system no longer holds their locks."""
    # Where nothing can be locked, a page that is there would be taken for one that is gone.
    if (again := lock(mine / _LOCK)) is not None:
        again.close()
        return
    for folder in mine.parent.glob(f"{_PREFIX}*"):
        # One that somebody is about to lock has none yet. Those of other users cannot be opened.
        if folder != mine and (folder / _LOCK).is_file() and os.access(folder / _LOCK, os.W_OK):
            left = lock(folder / _LOCK)
            if left is not None:
                shutil.rmtree(folder, ignore_errors=True)
                left.close()


def check_address(host: str, port: int | None) -> None:
    """Complains about an address that cannot be listened at, before any work.

    Raises:
        ValueError: the host is not this machine's, or the port is taken; None stands for one that is not.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port or 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except (OSError, UnicodeError) as error:
        what = f"port={port} of host={host!r}" if port else f"host={host!r}"
        raise ValueError(f"{what} is taken or not this machine's ({error}); choose another.") from None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.casefold() == "localhost"


def keep_from_proxies(host: str) -> None:
    """Has what this process asks of itself go past the proxies that the environment names: Gradio asks its own page.

    Raises:
        ValueError: one is of a kind that Gradio cannot even be imported with.
    """
    if importlib.util.find_spec("socksio") is None:
        for name, value in os.environ.items():
            if name.lower() in ("all_proxy", "http_proxy", "https_proxy") and value.lower().startswith("socks"):
                raise ValueError(f"{name} is a SOCKS proxy, which Gradio cannot use without socksio; pip install "
                                 f"socksio, or start the page without that variable: env -u {name} python ...")
    names = ["NO_PROXY", "no_proxy"]
    given = next((os.environ[name] for name in reversed(names) if os.environ.get(name)), "")
    own = ["localhost", "127.0.0.1", "::1", host.strip("[]")]
    before = [each.strip() for each in given.split(",") if each.strip()]
    # All are excepted by this alone, and not where others stand beside it.
    value = "*" if "*" in before else ",".join(dict.fromkeys([*before, *own]))
    os.environ.update(dict.fromkeys(names, value))


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
                         "it and a face detector.") from None
    return page


def title(models: str) -> str:
    """What visitors read of where the models are; folders above and addresses of servers are not for them."""
    if "://" in models:
        return "of a server"
    return pathlib.PurePath(models.removeprefix("pretrained:")).name or "of this machine"
