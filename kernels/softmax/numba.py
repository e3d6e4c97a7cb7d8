"""softmax with Numba (SPEC 7)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import Array, jit


@jit
def _softmax(x: Array, table: Array, bits: int, y: Array) -> None:
    rows, cols = x.shape
    for r in range(rows):
        top = -128
        for i in range(cols):
            top = max(top, np.int64(x[r, i]))
        total = 0
        for i in range(cols):
            total += table[top - x[r, i]]
        for i in range(cols):
            y[r, i] = min(((np.int64(table[top - x[r, i]]) << bits) + (total >> 1)) // total - 128, 127)


def softmax(x: Array, table: Array, *, bits: int = 8) -> Array:
    """As ref.softmax."""
    y = np.empty(x.shape, np.int8)
    _softmax(np.ascontiguousarray(x).reshape(-1, x.shape[-1]), table, bits, y.reshape(-1, x.shape[-1]))
    return y
