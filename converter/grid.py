"""Weights on a grid of few steps, as DoReFa-Net, TWN, XNOR-Net and their kin train them: they are integers times a factor, so no rounding is needed.

Zhou et al. 2016 (arXiv:1606.06160), equation 9: a weight of w bits is a factor times (2c - (2^w - 1)) / (2^w - 1), c = 0 .. 2^w - 1.
"""

from __future__ import annotations

import numpy as np

from .ir import Array

STEPS = 15  # at most, from 0 to the largest weight of a channel
CLOSE = 1e-3  # of a step: weights of one channel lie on the grid up to this (a batch norm was folded in float32)
LEAST = 16  # weights of a channel: fewer lie on some grid by chance


def grid_steps(rows: Array) -> int | None:
    """The least d <= STEPS for which every weight of rows[O, K] is a multiple of 1/d of its row's largest; None where there is none."""
    if rows.ndim != 2 or rows.shape[1] < LEAST:
        return None
    top = np.abs(rows).max(axis=1, keepdims=True)
    top = np.where(top > 0, top, 1)

    def fits(part: slice, steps: int) -> bool:
        share = rows[part] / top[part] * steps
        return bool(np.all(np.abs(share - np.rint(share)) < CLOSE))

    few, whole = slice(0, 4), slice(None)  # nearly every layer shows in a few rows that it is on no grid
    return next((d for d in range(1, STEPS + 1) if fits(few, d) and fits(whole, d)), None)


def grid_scale(rows: Array, steps: int) -> Array:
    """Scale[O] at which weights of that grid are integers, as large as int8 allows so that the bias is fine enough."""
    return np.asarray(np.abs(rows).max(axis=1) / (steps * (127 // steps)))
