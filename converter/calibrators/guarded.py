"""Least squared error, in which what is cut off weighs more than what is rounded: the ranges of the default recipe.

Rounding errors of elements are independent, so that in a sum of n products they grow like sqrt(n) and average out; clipping makes every
large element smaller, errors of one sign that follow the signal through the whole network, and the elements come together in one input,
whose answer suffers. CLIPPED says how much more that weighs. Of 1 (plain `mse`), 4, 16, 32, 64 and without end (`minmax`) it is the one that
neither loses on the random networks of docs/coverage.md, with few images and long tails, nor on the trained ones of docs/accuracy.md.

A vector per sample (pooled features, gates, scores) shows few values: the next input's often lie outside. It keeps all that it has shown and
a margin of 1 + sqrt(2 / samples) beside it. What is a whole image has values enough.
"""

from __future__ import annotations

import math

from ..ir import Array
from .histogram import Histogram
from .mse import Mse

CLIPPED = 16.0


class Guarded(Mse):
    """Below 8 bits plain `mse`: there rounding is the larger evil."""

    def __init__(self) -> None:
        super().__init__()
        self.vectors: dict[str, int] = {}  # how many were seen

    def observe(self, name: str, array: Array) -> None:
        super().observe(name, array)
        if sum(size > 1 for size in array.shape[1:]) <= 1:
            self.vectors[name] = self.vectors.get(name, 0) + len(array)

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        found = self.histograms[name]
        if bits < 8 or name not in self.vectors:
            return super().range(name, bits)
        margin = 1 + math.sqrt(2 / self.vectors[name])
        return margin * min(found.low, 0.0), margin * max(found.high, 0.0)

    def choose(self, histogram: Histogram, bits: int) -> tuple[float, float]:
        return self.search(histogram, bits, CLIPPED if bits >= 8 else 1.0)
