"""A histogram of a stream of values in one pass, without knowing their range beforehand.

Bins are 2^k wide and begin at multiples of their width. Where a value falls outside, the width doubles and neighbours are
merged, which is exact: the counts are those that the final width would have given from the start.
"""

from __future__ import annotations

import abc
import math

import numpy as np

from ..ir import Array
from .base import Calibrator

SIDE = 4096  # bins on each side of 0; after a doubling at least half of them are in use


class Histogram:
    """Counts of nonzero values in `counts` (bin i covers [i - SIDE, i - SIDE + 1) * width), of exact zeros in `zeros`."""

    def __init__(self) -> None:
        self.counts = np.zeros(2 * SIDE, np.int64)
        self.width = 0.0
        self.zeros = 0
        self.low, self.high = math.inf, -math.inf

    def add(self, values: Array) -> None:
        """Finite values of any shape."""
        values = values.reshape(-1)
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        reach = max(-low, high)
        if reach > 0:
            self._cover(reach)
            single = values.dtype == np.float32 and self.width > 1e-30
            steps = values * (np.float32 if single else np.float64)(1 / self.width)  # exact: a power of two
            np.floor(steps, out=steps)
            steps += SIDE
            self.counts += np.bincount(steps.astype(np.intp), minlength=2 * SIDE)
        zeros = values.size - int(np.count_nonzero(values))
        self.zeros += zeros
        if reach > 0:
            self.counts[SIDE] -= zeros

    def _cover(self, reach: float) -> None:
        if self.width == 0.0:
            self.width = 2.0 ** max(math.floor(math.log2(reach / SIDE)), -1000)
        while reach >= SIDE * self.width:
            merged = self.counts.reshape(-1, 2).sum(axis=1)
            self.counts = np.zeros(2 * SIDE, np.int64)
            self.counts[SIDE // 2 : SIDE // 2 + SIDE] = merged
            self.width *= 2

    def filled(self) -> tuple[Array, Array]:
        """Centres (float64, clipped to the values seen) and counts of the bins that hold something, in ascending order."""
        index = np.flatnonzero(self.counts)
        centres = (index - SIDE + 0.5) * self.width
        return np.clip(centres, self.low, self.high), self.counts[index]

    def quantile(self, share: float) -> float:
        """The value below which `share` of all values lie, by linear interpolation inside a bin."""
        counts = self.counts.copy()
        total = counts.sum() + self.zeros
        if self.width == 0.0:
            return 0.0
        below = np.concatenate([np.cumsum(counts[:SIDE]), counts[:SIDE].sum() + self.zeros + np.cumsum(counts[SIDE:])])
        place = int(np.searchsorted(below, share * total))
        if place >= 2 * SIDE:
            return self.high
        before = below[place] - counts[place]
        inside = (share * total - before) / counts[place] if counts[place] else 0.0
        return float(np.clip((place - SIDE + np.clip(inside, 0.0, 1.0)) * self.width, self.low, self.high))


class HistogramCalibrator(Calibrator):
    """A calibrator that decides from the histogram of each tensor: `choose` in a subclass."""

    def __init__(self) -> None:
        self.histograms: dict[str, Histogram] = {}

    def observe(self, name: str, array: Array) -> None:
        self.histograms.setdefault(name, Histogram()).add(array)

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        found = self.histograms[name]
        return (found.low, found.high) if found.width == 0.0 else self.choose(found, bits)

    @abc.abstractmethod
    def choose(self, histogram: Histogram, bits: int) -> tuple[float, float]:
        """The interval for a tensor that is not constantly 0."""
