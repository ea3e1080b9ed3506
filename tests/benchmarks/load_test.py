"""Laws of the load test: it passes on a server that is in order, and tells what is wrong with one that is not."""

import os

import numpy as np
import pytest

from attr2image_tf.client.local import Models
from attr2image_tf.client.remote import RefusedError, ServerError
from benchmarks.load import clients as load
from benchmarks.load import report as load_report
from benchmarks.load.requests_mix import Mix, descends
from tests.export import tiny_models

COUNT = 60


@pytest.fixture(scope="module")
def local():
    return tiny_models.local()


@pytest.fixture(scope="module")
def mix(local):
    # Half of them malformed, so that few requests have every mistake.
    return Mix(local, malformed=0.5)


class Faulty(Models):
    """Answers as a folder does, but for one thing.

    Args:
        local: LocalModels.
        fault: function of signature, inputs and answer (None for a refusal) to another answer.
    """

    def __init__(self, local, fault):
        self.local, self.fault = local, fault

    def send(self, model, signature, inputs):
        try:
            answer = self.local.call(model, signature, **inputs)
        except (ValueError, TypeError) as error:
            answer = None
            refusal = RefusedError(f"{error} {signature} {list(inputs)} image_bytes seed attributes", 400)
        answer = self.fault(signature, inputs, answer)
        if answer is None:
            raise refusal
        return answer


def loaded(mix, models, numbers=COUNT):
    outcomes, repeats = load.run(mix, {"REST": models}, numbers, clients=2, sample=1,
                                 watch=load_report.MemoryWatch(None))
    return load_report.summarize(outcomes, [], 1.0, asked=numbers, alone=len(repeats), differences=[])


@pytest.mark.slow
def test_a_server_in_order_passes(mix, local):
    ways = load.open_ways(tiny_models.served(), 60.0)
    with load_report.MemoryWatch(os.getpid(), interval=0.01) as watch:
        outcomes, repeats = load.run(mix, ways, COUNT, clients=4, sample=3, watch=watch)
    differences = load.ask_alone(mix, ways, repeats)
    results = load_report.summarize(outcomes, watch.samples, 1.0, asked=COUNT, alone=len(repeats),
                                    differences=differences)
    assert results["problems"] == [] and results["lost"] == 0 and repeats
    assert {outcome.way for outcome in outcomes} == {"REST", "gRPC"}
    assert sorted(outcome.number for outcome in outcomes) == list(range(COUNT))
    assert sum(results["refused_by_mistake"].values()) == results["malformed"] > 0
    assert results["memory_mib"]["most"] > 100
    text = load_report.markdown({"requests": COUNT, "clients": 4} | results)
    assert "Lost: 0. Answered wrongly: 0." in text and "| malformed | REST |" in text


@pytest.mark.slow
def test_a_request_is_a_function_of_seed_and_number(mix, local):
    again = Mix(local, malformed=0.5)
    for number in range(COUNT):
        one, two = mix.request(number), again.request(number)
        assert (one.signature, one.mistake, one.shapes) == (two.signature, two.mistake, two.shapes)
        for name, value in one.inputs.items():
            np.testing.assert_array_equal(value, two.inputs[name])
    requests = [mix.request(number) for number in range(1000)]
    assert len({request.mistake for request in requests}) == 15
    assert 0.4 < np.mean([request.mistake is not None for request in requests]) < 0.6
    assert 0 < np.mean([descends(request.signature) for request in requests if not request.mistake]) < 0.06


def lost(signature, inputs, answer):
    raise ServerError("away")


def answers_everything(signature, inputs, answer):
    return answer or {}


def one_row(signature, inputs, answer):
    return answer and {name: value[:0] for name, value in answer.items()}


def not_a_number(signature, inputs, answer):
    return answer and {name: np.full_like(value, np.nan) if value.dtype == np.float32 else value
                       for name, value in answer.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "said"), [
    (lost, "lost: away"), (answers_everything, "answered"), (one_row, "expected"), (not_a_number, "not finite")])
def test_a_fault_is_found(mix, local, fault, said):
    results = loaded(mix, Faulty(local, fault), 12)
    assert not results["passed"] and said in results["problems"][0]
    assert results["lost"] == (12 if fault is lost else 0)


@pytest.mark.slow
def test_other_numbers_than_alone_are_found(mix, local):
    number = next(n for n in range(COUNT) if mix.request(n).signature == "decode" and not mix.request(n).mistake)
    answer, problem = load.ask(local, mix.request(number))
    assert problem is None and load.ask_alone(mix, {"REST": local}, {(number, "REST"): answer}) == []
    found = load.ask_alone(mix, {"REST": local}, {(number, "REST"): answer | {"images": answer["images"] + 0.01}})
    assert len(found) == 1 and "images: differs by" in found[0]


def test_growing_memory_is_found():
    flat = [(t, 1000 + 30 * (t % 3) + (t < 20) * -400) for t in range(100)]
    assert load_report.memory_growth(flat) < 0.01
    assert load_report.memory_growth([(t, 1000 + 5 * t) for t in range(100)]) > load_report.MEMORY_GROWTH_LIMIT
    assert load_report.memory_growth(flat[:9]) is None


@pytest.mark.parametrize(("addresses", "message"), [
    ([], "--addresses is missing"), (["localhost:8501"], "expected http://HOST:PORT")])
def test_what_is_no_address_is_reported(addresses, message):
    with pytest.raises(ValueError, match=message):
        load.open_ways(addresses, 1.0)


def test_a_process_that_is_not_there_is_reported():
    with pytest.raises(ValueError, match="no such process"):
        load_report.MemoryWatch(2**22 + 1)
