"""The interval with the least mean squared error of quantization, rounding and clipping together, over the histogram.

Sung, Shin and Hwang 2015 (arXiv:1511.06488): the step that minimizes E[(x - Q(x))^2]; here both ends are searched in turn.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array
from .histogram import Histogram, HistogramCalibrator

COARSE = np.geomspace(1.0, 0.02, 24)  # shares of what was seen, tried for both ends together
FINE = np.linspace(0.92, 1.08, 33)  # of the best so far
ROUNDS = 4


def error(centres: Array, counts: Array, low: float, high: float, bits: int, clipped: float = 1.0) -> float:
    """Sum of squared errors of values at `centres` on the grid that [low, high] (with 0 put into it) gives; those outside count `clipped` times."""
    low, high = min(low, 0.0), max(high, 0.0)
    levels = 2**bits - 1
    scale = (high - low) / levels
    if scale <= 0:
        return float((counts * centres**2).sum())
    zero_point = np.rint(-low / scale)
    wanted = np.rint(centres / scale) + zero_point
    first, last = np.searchsorted(wanted, [0, levels + 1])  # centres ascend
    errors = counts * (centres - (np.clip(wanted, 0, levels) - zero_point) * scale) ** 2
    return float(errors.sum() + (clipped - 1) * (errors[:first].sum() + errors[last:].sum()))


class Mse(HistogramCalibrator):
    def choose(self, histogram: Histogram, bits: int) -> tuple[float, float]:
        return self.search(histogram, bits, 1.0)

    def search(self, histogram: Histogram, bits: int, clipped: float) -> tuple[float, float]:
        """The best interval where an error outside of it counts `clipped` times."""
        centres, counts = histogram.filled()
        low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
        trials = [(a * low, b * high) for a in (COARSE if low < 0 else [1.0]) for b in (COARSE if high > 0 else [1.0])]
        best, (low, high) = min((error(centres, counts, a, b, bits, clipped), (a, b)) for a, b in trials)
        for _ in range(ROUNDS):
            start = low, high
            for end in (1, 0):
                if start[end] == 0:
                    continue
                for share in FINE:
                    trial = (low, share * start[1]) if end else (share * start[0], high)
                    found = error(centres, counts, trial[0], trial[1], bits, clipped)
                    if found < best:
                        best, (low, high) = found, trial
            if (low, high) == start:
                break
        return float(max(low, min(histogram.low, 0.0))), float(min(high, max(histogram.high, 0.0)))
