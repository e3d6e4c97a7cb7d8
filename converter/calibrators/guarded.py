"""Least squared error, in which what is cut off weighs more than what is rounded: the ranges of the default recipe.

Rounding errors of elements are independent, so that in a sum of n products they grow like sqrt(n) and average out; clipping makes every
large element smaller, errors of one sign that follow the signal through the whole network, and the elements come together in one input,
whose answer suffers. The fewer samples there are, the more of the tails have not been seen: an error outside the range counts
CLIPPED / samples times. With 32 and with 128 samples, of weights from 1 (plain `mse`) to 256 and without end (`minmax`), these neither
lose on the random networks of docs/coverage.md, few images and long tails, nor on the trained ones of docs/accuracy.md.

A vector per sample (pooled features, gates) shows few values: the next input's often lie outside. It keeps all that it has shown and
a margin of 1 + sqrt(2 / samples) beside it. A whole image has more values, but where its channels all reach equally far (`converter/channels`) the
next image's largest lie outside too: an end of its range gets 1 + ROOM / samples, unless it is a bound (`bounded`) or the value has no precision to
spare (`strained`). GhostNet, MobileNet V1 and V3 of docs/coverage.md gain 0.2 to 0.4 dB by that, on pictures that did not calibrate.
The network's own outputs get no margin: what is cut off there misleads no later layer, and its steps are what the user sees.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir import Array
from .mse import Mse

CLIPPED = 2048.0
ROOM, LEAST = 4.0, 32  # with fewer samples no more
SOME, MORE, BESIDE = 8, 4, 8  # values at an end that nothing lies beyond; times as many as in each of so many bins beside it


def is_vector(shape: tuple[int, ...]) -> bool:
    """Whether a sample of this shape, batch first, is one."""
    return sum(size > 1 for size in shape[1:]) <= 1


def margin(samples: int) -> float:
    """How many times what has been seen a vector's range is."""
    return 1 + math.sqrt(2 / samples)


def room(samples: int) -> float:
    """The same for what is no vector."""
    return 1 + ROOM / max(samples, LEAST)


def bounded(counts: Array) -> bool:
    """Whether more values lie at the first end of a histogram than beside it: a clamp, a grid or a saturated function has its end there."""
    first = int(np.argmax(counts > 0))
    return bool(counts[first] > max(SOME, MORE * counts[first + 1 : first + 1 + BESIDE].mean()))


class Guarded(Mse):
    """Below 8 bits plain `mse`: there rounding is the larger evil."""

    def __init__(self) -> None:
        super().__init__()
        self.samples: dict[str, int] = {}
        self.vectors: set[str] = set()

    def observe(self, name: str, array: Array) -> None:
        super().observe(name, array)
        self.samples[name] = self.samples.get(name, 0) + len(array)
        if is_vector(array.shape):
            self.vectors.add(name)

    def range(self, name: str, bits: int = 8) -> tuple[float, float]:
        found = self.histograms[name]
        if bits < 8 or found.width == 0.0:
            return super().range(name, bits)
        if name in self.vectors:
            beyond = 1.0 if name in self.ends else margin(self.samples[name])
            return beyond * min(found.low, 0.0), beyond * max(found.high, 0.0)
        low, high = self.search(found, bits, max(1.0, CLIPPED / self.samples[name]))
        if name in self.ends or name in self.strained:
            return low, high
        beyond = room(self.samples[name])
        return low * (1.0 if bounded(found.counts) else beyond), high * (1.0 if bounded(found.counts[::-1]) else beyond)
