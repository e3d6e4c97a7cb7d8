"""How much a layer's second moments are to be believed: the ridge on their diagonal, chosen by samples that were not rounded for.

Few positions meet many weights in the late layers of a network, and rounding by second order would fit their noise too. The weights are
therefore rounded once for every other sample, and the error is judged on the rest, and the other way round: two-fold cross-validation
(Stone 1974, "Cross-validatory choice and assessment of statistical predictions"; for ridges Hoerl and Kennard 1970).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Array
from .base import DAMPING, Moments
from .gptq import gptq

RIDGES = tuple(DAMPING * 4.0**step for step in range(8))
ROWS, GROUPS = 128, 8  # output channels of a group, and groups, that are enough to choose by
FEWEST = 16  # inputs of a weight row: fewer, as of a depthwise convolution, are known well from any number of samples


def steadied(weight: Array, scale: Array, bits: int, found: Moments) -> Moments:
    """`found` with the ridge that weight[G, O/G, K] with steps scale[G, O/G, K] gets; without its halves, which are large.

    The best ridge for half of the samples is halved, for noise falls with their number.
    """
    halves, count = found.halves, weight.shape[2]
    found = replace(found, halves=None)
    if halves is None or found.keep is not None or found.table is not None or count < FEWEST:
        return found
    each, every = max(1, found.groups // GROUPS), max(1, weight.shape[1] // ROWS)
    weight, scale = weight[::each, ::every], scale[::each, ::every]
    halves = some(halves[0], each), some(halves[1], each)
    least, best = np.inf, DAMPING
    for ridge in RIDGES:
        total = 0.0
        for fitted, judge in (halves, halves[::-1]):
            total += unseen(weight, scale * gptq(weight, scale, bits, replace(fitted, ridge=ridge)), judge)
        if total >= least:
            break
        least, best = total, ridge
    return replace(found, ridge=max(best / 2, DAMPING))


def some(found: Moments, each: int) -> Moments:
    """Of every `each`-th group."""
    floor = found.floor[::each] if isinstance(found.floor, np.ndarray) else found.floor
    return replace(found, hessian=found.hessian[::each], cross=found.cross[::each], groups=len(found.hessian[::each]), floor=floor)


def unseen(weight: Array, rounded: Array, judge: Moments) -> float:
    """Squared output error of `rounded` on quantized inputs against weight[G, O/G, K] on real ones, but for what does not depend on `rounded`."""
    return float(((rounded @ judge.hessian - 2 * (weight @ judge.cross)) * rounded).sum())
