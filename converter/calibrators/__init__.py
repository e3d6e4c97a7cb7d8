"""Calibrators: what a stream of activations says about the range of each tensor.

A calibrator is a class with `observe(name, array)`, called once per tensor and batch, and `range(name) -> (lo, hi)`, called
afterwards. Adding one is a file here and a row in `CALIBRATORS`; `passes` says how often the data must be walked (a
histogram wants the range first), and `start_pass(number)` is called before each walk.
"""

from __future__ import annotations

from .base import Calibrator
from .minmax import MinMax

__all__ = ["CALIBRATORS", "Calibrator"]

CALIBRATORS: dict[str, type[Calibrator]] = {"minmax": MinMax}
