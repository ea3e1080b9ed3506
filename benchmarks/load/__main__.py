"""Load test of a running server: mixed requests from concurrent clients, some of them malformed, every answer checked.

    python -m tests.export.model_server models 8501 8500       # or a tensorflow_model_server; it prints its process
    python -m benchmarks.load --addresses=http://localhost:8501,grpc://localhost:8500 --server_pid=PID --output=load

Good requests must come back with the right shapes and finite numbers, and a sample of them with the numbers that the
same request gets alone, afterwards. Malformed ones must be refused as INVALID_ARGUMENT (400), in a message that speaks
of what is wrong. Nothing is tried a second time. The memory of the server is read every second where its process is
named. Writes load.json and load.md; exit status 1 where a request was lost or answered wrongly, or memory grew. A load
that was interrupted says nothing about memory, so there is no going on with it.
"""

import json
import os
import pathlib
import sys
import time

import tensorflow as tf
from absl import flags, logging

from attr2image_tf.client.remote import ServerError
from attr2image_tf.files import write_text
from benchmarks.load import clients, requests_mix
from benchmarks.load.clients import ask_alone, open_ways
from benchmarks.load.report import MemoryWatch, markdown, summarize
from trainers.flags import define_path, run

_ADDRESSES = flags.DEFINE_list("addresses", [], "Addresses of the server, http://HOST:PORT and grpc://HOST:PORT; "
                               "clients take them in turn.")
_REQUESTS = flags.DEFINE_integer("requests", 10_000, "Requests in all.", lower_bound=1)
_CLIENTS = flags.DEFINE_integer("clients", 8, "Clients that ask at the same time.", lower_bound=1)
_MALFORMED = flags.DEFINE_float("malformed", 0.1, "Share of malformed requests.", lower_bound=0.0, upper_bound=1.0)
_SEED = flags.DEFINE_integer("seed", 0, "Which requests; the same seed asks for the same.", lower_bound=0)
_SAMPLE = flags.DEFINE_integer("sample", 50, "Every so many requests one is asked again alone.", lower_bound=1)
_TIMEOUT = flags.DEFINE_float("timeout", 120.0, "Seconds after which a request is lost.", lower_bound=0.0)
_SERVER_PID = flags.DEFINE_integer("server_pid", None, "Process of the server, on this machine, whose memory is read.")
_OUTPUT = define_path("output", None, "Folder for load.json and load.md.")


def main(values):
    if not _OUTPUT.value:
        raise ValueError("--output is missing; name the folder for load.json and load.md.")
    output = pathlib.Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    ways = open_ways(_ADDRESSES.value, _TIMEOUT.value)
    watch = MemoryWatch(_SERVER_PID.value)
    try:
        mix = requests_mix.Mix(next(iter(ways.values())), seed=_SEED.value, malformed=_MALFORMED.value)
    except ServerError as error:
        raise ValueError(f"addresses: {error}") from None
    started = time.monotonic()
    with watch:
        outcomes, repeats = clients.run(mix, ways, _REQUESTS.value, clients=_CLIENTS.value, sample=_SAMPLE.value,
                                        watch=watch)
    seconds = time.monotonic() - started
    logging.info("Asking %d of them again alone.", len(repeats))
    results = summarize(outcomes, watch.samples, seconds, asked=_REQUESTS.value, alone=len(repeats),
                        differences=ask_alone(mix, ways, repeats))
    results = {"requests": _REQUESTS.value, "clients": _CLIENTS.value, "seed": _SEED.value,
               "cores": len(os.sched_getaffinity(0)), "tensorflow": tf.__version__} | results
    write_text(output / "load.json", json.dumps(results, indent=2))
    write_text(output / "load.md", markdown(results))
    print(markdown(results))
    sys.exit(0 if results["passed"] else 1)


if __name__ == "__main__":
    run(main, computes=False)
