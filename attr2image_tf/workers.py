"""Threads that prepare what one consumer takes in order."""

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterable


def core_count() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(pool: concurrent.futures.Executor, function: Callable, arguments: Iterable[tuple], ahead: int = 256):
    """Results of a function of each of the arguments, in order; no more than `ahead` wait in memory."""
    waiting = collections.deque()
    for each in arguments:
        waiting.append(pool.submit(function, *each))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
