"""lut8_channels with Numba (SPEC 7.3)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import Array, jit


@jit
def _lut8_channels(x: Array, tables: Array, which: Array, y: Array) -> None:
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[r, c] = tables[which[c], x[r, c]]


def lut8_channels(x: Array, tables: Array, which: Array) -> Array:
    """As ref.lut8_channels."""
    y = np.empty(x.shape, tables.dtype)
    rows = (-1, x.shape[-1])
    _lut8_channels(np.ascontiguousarray(x).view(np.uint8).reshape(rows), tables, which, y.reshape(rows))
    return y
