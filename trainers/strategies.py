"""From `--strategy` to a tf.distribute strategy."""

import json
import os

import tensorflow as tf

NAMES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")


def create(name: str) -> tf.distribute.Strategy:
    """A strategy by name.

    Args:
        name: "one_device" (the first GPU, or the CPU), "mirrored" (all GPUs, or all logical CPU devices, of this
            machine), "multi_worker" (the cluster in the environment variable TF_CONFIG), "tpu" (the TPU in TPU_NAME,
            or the local one), or "auto": multi_worker where TF_CONFIG names several workers, mirrored where there are
            several GPUs, else one_device.

    Raises:
        ValueError: multi_worker without a usable TF_CONFIG.
    """
    cluster = _cluster()
    if name == "auto":
        name = ("multi_worker" if len(cluster) > 1 else
                "mirrored" if len(tf.config.list_logical_devices("GPU")) > 1 else "one_device")
    if name == "multi_worker":
        if not cluster:
            raise ValueError("strategy=multi_worker: the environment variable TF_CONFIG names no workers; expected "
                             '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}.')
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "mirrored":
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy([device.name for device in devices])
    if name == "tpu":
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect(os.environ.get("TPU_NAME", "local"))
        return tf.distribute.TPUStrategy(resolver)
    return tf.distribute.OneDeviceStrategy("GPU:0" if tf.config.list_logical_devices("GPU") else "CPU:0")


def is_chief() -> bool:
    """Whether this process writes the run folder: the only process, or worker 0 of a cluster."""
    return len(_cluster()) < 2 or _read_config().get("task", {}).get("index", 0) == 0


def _cluster():
    return _read_config().get("cluster", {}).get("worker", [])


def _read_config():
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return {}
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"environment variable TF_CONFIG: expected JSON, got {text!r} ({error}).") from None
