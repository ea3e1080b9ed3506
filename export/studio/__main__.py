"""A page in the browser to try exported models on: draw, look at a photo, change it, fill in, walk along an attribute.

    python -m export.studio
    python -m export.studio --models=models
    python -m export.studio --models=grpc://localhost:8500 --host=0.0.0.0 --port=8080 --auth_file=users.txt

It needs Gradio and what finds faces: pip install ".[studio,photos]". Nothing is sent to anyone.
"""

import logging as standard_logging
import os
import signal

from absl import flags, logging

from attr2image_tf.client import connect
from attr2image_tf.files import as_path
from export.studio.starting import ENVIRONMENT, import_page, temporary_folder, title, users
from trainers.flags import define_path, run

_MODELS = flags.DEFINE_string("models", "pretrained:faces-64", "A folder of exported models, those that come with the "
                              "package, or the address of a TF Serving server, such as http://localhost:8501 or "
                              "grpc://localhost:8500.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; 0.0.0.0 for all of the machine's, so that "
                            "others reach the page.")
_PORT = flags.DEFINE_integer("port", None, "Port to listen at; by default the first free one from 7860.",
                             lower_bound=1, upper_bound=65535)
_AUTH = flags.DEFINE_string("auth", None, "USER:PASSWORD that the page asks for. Other users of this machine can read "
                            "it in the list of processes: prefer --auth_file, or the environment variable "
                            "ATTR2IMAGE_STUDIO_AUTH.")
_AUTH_FILE = define_path("auth_file", None, "File with lines USER:PASSWORD.")
_MEGABYTES = flags.DEFINE_integer("megabytes", 20, "The most that an upload may have.", lower_bound=1)
_ROOT_PATH = flags.DEFINE_string("root_path", None, "What a proxy puts before the page's paths, such as /studio.")
_SHARE = flags.DEFINE_bool("share", False, "Let Gradio's servers give the page a public address, through which then "
                           "everything goes.")


def main(values):
    auth = users(_AUTH.value, _AUTH_FILE.value, os.environ.get(ENVIRONMENT))
    # Whoever ends it, by Ctrl+C or as a service, wants its files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with temporary_folder():
        page = import_page()
        models = str(as_path(_MODELS.value)) if as_path(_MODELS.value).is_dir() else _MODELS.value
        client = connect(models)
        if _HOST.value not in ("127.0.0.1", "localhost", "::1") and auth is None:
            logging.warning("--host=%s lets everybody who reaches this machine use the page; --auth_file asks them for "
                            "a password.", _HOST.value)
        # It tells of every request that Gradio makes to itself.
        standard_logging.getLogger("httpx").setLevel(standard_logging.WARNING)
        logging.info("Loading the models; drawing works at once, photos after up to a minute.")
        page.launch(page.build(client, title(models)), host=_HOST.value, port=_PORT.value, megabytes=_MEGABYTES.value,
                    auth=auth, share=_SHARE.value, root_path=_ROOT_PATH.value)


if __name__ == "__main__":
    run(main)
