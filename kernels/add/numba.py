"""add with Numba (SPEC 5)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import Array, jit


@jit
def _add(a: Array, b: Array, za: int, zb: int, zy: int, m1: int, m2: int, shift: int, lo: int, hi: int, y: Array) -> None:
    constant = np.int32((1 << (shift - 1)) - m1 * za - m2 * zb)
    m1, m2 = np.int32(m1), np.int32(m2)
    for i in range(y.size):
        acc = np.int32(np.int32(np.int32(a[i]) * m1) + np.int32(np.int32(b[i]) * m2)) + constant
        y[i] = min(max((np.int32(acc) >> np.int32(shift)) + zy, lo), hi)


def add(a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, m1: int, m2: int, shift: int, lo: int, hi: int) -> Array:
    """As ref.add."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    y = np.empty(shape, np.int8)
    a, b = (np.ascontiguousarray(np.broadcast_to(v, shape)).reshape(-1) for v in (a, b))
    _add(a, b, a_zero_point, b_zero_point, y_zero_point, m1, m2, shift, lo, hi, y.reshape(-1))
    return y
