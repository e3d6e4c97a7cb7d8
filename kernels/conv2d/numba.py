"""conv2d and dense with Numba: gathered input rows times weight rows, four output channels at a time (SPEC 4)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, accumulator, finish_channels, jit, output
from ..planes import numba as bit_planes
from ..spconv2d.numba import compressed, pays
from ..spconv2d.numba import multiply as multiply_sparse


@jit
def multiply(cols: Array, w: Array, w_zero_point: int, acc: Array) -> None:
    """acc[i, o] = sum over k of cols[i, k] * (w[o, k] - w_zero_point); acc may be int32 and then wraps."""
    pixels, k = cols.shape
    n = w.shape[0]
    zero = acc.dtype.type(0)
    for i in range(pixels):
        row = cols[i]
        inputs = zero
        if w_zero_point != 0:
            for j in range(k):
                inputs = acc.dtype.type(inputs + acc.dtype.type(row[j]))
        o = 0
        while o + 4 <= n:
            w0, w1, w2, w3 = w[o], w[o + 1], w[o + 2], w[o + 3]
            s0, s1, s2, s3 = zero, zero, zero, zero
            for j in range(k):
                x = acc.dtype.type(row[j])
                s0 = acc.dtype.type(s0 + x * acc.dtype.type(w0[j]))
                s1 = acc.dtype.type(s1 + x * acc.dtype.type(w1[j]))
                s2 = acc.dtype.type(s2 + x * acc.dtype.type(w2[j]))
                s3 = acc.dtype.type(s3 + x * acc.dtype.type(w3[j]))
            acc[i, o], acc[i, o + 1], acc[i, o + 2], acc[i, o + 3] = s0, s1, s2, s3
            o += 4
        while o < n:
            wo = w[o]
            s = zero
            for j in range(k):
                s = acc.dtype.type(s + acc.dtype.type(row[j]) * acc.dtype.type(wo[j]))
            acc[i, o] = s
            o += 1
        if w_zero_point != 0:
            for c in range(n):
                acc[i, c] -= w_zero_point * inputs


@jit
def convolve(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, xz: int, wz: int, yz: int, sh: int, sw: int, dh: int, dw: int, top: int,
    left: int, groups: int, code: int, lo: int, hi: int, cols: Array, acc: Array, y: Array, sparse: bool, lists: Array, position: Array, value: Array,
) -> None:  # fmt: skip
    """y[N,OH,OW,O]; cols[OW, KH*KW*C/groups] and acc[OW, O/groups] are work space for one output row of one group.

    `sparse`: the weights that are not zero lie in `lists`, `position`, `value` (spconv2d/numba.py).
    """
    n, h, width, c = x.shape
    kh, kw = w.shape[1], w.shape[2]
    oh, ow = y.shape[1], y.shape[2]
    cg, og = c // groups, w.shape[0] // groups
    sums = np.empty(ow, acc.dtype)
    weights = w.reshape(w.shape[0], kh * kw * cg)
    for image in range(n):
        for oy in range(oh):
            for g in range(groups):
                for ox in range(ow):
                    k = 0
                    for i in range(kh):
                        iy = oy * sh - top + i * dh
                        for j in range(kw):
                            ix = ox * sw - left + j * dw
                            if 0 <= iy < h and 0 <= ix < width:
                                for ch in range(cg):
                                    cols[ox, k + ch] = x[image, iy, ix, g * cg + ch] - xz
                            else:
                                cols[ox, k : k + cg] = 0
                            k += cg
                first, last = g * og, (g + 1) * og
                if sparse:
                    multiply_sparse(np.ascontiguousarray(cols.T), lists[first : last + 1], position, value, sums, acc)
                else:
                    multiply(cols, weights[first:last], wz, acc)
                finish_channels(acc, bias[first:last], multiplier[first:last], shift[first:last], yz, code, lo, hi, y[image, oy, :, first:last])


def work(rounding: str, pixels: int, k: int, n: int) -> tuple[Array, Array]:
    """Gathered inputs (int16 holds an int8 less its zero point; int16 activations have none of it) and sums."""
    return np.empty((pixels, k), np.int16), np.empty((pixels, n), accumulator(rounding))


def conv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    stride: tuple[int, int], dilation: tuple[int, int], pads: tuple[int, int, int, int], groups: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref.conv2d."""
    n, h, width, _ = x.shape
    out, kh, kw, cg = w.shape
    oh = (h + pads[0] + pads[2] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    ow = (width + pads[1] + pads[3] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = output((n, oh, ow, out), rounding)
    few = bit_planes.pays(x, w, x_zero_point, w_zero_point, groups)
    if few is not None and rounding != "i64_15":
        sums = bit_planes.accumulate(x, w, few, x_zero_point, stride, dilation, pads, (oh, ow)).reshape(-1, out)
        finish_channels(sums, bias, multiplier, shift, y_zero_point, CODES[rounding], lo, hi, y.reshape(-1, out))
        return y
    cols, acc = work(rounding, ow, kh * kw * cg, out // groups)
    w = np.ascontiguousarray(w)
    sparse = pays(w, w_zero_point, ow)
    lists = compressed(w.reshape(out, -1) if sparse else w[:0].reshape(0, kh * kw * cg))
    convolve(
        np.ascontiguousarray(x), w, bias, multiplier, shift, x_zero_point, w_zero_point, y_zero_point, *stride, *dilation,
        pads[0], pads[1], groups, CODES[rounding], lo, hi, cols, acc, y,
        sparse, *lists,
    )  # fmt: skip
    return y


def dense(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int, rounding: str,
    lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref.dense: a 1x1 convolution over rows."""
    rows = x.reshape(1, -1, 1, x.shape[-1])
    y = conv2d(
        rows, w.reshape(w.shape[0], 1, 1, w.shape[1]), bias, multiplier, shift, x_zero_point=x_zero_point, w_zero_point=w_zero_point,
        y_zero_point=y_zero_point, stride=(1, 1), dilation=(1, 1), pads=(0, 0, 0, 0), groups=1, rounding=rounding, lo=lo, hi=hi,
    )  # fmt: skip
    return y.reshape(*x.shape[:-1], w.shape[0])
