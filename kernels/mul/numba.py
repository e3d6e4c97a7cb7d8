"""mul with Numba (SPEC 5)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, finish, jit, output, requantize


@jit
def _mul(a: Array, b: Array, za: int, zb: int, zy: int, multiplier: int, shift: int, code: int, lo: int, hi: int, y: Array) -> None:
    for i in range(y.size):
        acc = np.int64((np.int32(a[i]) - za) * (np.int32(b[i]) - zb))
        y[i] = finish(requantize(acc, multiplier, shift, code), zy, code, lo, hi)


def mul(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, multiplier: int, shift: int, rounding: str, lo: int, hi: int
) -> Array:
    """As ref.mul."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    y = output(shape, rounding)
    a, b = (np.ascontiguousarray(np.broadcast_to(v, shape)).reshape(-1) for v in (a, b))
    _mul(a, b, a_zero_point, b_zero_point, y_zero_point, multiplier, shift, CODES[rounding], lo, hi, y.reshape(-1))
    return y
