"""Load test of a running server: mixed requests from concurrent clients, some of them malformed, every answer checked.

    python -m tests.export.model_server models 8501 8500       # or a tensorflow_model_server; it prints its process
    python -m benchmarks.load --addresses=http://localhost:8501,grpc://localhost:8500 --server_pid=PID --output=load

Good requests must come back with the right shapes and finite numbers, and a sample of them with the numbers that the
same request gets alone, afterwards. Malformed ones must be refused as INVALID_ARGUMENT (400), in a message that speaks
of what is wrong. Nothing is tried a second time. The memory of the server is read every second where its process is
named. Writes load.json and load.md; exit status 1 where a request was lost or answered wrongly, or memory grew. A load
that was interrupted says nothing about memory, so there is no going on with it.
"""

import concurrent.futures
import dataclasses
import itertools
import json
import os
import pathlib
import sys
import threading
import time

import numpy as np
from absl import app, flags, logging

from attr2image_tf.errors import clear_errors
from attr2image_tf.evaluation.workspace import duration
from attr2image_tf.run_folder import write_text
from benchmarks import requests_mix
from benchmarks.load_report import MemoryWatch, markdown, summarize
from export.local import Models
from export.remote import GrpcModels, RefusedError, RestModels, ServerError

_ADDRESSES = flags.DEFINE_list("addresses", [], "Addresses of the server, http://HOST:PORT and grpc://HOST:PORT; "
                               "clients take them in turn.")
_REQUESTS = flags.DEFINE_integer("requests", 10_000, "Requests in all.", lower_bound=1)
_CLIENTS = flags.DEFINE_integer("clients", 8, "Clients that ask at the same time.", lower_bound=1)
_MALFORMED = flags.DEFINE_float("malformed", 0.1, "Share of malformed requests.", lower_bound=0.0, upper_bound=1.0)
_SEED = flags.DEFINE_integer("seed", 0, "Which requests; the same seed asks for the same.", lower_bound=0)
_SAMPLE = flags.DEFINE_integer("sample", 50, "Every so many requests one is asked again alone.", lower_bound=1)
_TIMEOUT = flags.DEFINE_float("timeout", 120.0, "Seconds after which a request is lost.", lower_bound=0.0)
_SERVER_PID = flags.DEFINE_integer("server_pid", None, "Process of the server, on this machine, whose memory is read.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for load.json and load.md.")

PROGRESS_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a request.

    Attributes:
        number: int. Which request.
        way: "REST" or "gRPC".
        signature: text.
        mistake: what was wrong with the request, or None.
        seconds: from asking to the answer.
        problem: what is wrong with the answer, or None.
    """

    number: int
    way: str
    signature: str
    mistake: str | None
    seconds: float
    problem: str | None


def open_ways(addresses, timeout: float) -> dict[str, Models]:
    """Models by way, each request of which is sent once.

    Raises:
        ValueError: no address, or one that is neither REST nor gRPC.
    """
    ways = {}
    for address in addresses:
        if address.startswith("grpc://"):
            ways["gRPC"] = GrpcModels(address.removeprefix("grpc://"), timeout=timeout, attempts=1)
        elif address.startswith(("http://", "https://")):
            ways["REST"] = RestModels(address, timeout=timeout, attempts=1)
        else:
            raise ValueError(f"addresses: expected http://HOST:PORT or grpc://HOST:PORT, got {address!r}.")
    if not ways:
        raise ValueError("--addresses is missing; name a running server, such as http://localhost:8501.")
    return ways


def ask(models: Models, request: requests_mix.Request):
    """The answer to a request or None, and what is wrong with how it was answered or None."""
    try:
        answer = models.call(request.model, request.signature, **request.inputs)
    except RefusedError as error:
        if not request.mistake:
            return None, f"refused: {error}"
        # TF Serving's gRPC has another code for a signature that is not there.
        expected = (400, "INVALID_ARGUMENT", *["FAILED_PRECONDITION"] * (request.signature == "paint"))
        if error.status not in expected:
            return None, f"refused with {error.status}: {error}"
        return None, None if request.told in str(error) else f"the message does not speak of {request.told!r}: {error}"
    except ServerError as error:
        return None, f"lost: {error}"
    return answer, "answered" if request.mistake else requests_mix.problem(request, answer)


def run(mix: requests_mix.Mix, ways: dict[str, Models], count: int, *, clients: int, sample: int, watch: MemoryWatch):
    """Asks `count` requests from so many clients at once.

    Returns:
        outcomes, list of Outcome; and answers of every `sample`-th good request by its number and way.
    """
    outcomes, kept = [], {}
    numbers, started, told = iter(range(count)), time.monotonic(), [time.monotonic()]
    lock = threading.Lock()

    def client(way):
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            request = mix.request(number)
            before = time.perf_counter()
            answer, problem = ask(ways[way], request)
            seconds = time.perf_counter() - before
            with lock:
                outcomes.append(Outcome(number, way, request.signature, request.mistake, seconds, problem))
                if answer is not None and number % sample == 0:
                    kept[number, way] = answer
                if time.monotonic() - told[0] > PROGRESS_SECONDS:
                    told[0] = time.monotonic()
                    _tell(outcomes, count, time.monotonic() - started, watch)

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, way) for way in itertools.islice(itertools.cycle(ways), clients)]:
            done.result()
    return outcomes, kept


def ask_alone(mix: requests_mix.Mix, ways: dict[str, Models], kept) -> list[str]:
    """What the answers under load differ in from those to the same requests alone."""
    problems = []
    for (number, way), answer in sorted(kept.items()):
        request = mix.request(number)
        alone, problem = ask(ways[way], request)
        problem = problem or requests_mix.difference(request, answer, alone)
        if problem:
            problems.append(f"request {number}, {request.signature}, {way}: {problem}")
    return problems


def _tell(outcomes, count, seconds, watch):
    done = len(outcomes)
    wrong = sum(outcome.problem is not None for outcome in outcomes)
    memory = f", {watch.samples[-1][1]:.0f} MiB" if watch.samples else ""
    logging.info("%d of %d requests, %.1f a second, %d wrong%s, %s left.", done, count, done / seconds, wrong, memory,
                 duration(seconds / done * (count - done)))


def main(arguments):
    if len(arguments) > 1:
        raise app.UsageError(f"unexpected argument {arguments[1]!r}; flags begin with --.")
    logging.set_verbosity(logging.INFO)
    with clear_errors():
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
        outcomes, kept = run(mix, ways, _REQUESTS.value, clients=_CLIENTS.value, sample=_SAMPLE.value, watch=watch)
    seconds = time.monotonic() - started
    logging.info("Asking %d of them again alone.", len(kept))
    figures = summarize(outcomes, watch.samples, seconds, asked=_REQUESTS.value, alone=len(kept),
                        differences=ask_alone(mix, ways, kept))
    figures = {"requests": _REQUESTS.value, "clients": _CLIENTS.value, "seed": _SEED.value,
               "cores": len(os.sched_getaffinity(0)), "numpy": np.__version__} | figures
    write_text(output / "load.json", json.dumps(figures, indent=2))
    write_text(output / "load.md", markdown(figures))
    print(markdown(figures))
    sys.exit(0 if figures["passed"] else 1)


if __name__ == "__main__":
    app.run(main)
