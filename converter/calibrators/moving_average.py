"""Exponential moving averages of the smallest and largest value of each batch (Jacob et al. 2018, arXiv:1712.05877, section 3.1)."""

from __future__ import annotations

from ..ir import Array
from .base import Calibrator

MOMENTUM = 0.9


class MovingAverage(Calibrator):
    def __init__(self) -> None:
        self._ranges: dict[str, tuple[float, float]] = {}

    def observe(self, name: str, array: Array) -> None:
        now = float(array.min()), float(array.max())
        before = self._ranges.get(name, now)
        self._ranges[name] = (
            MOMENTUM * before[0] + (1 - MOMENTUM) * now[0],
            MOMENTUM * before[1] + (1 - MOMENTUM) * now[1],
        )

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        return self._ranges[name]
