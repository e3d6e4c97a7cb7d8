"""dense_codes with Numba: a channel's codes are decoded once, for all rows of inputs (SPEC_lowbit L4)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, finish_channels, jit, output


@jit
def multiply(x: Array, x_zero_point: int, codes: Array, codebook: Array, multipliers: Array, group: int, acc: Array) -> None:
    """acc[i, n], int32, which may wrap; x[M, K]."""
    k = x.shape[1]
    w = np.empty(k, np.int32)
    for n in range(acc.shape[1]):
        for j in range(k):
            pair = np.int64(codes[n, j // 2])
            w[j] = np.int32(codebook[(pair >> 4) if j % 2 else (pair & 15)]) * np.int32(multipliers[n, j // group])
        for i in range(len(x)):
            total = np.int32(0)
            for j in range(k):
                total = np.int32(total + (np.int32(x[i, j]) - np.int32(x_zero_point)) * w[j])
            acc[i, n] = total


def dense_codes(
    x: Array, codes: Array, codebook: Array, multipliers: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int,
    y_zero_point: int, group: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref.dense_codes."""
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    acc, y = np.empty((len(rows), len(codes)), np.int32), output((len(rows), len(codes)), rounding)
    multiply(rows, x_zero_point, codes, codebook, multipliers, group, acc)
    finish_channels(acc, bias, multiplier, shift, y_zero_point, CODES[rounding], lo, hi, y)
    return y.reshape(*x.shape[:-1], len(codes))
