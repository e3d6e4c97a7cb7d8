"""Depthwise convolution with Numba: every tap adds to the sums of all channels of a pixel (SPEC 4)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, accumulator, finish_channels, jit, output


@jit
def convolve(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, xz: int, wz: int, yz: int, sh: int, sw: int, dh: int, dw: int, top: int,
    left: int, code: int, lo: int, hi: int, acc: Array, y: Array,
) -> None:  # fmt: skip
    """y[N,OH,OW,C*m] with acc[1, C*m] as work space."""
    n, h, width, c = x.shape
    kh, kw, out = w.shape
    depth = out // c
    for image in range(n):
        for oy in range(y.shape[1]):
            for ox in range(y.shape[2]):
                acc[:] = 0
                total = acc[0]
                for i in range(kh):
                    iy = oy * sh - top + i * dh
                    if iy < 0 or iy >= h:
                        continue
                    for j in range(kw):
                        ix = ox * sw - left + j * dw
                        if ix < 0 or ix >= width:
                            continue
                        pixel, taps = x[image, iy, ix], w[i, j]
                        if depth == 1:
                            for k in range(c):
                                value = acc.dtype.type(acc.dtype.type(pixel[k]) - xz) * acc.dtype.type(acc.dtype.type(taps[k]) - wz)
                                total[k] = acc.dtype.type(total[k] + value)
                        else:
                            for k in range(out):
                                value = acc.dtype.type(acc.dtype.type(pixel[k // depth]) - xz) * acc.dtype.type(acc.dtype.type(taps[k]) - wz)
                                total[k] = acc.dtype.type(total[k] + value)
                finish_channels(acc, bias, multiplier, shift, yz, code, lo, hi, y[image, oy, ox : ox + 1])


def dwconv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    stride: tuple[int, int], dilation: tuple[int, int], pads: tuple[int, int, int, int], rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref.dwconv2d."""
    n, h, width, _ = x.shape
    kh, kw, out = w.shape
    oh = (h + pads[0] + pads[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + pads[1] + pads[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = output((n, oh, ow, out), rounding)
    convolve(
        np.ascontiguousarray(x), np.ascontiguousarray(w), bias, multiplier, shift, x_zero_point, w_zero_point, y_zero_point, *stride, *dilation,
        pads[0], pads[1], CODES[rounding], lo, hi, np.empty((1, out), accumulator(rounding)), y,
    )  # fmt: skip
    return y
