"""adder2d with Numba (SPEC_lowbit L5): gathered inputs, sums of absolute differences."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, finish_channels, jit, output


@jit
def distances(x: Array, w: Array, border: int, sh: int, sw: int, dh: int, dw: int, top: int, left: int, bias: Array, acc: Array) -> None:
    """acc[N, OH, OW, O] = bias - sum of |x - w|."""
    kh, kw, c = w.shape[1], w.shape[2], w.shape[3]
    column = np.empty((kh, kw, c), np.int32)
    for n in range(acc.shape[0]):
        for oy in range(acc.shape[1]):
            for ox in range(acc.shape[2]):
                for i in range(kh):
                    for j in range(kw):
                        y, z = oy * sh - top + i * dh, ox * sw - left + j * dw
                        inside = 0 <= y < x.shape[1] and 0 <= z < x.shape[2]
                        for k in range(c):
                            column[i, j, k] = x[n, y, z, k] if inside else border
                for o in range(len(w)):
                    total = np.int32(0)
                    for i in range(kh):
                        for j in range(kw):
                            for k in range(c):
                                total += abs(column[i, j, k] - np.int32(w[o, i, j, k]))
                    acc[n, oy, ox, o] = bias[o] - total


def adder2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    stride: tuple[int, int], dilation: tuple[int, int], pads: tuple[int, int, int, int], rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref.adder2d."""
    oh, ow = ((x.shape[1 + i] + pads[i] + pads[i + 2] - dilation[i] * (w.shape[1 + i] - 1) - 1) // stride[i] + 1 for i in (0, 1))
    acc = np.empty((len(x), oh, ow, len(w)), np.int32)
    distances(np.ascontiguousarray(x), np.ascontiguousarray(w), x_zero_point, *stride, *dilation, pads[0], pads[1], bias, acc)
    y = output(acc.shape, rounding)
    nothing = np.zeros_like(bias)
    finish_channels(acc.reshape(-1, len(w)), nothing, multiplier, shift, y_zero_point, CODES[rounding], lo, hi, y.reshape(-1, len(w)))
    return y
