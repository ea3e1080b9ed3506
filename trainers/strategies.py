"""From `--strategy` to a tf.distribute strategy."""

from __future__ import annotations

import os

from attr2image_tf.later import tf

NAMES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")
_EXAMPLE = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'


def create(name: str) -> tf.distribute.Strategy:
    """A strategy by name.

    Args:
        name: "one_device" (the first GPU, or the CPU), "mirrored" (all GPUs, or all logical CPU devices, of this
            machine), "multi_worker" (the cluster in the environment variable TF_CONFIG, of workers and maybe a chief),
            "tpu" (the TPU in TPU_NAME, or the local one), or "auto": multi_worker where TF_CONFIG names several,
            mirrored where there are several GPUs, else one_device.

    Raises:
        ValueError: TF_CONFIG is no cluster of workers, or multi_worker is asked for without one.
    """
    resolver = _resolver()
    if name == "auto":
        cluster = resolver.cluster_spec().as_dict() if resolver else {}
        name = ("multi_worker" if sum(map(len, cluster.values())) > 1 else
                "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one_device")
    if name == "multi_worker":
        if resolver is None:
            raise ValueError("strategy=multi_worker: the environment variable TF_CONFIG names no workers; expected "
                             f"{_EXAMPLE}.")
        return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(os.environ.get("TPU_NAME", "local"))
        return tf.distribute.TPUStrategy(resolver)
    return tf.distribute.OneDeviceStrategy("GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0")


def is_chief() -> bool:
    """Whether this process writes the run folder: the only process, or of a cluster its chief, which is worker 0 where
    none is called so.

    Raises:
        ValueError: TF_CONFIG is no cluster of workers.
    """
    resolver = _resolver()
    return resolver is None or resolver.task_id == 0 and resolver.task_type == (
        "chief" if "chief" in resolver.cluster_spec().jobs else "worker")


def _resolver():
    """What TF_CONFIG says, read as MultiWorkerMirroredStrategy reads it, or None where it says nothing."""
    text = os.environ.get("TF_CONFIG", "").strip()
    if text in ("", "{}"):
        return None
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    try:
        cluster, task = resolver.cluster_spec().as_dict(), (resolver.task_type, resolver.task_id)
    except (ValueError, TypeError, AttributeError, KeyError):
        raise _bad_cluster(text) from None
    if others := sorted({*cluster, task[0] or "worker"} - {"chief", "worker"}):
        raise ValueError(f"environment variable TF_CONFIG: {', '.join(others)} takes no part in training; name only "
                         "chief and worker, and start no process for others.")
    if None in task or len(cluster.get("chief", [])) > 1 or task[1] not in range(len(cluster.get(task[0], []))):
        raise _bad_cluster(text)
    return resolver


def _bad_cluster(text):
    return ValueError(f"environment variable TF_CONFIG={text!r}: expected a cluster and which task of it this is, such "
                      f"as {_EXAMPLE}.")
