"""Concurrent clients of the load test: they ask, and check each answer at once."""

import concurrent.futures
import dataclasses
import itertools
import threading
import time

from absl import logging

from attr2image_tf.client.local import Models
from attr2image_tf.client.remote import GrpcModels, RefusedError, RestModels, ServerError
from attr2image_tf.evaluation.workspace import duration
from benchmarks.load import requests_mix
from benchmarks.load.report import MemoryWatch

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
        # Not `call`, which would refuse some mistakes before the server sees them.
        answer = models.send(request.model, request.signature, request.inputs)
    except RefusedError as error:
        if not request.mistake:
            return None, f"refused: {error}"
        # TF Serving's gRPC has another code for a signature that is not there.
        expected = (400, "INVALID_ARGUMENT", *["FAILED_PRECONDITION"] * (request.signature == "paint"))
        if error.status not in expected:
            return None, f"refused with {error.status}: {error}"
        said = request.about in str(error)
        return None, None if said else f"the message does not speak of {request.about!r}: {error}"
    except ServerError as error:
        return None, f"lost: {error}"
    return answer, "answered" if request.mistake else requests_mix.problem(request, answer)


def run(mix: requests_mix.Mix, ways: dict[str, Models], count: int, *, clients: int, sample: int, watch: MemoryWatch):
    """Asks `count` requests from so many clients at once.

    Returns:
        outcomes, list of Outcome; and answers of every `sample`-th good request by its number and way.
    """
    outcomes, repeats = [], {}
    numbers, started, reported = iter(range(count)), time.monotonic(), [time.monotonic()]
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
                    repeats[number, way] = answer
                if time.monotonic() - reported[0] > PROGRESS_SECONDS:
                    reported[0] = time.monotonic()
                    _tell(outcomes, count, time.monotonic() - started, watch)

    with concurrent.futures.ThreadPoolExecutor(clients) as pool:
        for done in [pool.submit(client, way) for way in itertools.islice(itertools.cycle(ways), clients)]:
            done.result()
    return outcomes, repeats


def ask_alone(mix: requests_mix.Mix, ways: dict[str, Models], repeats) -> list[str]:
    """What the answers under load differ in from those to the same requests alone."""
    problems = []
    for (number, way), answer in sorted(repeats.items()):
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
