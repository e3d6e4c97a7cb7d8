"""The threshold whose clipped and quantized distribution has the least Kullback-Leibler divergence from the real one.

Migacz 2017, "8-bit Inference with TensorRT" (GTC). Exact zeros are left out: they cost nothing at any threshold.
A tensor with both signs gets one threshold for both, cut to what was seen, and half the levels for each.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array
from .histogram import SIDE, Histogram, HistogramCalibrator

CANDIDATES = 128
TINY = 1e-12


def divergence(counts: Array, kept: int, levels: int) -> float:
    """KL(P || Q): P is counts[:kept] with everything beyond added to its last bin, Q is counts[:kept] merged to `levels` and spread again."""
    p = counts[:kept].astype(np.float64)
    filled = p > 0
    edges = np.arange(levels) * kept // levels
    merged = np.add.reduceat(p, edges)
    width = np.add.reduceat(filled.astype(np.float64), edges)
    share = np.repeat(merged / np.maximum(width, 1), np.diff([*edges, kept]))
    q = np.where(filled, share, 0.0)
    p[-1] += counts[kept:].sum()
    p /= p.sum()
    q = q / max(q.sum(), TINY)
    used = p > 0
    return float((p[used] * np.log(p[used] / np.maximum(q[used], TINY))).sum())


class Entropy(HistogramCalibrator):
    def choose(self, histogram: Histogram, bits: int) -> tuple[float, float]:
        positive, negative = histogram.counts[SIDE:], histogram.counts[:SIDE][::-1]
        both = histogram.low < 0 < histogram.high
        counts = positive + negative
        levels = 2 ** (bits - 1) if both else 2**bits
        last = int(np.flatnonzero(counts)[-1]) + 1
        if last <= levels:
            return histogram.low, histogram.high
        tried = np.unique(np.linspace(max(levels, last // 16), last, CANDIDATES).astype(int))
        best = min(tried, key=lambda kept: (divergence(counts, int(kept), levels), -kept))
        threshold = float(best) * histogram.width
        return max(histogram.low, -threshold), min(histogram.high, threshold)
