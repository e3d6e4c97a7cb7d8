"""The arithmetic of intq, normative: one short NumPy function per op, in int64. Numbers in parentheses are equations of SPEC.md.

Every function takes the node's input arrays in order, then its attributes and zero points by keyword, and returns the output.
Never optimised. Whatever differs from it is wrong.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]

# ---------------------------------------------------------------------------------------------------- requantization (SPEC 3)


def q15(acc: Array, multiplier: Array, shift: Array, zero_point: int) -> Array:
    """(3.2): to 16 bits by a shift, 15-bit multiplier with rounding, zero point in 1/64 steps, to integers by a shift."""
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    t = np.clip(((acc + ((1 << right) >> 1)) << left) >> right, -(2**15), 2**15 - 1)
    m = (t * multiplier + 2**14) >> 15
    return np.clip(m + 64 * zero_point + 32, -(2**15), 2**15 - 1) >> 6


def power_of_two(acc: Array, multiplier: Array, shift: Array, zero_point: int) -> Array:
    """(3.3): a rounding shift right, no multiplier."""
    del multiplier
    return ((acc + ((1 << -shift) >> 1)) >> -shift) + zero_point


def q31_single(acc: Array, multiplier: Array, shift: Array, zero_point: int) -> Array:
    """(3.4): 64-bit product, one rounding."""
    s = 31 - shift
    return ((acc * multiplier + (1 << (s - 1))) >> s) + zero_point


def doubling_high_multiply(a: Array, b: Array) -> Array:
    """(3.5): a * b / 2^31 rounded to nearest, ties up; gemmlowp's SaturatingRoundingDoublingHighMul but for its one saturating case."""
    return (a * b + 2**30) >> 31


def rounding_shift(x: Array, right: Array) -> Array:
    """(3.6): x / 2^right rounded to nearest, ties away from zero; gemmlowp's RoundingDivideByPOT."""
    mask = (1 << right) - 1
    return (x >> right) + ((x & mask) > (mask >> 1) + (x < 0))


def q31_double(acc: Array, multiplier: Array, shift: Array, zero_point: int) -> Array:
    """(3.7): doubling high multiply, then a rounding shift: two roundings."""
    high = doubling_high_multiply(acc << np.maximum(shift, 0), multiplier)
    return rounding_shift(high, np.maximum(-shift, 0)) + zero_point


def i64_15(acc: Array, multiplier: Array, shift: Array, zero_point: int) -> Array:
    """(3.8): 64-bit accumulator, the multiplier cut to 15 bits, one rounding; TFLite's rule for 16-bit activations."""
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    s = 15 - shift
    return ((acc * reduced + (1 << (s - 1))) >> s) + zero_point


ROUNDINGS = {"q15": q15, "shift": power_of_two, "q31_single": q31_single, "q31_double": q31_double, "i64_15": i64_15}


def requantize(acc: Array, multiplier: Array, shift: Array, zero_point: int, rounding: str, lo: int, hi: int) -> Array:
    """(3.1): int64 accumulators with bias, channels last, to int8 (int16 for i64_15), clamped to [lo, hi]."""
    q = ROUNDINGS[rounding](acc, multiplier.astype(np.int64), shift.astype(np.int64), zero_point)
    return np.clip(q, lo, hi).astype(np.int16 if rounding == "i64_15" else np.int8)


# ------------------------------------------------------------------------------------------------------------- products (SPEC 4)


def windows(x: Array, kernel: Pair, stride: Pair, dilation: Pair, pads: Pads, border: int) -> Array:
    """int64 [N, OH, OW, KH, KW, C]: the input windows of a convolution or pooling over NHWC, with a border value outside."""
    top, left, bottom, right = pads
    x = np.pad(x.astype(np.int64), ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=border)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(1, 2))
    views = views[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return np.moveaxis(views, 3, 5)


def conv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    stride: Pair, dilation: Pair, pads: Pads, groups: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(4.1): x[N,H,W,C], w[O,KH,KW,C/groups] -> [N,OH,OW,O]."""
    v = windows(x, (w.shape[1], w.shape[2]), stride, dilation, pads, x_zero_point) - x_zero_point
    n, oh, ow, kh, kw, c = v.shape
    v = v.reshape(n, oh, ow, kh, kw, groups, c // groups)
    k = w.astype(np.int64).reshape(groups, w.shape[0] // groups, kh, kw, c // groups) - w_zero_point
    acc = np.einsum("nhwyxgc,goyxc->nhwgo", v, k, optimize=True).reshape(n, oh, ow, w.shape[0])
    return requantize(acc + bias, multiplier, shift, y_zero_point, rounding, lo, hi)


def dwconv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    stride: Pair, dilation: Pair, pads: Pads, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(4.2): x[N,H,W,C], w[KH,KW,C*m] -> [N,OH,OW,C*m]; output channel c*m + j reads input channel c."""
    v = windows(x, (w.shape[0], w.shape[1]), stride, dilation, pads, x_zero_point) - x_zero_point
    v = np.repeat(v, w.shape[2] // x.shape[3], axis=5)
    acc = (v * (w.astype(np.int64) - w_zero_point)).sum(axis=(3, 4))
    return requantize(acc + bias, multiplier, shift, y_zero_point, rounding, lo, hi)


def dense(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(4.3): x[...,K], w[N,K] -> [...,N]."""
    acc = (x.astype(np.int64) - x_zero_point) @ (w.astype(np.int64) - w_zero_point).T
    return requantize(acc + bias, multiplier, shift, y_zero_point, rounding, lo, hi)


# ----------------------------------------------------------------------------------------------- elementwise and pooling (SPEC 5, 6)


def add(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, m1: int, m2: int, shift: int, lo: int, hi: int
) -> Array:
    """(5.1): two scaled differences, one rounding. A negative m2 subtracts."""
    acc = m1 * (a.astype(np.int64) - a_zero_point) + m2 * (b.astype(np.int64) - b_zero_point)
    return np.clip(((acc + (1 << (shift - 1))) >> shift) + y_zero_point, lo, hi).astype(np.int8)


def mul(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, multiplier: int, shift: int, rounding: str, lo: int, hi: int
) -> Array:
    """(5.2)"""
    acc = (a.astype(np.int64) - a_zero_point) * (b.astype(np.int64) - b_zero_point)
    return requantize(acc, np.array(multiplier), np.array(shift), y_zero_point, rounding, lo, hi)


def avg_pool(
    x: Array, multiplier: Array, shift: Array, *, x_zero_point: int, y_zero_point: int, kernel: Pair, stride: Pair, pads: Pads,
    divisors: tuple[int, ...], count_include_pad: bool, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(6.1): the sum over the window; its element count picks one entry of multiplier and shift."""
    acc = (windows(x, kernel, stride, (1, 1), pads, x_zero_point) - x_zero_point).sum(axis=(3, 4))
    ones = windows(np.ones_like(x[:1, :, :, :1]), kernel, stride, (1, 1), pads, 1 if count_include_pad else 0).sum(axis=(3, 4))
    which = np.searchsorted(np.array(divisors), ones)
    return requantize(acc, multiplier[which], shift[which], y_zero_point, rounding, lo, hi)


def max_pool(x: Array, *, kernel: Pair, stride: Pair, pads: Pads, lo: int, hi: int) -> Array:
    """(6.2): padding never wins."""
    v = windows(x, kernel, stride, (1, 1), pads, np.iinfo(x.dtype).min)
    return np.clip(v.max(axis=(3, 4)), lo, hi).astype(x.dtype)


def mean(
    x: Array, multiplier: Array, shift: Array, *, x_zero_point: int, y_zero_point: int, axes: tuple[int, ...], rounding: str, lo: int, hi: int,
    out_shape: tuple[int, ...],
) -> Array:  # fmt: skip
    """(6.3): the sum over axes; the divisor is part of the multiplier."""
    acc = (x.astype(np.int64) - x_zero_point).sum(axis=axes).reshape(out_shape)
    return requantize(acc, multiplier, shift, y_zero_point, rounding, lo, hi)


def standardize(
    x: Array, *, y_zero_point: int, axes: tuple[int, ...], multiplier: int, shift: int, epsilon: int, lo: int, hi: int
) -> Array:
    """(6.4): less the mean, over the deviation."""
    v = x.astype(np.int64)
    n = math.prod(x.shape[axis] for axis in axes)
    total = v.sum(axis=axes, keepdims=True)
    spread = n * (v * v).sum(axis=axes, keepdims=True) - total**2 + epsilon
    factors = np.array([standard_factor(int(d), multiplier, shift) for d in spread.reshape(-1)], np.int64).reshape(*spread.shape, 2)
    f, s = factors[..., 0], factors[..., 1]
    return np.clip((((n * v - total) * f + (1 << (s - 1))) >> s) + y_zero_point, lo, hi).astype(np.int8)


def standard_factor(spread: int, multiplier: int, shift: int) -> tuple[int, int]:
    """f and s of (6.4)."""
    if spread == 0:
        return 0, 1
    pairs = (62 - spread.bit_length()) // 2
    inverse = 2**61 // math.isqrt(spread << 2 * pairs)
    return (inverse * multiplier + 2**30) >> 31, min(61 - pairs - shift, 62)


# ---------------------------------------------------------------------------------------------------- tables, data movement (SPEC 7, 8)


def lut8(x: Array, table: Array) -> Array:
    """(7.1): any function of one byte; the table is indexed by the raw byte."""
    return table[x.view(np.uint8)]


def lut8_channels(x: Array, tables: Array, which: Array) -> Array:
    """(7.3): channel c of the last axis goes through tables[which[c]]; tables[G, 256], which[C]."""
    return tables[which, x.view(np.uint8)]


def softmax(x: Array, table: Array, *, bits: int = 8) -> Array:
    """(7.2): e = table[max - x], rounded division by the sum, scale 2^-bits, zero point -128."""
    e = table.astype(np.int64)[x.astype(np.int64).max(axis=-1, keepdims=True) - x]
    total = e.sum(axis=-1, keepdims=True)
    return np.minimum(((e << bits) + (total >> 1)) // total - 128, 127).astype(np.int8)


def concat(*inputs: Array, axis: int) -> Array:
    return np.concatenate(inputs, axis)


def pad(x: Array, *, before: tuple[int, ...], after: tuple[int, ...], value: int) -> Array:
    return np.pad(x, list(zip(before, after, strict=True)), constant_values=value)


def slice(x: Array, *, begin: tuple[int, ...], step: tuple[int, ...], out_shape: tuple[int, ...]) -> Array:
    """Element i of an axis is x[begin + i * step]; steps may be negative."""
    index = np.ix_(*[b + np.arange(n) * s for b, s, n in zip(begin, step, out_shape, strict=True)])
    return x[index]


def reshape(x: Array, *, out_shape: tuple[int, ...]) -> Array:
    return x.reshape(out_shape)


def transpose(x: Array, *, perm: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(x.transpose(perm))


def gather(x: Array, index: Array, *, axis: int) -> Array:
    """(8.1): a constant list of positions along one axis."""
    return np.take(x, index, axis)


def resize_nearest(x: Array, rows: Array, cols: Array) -> Array:
    """(8.2): y[n,i,j,c] = x[n,rows[i],cols[j],c]."""
    return x[:, rows][:, :, cols]


# ------------------------------------------------------------------------------------------------------------------- the edge (SPEC 2)


def quantize(x: Array, *, scale: float, zero_point: int, dtype: str) -> Array:
    """(2.1): float32 multiplication by the float32 inverse of the scale, ties to even, clamp."""
    info = np.iinfo(dtype)
    q = np.rint(x.astype(np.float32) * (np.float32(1) / np.float32(scale))) + np.float32(zero_point)
    return np.clip(q, info.min, info.max).astype(dtype)


def dequantize(q: Array, *, scale: float, zero_point: int) -> Array:
    """(2.2)"""
    return np.float32(scale) * (q.astype(np.int64) - zero_point).astype(np.float32)
