"""The smallest and the largest value seen (Jacob et al. 2018, arXiv:1712.05877, section 3.1, without smoothing)."""

from __future__ import annotations

from ..ir import Array
from .base import Calibrator


class MinMax(Calibrator):
    def __init__(self) -> None:
        self._ranges: dict[str, tuple[float, float]] = {}

    def observe(self, name: str, array: Array) -> None:
        lo, hi = self._ranges.get(name, (float("inf"), float("-inf")))
        self._ranges[name] = min(lo, float(array.min())), max(hi, float(array.max()))

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        return self._ranges[name]
