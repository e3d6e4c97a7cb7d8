"""All but a small share of the values: the classic guard against outliers (Wu et al. 2020, arXiv:2004.09602, "percentile")."""

from __future__ import annotations

from .histogram import Histogram, HistogramCalibrator

SHARE = 0.9999


class Percentile(HistogramCalibrator):
    """Drops (1 - SHARE) / 2 of the values at either end; an end at which the values stop at 0 (after ReLU) stays."""

    def choose(self, histogram: Histogram, bits: int) -> tuple[float, float]:
        tail = (1 - SHARE) / 2 if histogram.low < 0 < histogram.high else 1 - SHARE
        low = histogram.low if histogram.low >= 0 else histogram.quantile(tail)
        high = histogram.high if histogram.high <= 0 else histogram.quantile(1 - tail)
        return low, high
