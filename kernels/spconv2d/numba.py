"""Pruned weights with Numba: the weights that are not zero, channel by channel, each times the gathered inputs of a row of pixels."""

from __future__ import annotations

import numpy as np

from ..numba_requant import Array, jit

LEAST = 0.75  # share of zeros from which on the columns are turned and zeros skipped


def pays(w: Array, w_zero_point: int, pixels: int) -> bool:
    """Whether conv2d should skip the zeros of these weights."""
    return w_zero_point == 0 and pixels >= 4 and w.size - np.count_nonzero(w) >= LEAST * w.size


def compressed(w: Array) -> tuple[Array, Array, Array]:
    """w[O, K] -> first[O + 1], position, value: compressed sparse rows."""
    rows, position = np.nonzero(w)
    first = np.searchsorted(rows, np.arange(len(w) + 1))
    return first, position, w[rows, position]


@jit
def multiply(turned: Array, first: Array, position: Array, value: Array, sums: Array, acc: Array) -> None:
    """acc[i, o] = sum over k of turned[k, i] * w[o, k]; `sums` holds one entry per pixel."""
    for o in range(acc.shape[1]):
        sums[:] = 0
        for at in range(first[o], first[o + 1]):
            x, w = turned[position[at]], sums.dtype.type(value[at])
            for i in range(len(sums)):
                sums[i] += sums.dtype.type(x[i]) * w
        for i in range(len(sums)):
            acc[i, o] = sums[i]
