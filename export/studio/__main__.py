"""Serves a page to try exported models: draw, look at a photo, change it, fill in, walk along an attribute.

    python -m export.studio
    python -m export.studio --models=models
    python -m export.studio --models=grpc://localhost:8500 --host=0.0.0.0 --port=8080 --auth_file=users.txt

It needs Gradio and a face detector: pip install ".[studio,photos]". Photos stay on this machine, except with --share or
with the address of a model server.
"""

import logging as standard_logging
import os
import signal
import sys

from absl import flags, logging

from attr2image_tf.client import ServerError, connect
from attr2image_tf.files import as_path
from export.studio.starting import (
    ENVIRONMENT,
    check_address,
    import_page,
    is_loopback,
    keep_from_proxies,
    temporary_folder,
    title,
    users,
)
from trainers.flags import define_path, run

_MODELS = flags.DEFINE_string("models", "pretrained:faces-64", "A folder of exported models, those that come with the "
                              "package, or the address of a TF Serving server, such as http://localhost:8501 or "
                              "grpc://localhost:8500.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 listens on all of the machine's "
                            "addresses, so that others can reach the page.")
_PORT = flags.DEFINE_integer("port", None, "Port to listen on. Default: the first free one from 7860.",
                             lower_bound=1, upper_bound=65535)
_AUTH = flags.DEFINE_string("auth", None, "USER:PASSWORD that the page asks for. Other users of this machine can see "
                            "it in the list of processes: prefer --auth_file, or the environment variable "
                            "ATTR2IMAGE_STUDIO_AUTH.")
_AUTH_FILE = define_path("auth_file", None, "File with lines USER:PASSWORD that the page accepts.")
_MEGABYTES = flags.DEFINE_integer("megabytes", 20, "Largest upload, in megabytes.", lower_bound=1)
_ROOT_PATH = flags.DEFINE_string("root_path", None, "Prefix that a proxy puts before the page's paths, such as "
                                 "/studio.")
_SHARE = flags.DEFINE_bool("share", False, "Publish the page through Gradio's servers; all traffic then passes through "
                           "them.")


def main(values):
    auth = users(_AUTH.value, _AUTH_FILE.value, os.environ.get(ENVIRONMENT))
    check_address(_HOST.value, _PORT.value)
    # Whoever ends it, by Ctrl+C or as a service, wants its files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    try:
        with temporary_folder():
            serve(auth)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except ServerError as error:
        raise ValueError(str(error)) from None
    # Threads that load models or answer visitors are within TensorFlow, cannot be stopped there, and abort a process
    # that takes Python down around them. Nothing is left to be done.
    logging.flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def serve(auth):
    """Serves the page until Ctrl+C."""
    keep_from_proxies(_HOST.value)
    page = import_page()
    folder = as_path(_MODELS.value)
    models = str(folder) if folder.is_dir() else _MODELS.value
    opened = page.Models.open(connect(models))
    if not is_loopback(_HOST.value) and auth is None:
        logging.warning("With --host=%s anyone who can reach this machine can use the page; use --auth_file to ask for "
                        "a password.", _HOST.value)
    # It tells of every request that Gradio makes to itself.
    standard_logging.getLogger("httpx").setLevel(standard_logging.WARNING)
    blocks = page.build(opened, title(models))
    address = page.launch(blocks, host=_HOST.value, port=_PORT.value, megabytes=_MEGABYTES.value, auth=auth,
                          share=_SHARE.value, root_path=_ROOT_PATH.value)
    # Not before: what cannot be served does not wait for it.
    opened.loading.start()
    logging.info("Loading the models; drawing works at once, photos within a minute.")
    print(f"The page is at {address} (Ctrl+C ends it).", flush=True)
    blocks.block_thread()


if __name__ == "__main__":
    run(main)
