"""What a load test found: memory through the run, latencies by signature, problems; as numbers and as Markdown."""

import collections
import pathlib
import threading
import time

import numpy as np

# A server that keeps something of every request would grow by far more in ten thousand of them.
MEMORY_GROWTH_LIMIT = 0.05
PERCENTILES = (50, 90, 95, 99)


class MemoryWatch:
    """Reads the resident memory of a process every second, from a thread, while entered.

    Args:
        pid: int, or None to read nothing.

    Attributes:
        samples: list of seconds since the start and MiB.

    Raises:
        ValueError: there is no such process.
    """

    def __init__(self, pid: int | None, *, interval: float = 1.0):
        self.samples = []
        self._path, self._interval = pathlib.Path(f"/proc/{pid}/status"), interval
        self._stopped, self._thread = threading.Event(), None
        if pid is not None:
            if not self._path.exists():
                raise ValueError(f"server_pid={pid}: no such process on this machine.")
            self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        if self._thread:
            self._thread.start()
        return self

    def __exit__(self, *error):
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _watch(self):
        started = time.monotonic()
        while True:
            try:
                lines = self._path.read_text().splitlines()
            except OSError:
                return  # The server ended; the requests tell so.
            resident = next(line.split()[1] for line in lines if line.startswith("VmRSS"))
            self.samples.append((time.monotonic() - started, int(resident) / 1024))
            if self._stopped.wait(self._interval):
                return


def memory_growth(samples) -> float | None:
    """Growth of memory from the second fifth of a run, after it has warmed up, to the last; medians, as a share.

    Args:
        samples: seconds and MiB; None comes back for fewer than 10.
    """
    if len(samples) < 10:
        return None
    parts = np.array_split(np.array([mib for _, mib in samples]), 5)
    return float(np.median(parts[4]) / np.median(parts[1]) - 1.0)


def summarize(outcomes, samples, seconds: float, *, asked: int, alone: int, differences: list[str]) -> dict:
    """Figures of a load test.

    Args:
        outcomes: list of load.Outcome.
        samples: of MemoryWatch.
        seconds: that the load took.
        asked: requests that were to be asked.
        alone: requests that were asked again alone.
        differences: what their answers differed in.
    """
    problems = [f"request {one.number}, {one.mistake or one.signature}, {one.way}: {one.problem}"
                for one in outcomes if one.problem]
    growth = memory_growth(samples)
    by_signature = collections.defaultdict(list)
    for one in outcomes:
        by_signature["malformed" if one.mistake else one.signature, one.way].append(one.seconds)
    answered = len({one.number for one in outcomes if not (one.problem or "").startswith("lost")})
    return {
        "seconds": seconds, "requests_per_second": len(outcomes) / seconds, "lost": asked - answered,
        "malformed": sum(one.mistake is not None for one in outcomes),
        "refused_by_mistake": dict(sorted(collections.Counter(
            one.mistake for one in outcomes if one.mistake and not one.problem).items())),
        "asked_again_alone": alone, "problems": (problems + differences)[:100],
        "problem_count": len(problems) + len(differences),
        "memory_mib": {"first": samples[0][1], "most": max(mib for _, mib in samples), "last": samples[-1][1],
                       "growth": growth,
                       "by_twentieth": [round(float(np.median(part))) for part in np.array_split(
                           np.array([mib for _, mib in samples]), min(20, len(samples)))]} if samples else None,
        "latencies": [{"signature": signature, "way": way, "count": len(times), "mean": float(np.mean(times)),
                       **{f"p{p}": float(np.percentile(times, p)) for p in PERCENTILES}, "most": max(times)}
                      for (signature, way), times in sorted(by_signature.items())],
        "passed": not (problems or differences or asked != answered or (growth or 0.0) > MEMORY_GROWTH_LIMIT)}


def markdown(results: dict) -> str:
    """The results as Markdown."""
    lines = [f"{results['requests']:,} requests of {results['clients']} clients in {results['seconds'] / 60:.1f} min, "
             f"{results['requests_per_second']:.1f} a second; {results['malformed']:,} of them malformed. "
             f"Lost: {results['lost']}. Answered wrongly: {results['problem_count']}. Asked again alone and compared: "
             f"{results['asked_again_alone']}.", ""]
    if results["memory_mib"]:
        memory = results["memory_mib"]
        growth = "too short to tell" if memory["growth"] is None else f"{100 * memory['growth']:+.1f} %"
        lines += [f"Memory of the server: {memory['first']:.0f} MiB at the start, {memory['most']:.0f} at the most, "
                  f"{memory['last']:.0f} at the end; from the second fifth of the run to the last: {growth}.", ""]
    heads = ["signature", "by", "requests", *(f"p{p} ms" for p in PERCENTILES), "most ms"]
    lines += ["| " + " | ".join(heads) + " |", "| --- " * 2 + "| ---: " * (len(heads) - 2) + "|"]
    for row in results["latencies"]:
        times = [1000 * row[key] for key in (*(f"p{p}" for p in PERCENTILES), "most")]
        lines.append(f"| {row['signature']} | {row['way']} | {row['count']} | "
                     + " | ".join(f"{value:.0f}" for value in times) + " |")
    lines += ["", *results["problems"][:20]]
    return "\n".join(lines).rstrip() + "\n"
