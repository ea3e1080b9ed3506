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
from export.studio import starting
from trainers.flags import define_path, run

flags.DEFINE_string("models", "pretrained:faces", "A folder of exported models, those that come with the package, "
                    "or the address of a TF Serving server, such as http://localhost:8501 or grpc://localhost:8500.")
flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 listens on all of the machine's addresses, so "
                    "that others can reach the page.")
flags.DEFINE_integer("port", None, "Port to listen on. Default: the first free one from 7860.", lower_bound=1,
                     upper_bound=65535)
flags.DEFINE_string("auth", None, "USER:PASSWORD that the page asks for. Other users of this machine can see it in the "
                    "list of processes: prefer --auth_file, or the environment variable ATTR2IMAGE_STUDIO_AUTH.")
define_path("auth_file", None, "File with lines USER:PASSWORD that the page accepts.")
flags.DEFINE_integer("megabytes", 20, "Largest upload, in megabytes.", lower_bound=1)
flags.DEFINE_string("root_path", None, "Prefix that a proxy puts before the page's paths, such as /studio.")
flags.DEFINE_bool("share", False, "Publish the page through Gradio's servers; all traffic then passes through them.")


def main(values):
    auth = starting.users(values.auth, values.auth_file, os.environ.get(starting.ENVIRONMENT))
    starting.check_address(values.host, values.port)
    # Whoever ends it, by Ctrl+C or as a service, wants its files removed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = 0
    try:
        with starting.temporary_folder():
            serve(values, auth)
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


def serve(values, auth):
    """Serves the page until Ctrl+C."""
    starting.keep_from_proxies(values.host)
    page = starting.import_page()
    folder = as_path(values.models)
    models = str(folder) if folder.is_dir() else values.models
    opened = page.Shared.open(connect(models))
    if not starting.is_loopback(values.host) and auth is None:
        logging.warning("With --host=%s anyone who can reach this machine can use the page; use --auth_file to ask for "
                        "a password.", values.host)
    # It tells of every request that Gradio makes to itself.
    standard_logging.getLogger("httpx").setLevel(standard_logging.WARNING)
    blocks = page.build(opened, starting.title(models))
    address = page.launch(blocks, host=values.host, port=values.port, megabytes=values.megabytes, auth=auth,
                          share=values.share, root_path=values.root_path)
    # Not before: what cannot be served does not wait for it.
    opened.loading.start()
    logging.info("Loading the models; drawing works at once, photos within a minute.")
    print(f"The page is at {address} (Ctrl+C ends it).", flush=True)
    blocks.block_thread()


if __name__ == "__main__":
    run(main)
