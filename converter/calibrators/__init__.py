"""Calibrators: what a stream of activations says about the range of each tensor.

A calibrator is a class with `observe(name, array)`, called once per tensor and batch, and `range(name, bits) -> (lo, hi)`,
called afterwards. Adding one is a file here and a row in `CALIBRATORS`. All of them need one walk over the data: histograms
grow with what they see.
"""

from __future__ import annotations

from .base import Calibrator
from .entropy import Entropy
from .global_threshold import GlobalThreshold
from .guarded import Guarded
from .histogram import Histogram, HistogramCalibrator
from .minmax import MinMax
from .moving_average import MovingAverage
from .mse import Mse
from .percentile import Percentile
from .several import Several

__all__ = ["CALIBRATORS", "Calibrator", "Histogram", "HistogramCalibrator", "Several"]

CALIBRATORS: dict[str, type[Calibrator]] = {
    "global": GlobalThreshold,
    "minmax": MinMax,
    "moving_average": MovingAverage,
    "percentile": Percentile,
    "mse": Mse,
    "guarded": Guarded,
    "entropy": Entropy,
}
