"""lut8 with Numba (SPEC 7)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import Array, jit


@jit
def _lut8(x: Array, table: Array, y: Array) -> None:
    for i in range(x.size):
        y[i] = table[x[i]]


def lut8(x: Array, table: Array) -> Array:
    """As ref.lut8."""
    y = np.empty(x.shape, table.dtype)
    _lut8(np.ascontiguousarray(x).view(np.uint8).reshape(-1), table, y.reshape(-1))
    return y
