"""Interleaved timing: every contender takes its turn in every round, so that a noisy moment falls on all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

Call = Callable[[], object]


@dataclass(frozen=True)
class Sample:
    """Times of one contender in seconds per call, one entry per round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.seconds))

    def percentile(self, percent: float) -> float:
        return float(np.percentile(self.seconds, percent))

    def as_dict(self) -> dict[str, float | int]:
        """Median, tenth and ninetieth percentile and minimum in milliseconds, and the number of rounds."""
        ms = {"median_ms": self.median, "p10_ms": self.percentile(10), "p90_ms": self.percentile(90), "min_ms": min(self.seconds)}
        return {**{k: round(v * 1e3, 6) for k, v in ms.items()}, "rounds": len(self.seconds)}


def time_calls(call: Call, count: int) -> float:
    """Seconds per call of `count` calls in a row."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def calls_for(call: Call, seconds: float) -> int:
    """How many calls take about `seconds`; the calls made to find out are the warm-up."""
    count = 1
    while True:
        taken = time_calls(call, count) * count
        if taken >= seconds / 4:
            return max(1, round(count * seconds / max(taken, 1e-9)))
        count *= 4


def interleave(
    calls: Sequence[Call], rounds: int, seconds: float = 0.03, tick: Callable[[], None] = lambda: None
) -> list[Sample]:
    """Time every call in every round, in an order that rotates from round to round.

    One turn is about `seconds` of calls after a tenth as many unmeasured ones: another contender has just run and left its
    data in the caches and its threads spinning. `tick` is called after each round.
    """
    counts = [calls_for(call, seconds) for call in calls]
    times: list[list[float]] = [[] for _ in calls]
    for turn in range(rounds):
        for k in range(len(calls)):
            i = (k + turn) % len(calls)
            time_calls(calls[i], max(1, counts[i] // 10))
            times[i].append(time_calls(calls[i], counts[i]))
        tick()
    return [Sample(tuple(t)) for t in times]
