"""Laws of clusters: exactly one process of any cluster writes, and what is no cluster is refused in a sentence."""

import json

import pytest

from trainers import strategies

HOSTS = ["127.0.0.1:2222", "127.0.0.1:2223", "127.0.0.1:2224"]


@pytest.fixture
def tell(monkeypatch):
    return lambda value: monkeypatch.setenv("TF_CONFIG", value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize("cluster", [
    {"worker": HOSTS[:1]}, {"worker": HOSTS[:2]}, {"worker": HOSTS}, {"chief": HOSTS[:1]},
    {"chief": HOSTS[:1], "worker": HOSTS[1:]}, {"worker": HOSTS[1:], "chief": HOSTS[:1]}])
@pytest.mark.parametrize("written", [int, str])
def test_one_process_of_a_cluster_is_the_chief(tell, cluster, written):
    chiefs = []
    for kind, hosts in cluster.items():
        for index in range(len(hosts)):
            tell({"cluster": cluster, "task": {"type": kind, "index": written(index)}})
            if strategies.is_chief():
                chiefs.append((kind, index))
    assert chiefs == [("chief" if "chief" in cluster else "worker", 0)]


def test_a_chief_and_a_worker_are_one_cluster(tell, monkeypatch):
    """Without the strategy itself, which would wait for the others."""
    monkeypatch.setattr(strategies.tf.distribute, "MultiWorkerMirroredStrategy", lambda resolver: resolver)
    for kind in ("chief", "worker"):
        tell({"cluster": {"chief": HOSTS[:1], "worker": HOSTS[1:2]}, "task": {"type": kind, "index": "0"}})
        resolver = strategies.create("auto")
        assert (resolver.task_type, resolver.task_id) == (kind, 0)
        assert resolver.cluster_spec().as_dict() == {"chief": HOSTS[:1], "worker": HOSTS[1:2]}
    tell({"cluster": {"worker": HOSTS[:1]}, "task": {"type": "worker", "index": 0}})
    assert strategies.create("auto").num_replicas_in_sync == 1


@pytest.mark.parametrize("value", ["", " ", "{}"])
def test_without_a_cluster_the_only_process_is_the_chief(tell, value):
    tell(value)
    assert strategies.is_chief() and strategies.create("one_device").num_replicas_in_sync == 1
    with pytest.raises(ValueError, match="strategy=multi_worker: .* names no workers; expected"):
        strategies.create("multi_worker")


@pytest.mark.parametrize("value", [
    "[]", "null", "1", "true", '"worker"', "worker", "{", '["a"]', {"cluster": {}}, {"cluster": []}, {"cluster": None},
    {"cluster": "worker"}, {"task": {"type": "worker", "index": 0}}, {"cluster": {"worker": HOSTS}},
    *({"cluster": {"worker": HOSTS}, "task": task} for task in (
        {}, [], None, 0, {"type": "worker"}, {"index": 0}, {"type": "worker", "index": 3},
        {"type": "worker", "index": -1},
        {"type": "worker", "index": "first"}, {"type": "worker", "index": None}, {"type": "chief", "index": 0})),
    {"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}},
    {"cluster": {"worker": None}, "task": {"type": "worker", "index": 0}},
    {"cluster": {"worker": [1]}, "task": {"type": "worker", "index": 0}},
    {"cluster": {"chief": HOSTS[:2], "worker": HOSTS[2:]}, "task": {"type": "worker", "index": 0}}])
def test_what_is_no_cluster_is_refused_in_a_sentence(tell, value):
    tell(value)
    for ask in (strategies.is_chief, lambda: strategies.create("auto"), lambda: strategies.create("one_device")):
        with pytest.raises(ValueError, match="environment variable TF_CONFIG=.*: expected a cluster") as caught:
            ask()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("cluster", "kind"), [
    ({"worker": HOSTS}, "evaluator"), ({"worker": HOSTS[:2], "ps": HOSTS[2:]}, "worker"),
    ({"worker": HOSTS[:2], "ps": HOSTS[2:]}, "ps"), ({"worker": HOSTS[:2], "evaluator": HOSTS[2:]}, "worker")])
def test_whoever_has_no_part_in_training_is_refused(tell, cluster, kind):
    tell({"cluster": cluster, "task": {"type": kind, "index": 0}})
    with pytest.raises(ValueError, match="TF_CONFIG: (evaluator|ps) takes no part in training"):
        strategies.create("auto")
