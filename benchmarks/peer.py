"""The other side of a comparison, and what the machine can do at all."""

import json
import shlex
import subprocess

import tensorflow as tf
from absl import flags

from benchmarks.workers import measure

PEER = flags.DEFINE_string(
    "peer", None, 'Command of a peer, such as "OTHER/bin/python benchmarks/peer_torch.py". Called with train '
    "or generate and --batch, it prints a JSON line with the seconds of one step or call.")
PEER_OPTIONS = flags.DEFINE_multi_string(
    "peer_options", [], "Options of the peer to try besides none, such as --channels_last; the fastest counts.")


def measure_peer(work: str, *options: str) -> dict | None:
    """The fastest answer of the peer, with the options that gave it; None without a peer."""
    if not PEER.value:
        return None
    answers = []
    for chosen in ["", *PEER_OPTIONS.value]:
        command = [*shlex.split(PEER.value), work, *options, *shlex.split(chosen)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        answers.append({"options": chosen} | json.loads(done.stdout.splitlines()[-1]))
    return min(answers, key=lambda answer: answer["seconds"])


def matrix_product(dtype="float32", size: int = 2048) -> tuple[tf.types.experimental.PolymorphicFunction, float]:
    """A function that multiplies two matrices, at a rate that no network here can surpass, and its GFLOP."""
    factor = tf.cast(tf.random.stateless_normal([size, size], [0, 1]), dtype)
    return tf.function(lambda: tf.reduce_sum(tf.matmul(factor, factor))), 2e-9 * size**3


def matrix_peak() -> float:
    """GFLOP per second of a float32 matrix product."""
    product, gflop = matrix_product()
    return gflop / measure(lambda: product().numpy(), 7)["seconds"]
