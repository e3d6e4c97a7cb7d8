"""Pooling, reductions, normalizations, resizing and matrix products of imported operators, normative, in NumPy int64.

Same rules as ref.py. Numbers in parentheses are sections of SPEC_tflite.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import ref_tflite_fixed as fixed
from .ref import windows

Array = npt.NDArray[Any]
Pair = tuple[int, int]


def tfl_avg_pool(
    x: Array, *, kernel: Pair, stride: Pair, pads: tuple[int, int, int, int], offset: int, lo: int, hi: int
) -> Array:  # fmt: skip
    """(T11): the mean of x + offset over the window's elements inside of the input, ties away from zero."""
    total = windows(x.astype(np.int64) + offset, kernel, stride, (1, 1), pads, 0).sum(axis=(3, 4))
    count = windows(np.ones_like(x[:1, :, :, :1]), kernel, stride, (1, 1), pads, 0).sum(axis=(3, 4))
    half = count >> 1
    mean = np.where(total > 0, (total + half) // count, -((half - total) // count))
    return np.clip(mean - offset, lo, hi).astype(x.dtype)


def tfl_max_pool(x: Array, *, kernel: Pair, stride: Pair, pads: tuple[int, int, int, int], lo: int, hi: int) -> Array:
    """MAX_POOL_2D of any integers, whatever the scales say; padding never wins."""
    v = windows(x, kernel, stride, (1, 1), pads, np.iinfo(x.dtype).min)
    return np.clip(v.max(axis=(3, 4)), lo, hi).astype(x.dtype)


def tfl_sum(
    x: Array, *, x_zero_point: int, y_zero_point: int, axes: tuple[int, ...], multiplier: int, shift: int, as_bytes: bool, lo: int, hi: int,
    out_shape: tuple[int, ...],
) -> Array:  # fmt: skip
    """(T12): `as_bytes` reads and clamps as LiteRT's reference SUM of int8 does, as if the bytes were unsigned."""
    raw = x.view(np.uint8).astype(np.int64) if as_bytes else x.astype(np.int64)
    acc = (raw - x_zero_point).sum(axis=axes).reshape(out_shape)
    y = fixed.scale31(acc, multiplier, shift) + y_zero_point
    if as_bytes:
        return np.clip(y, 0, 255).astype(np.uint8).view(np.int8)
    return np.clip(y, lo, hi).astype(x.dtype)


def tfl_reduce(x: Array, *, axes: tuple[int, ...], kind: str, out_shape: tuple[int, ...]) -> Array:
    """The largest or smallest integer over axes."""
    return np.asarray(x.max(axis=axes) if kind == "max" else x.min(axis=axes)).reshape(out_shape)


def tfl_arg(x: Array, *, axis: int, kind: str) -> Array:
    """The first position of the extremum, as int32."""
    return np.asarray(x.argmax(axis) if kind == "max" else x.argmin(axis)).astype(np.int32)


def tfl_softmax(x: Array, table: Array, *, y_dtype: str) -> Array:
    """(T18): table[d] = exp in Q0 of a difference -d; the sum in Q12, its reciprocal, a rounded product."""
    d = x.astype(np.int64).max(axis=-1, keepdims=True) - x
    e = table.astype(np.int64)[d]
    total = fixed.shift_right(e, 12).sum(axis=-1, keepdims=True)
    scale, bits = fixed.reciprocal(total, 12)
    info = np.iinfo(y_dtype)
    y = fixed.shift_right(fixed.high_mul(scale, e), bits + 31 - info.bits) + info.min
    return np.clip(y, info.min, info.max).astype(y_dtype)


def tfl_softmax16(x: Array, exp: Array, inverse: Array) -> Array:
    """(T19): exp[d] of a difference -d in Q0.15, `inverse` holds samples of 1 / (1 + v)."""
    d = x.astype(np.int64).max(axis=-1, keepdims=True) - x
    e = exp.astype(np.int64)[d]
    total = e.sum(axis=-1, keepdims=True)
    zeros = fixed.leading_zeros(total)
    shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
    position = np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767)
    table = inverse.astype(np.int64)
    index = 256 + (position >> 7)
    slope = (table[index + 1] - table[index]).astype(np.int16).astype(np.int64)
    scale = (table[index] + ((slope * (position & 127) + 64) >> 7)).astype(np.int16).astype(np.int64)
    right = 31 - zeros
    return np.clip((e * scale + ((1 << right) >> 1)) >> right, 0, 32767).astype(np.int16)


def tfl_log_softmax(x: Array, table: Array, differences: Array, *, radius: int, multiplier: int, shift: int) -> Array:
    """(T20): differences[d] is -d in Q5; minus the logarithm of the sum of exponentials, in sixteenths below 127."""
    d = x.astype(np.int64).max(axis=-1, keepdims=True) - x
    total = fixed.shift_right(table.astype(np.int64)[d], 12).sum(axis=-1, keepdims=True)
    log = fixed.log_of_at_least_one(total, 12, 5)
    lowest = np.maximum(-radius - 1, fixed.scale31(fixed.wrap32(log - 2**31), multiplier, shift))
    y = fixed.shift_right(fixed.wrap32(differences.astype(np.int64)[d] - log), 22) + 127
    return np.where(-d > lowest, np.clip(y, -128, 127), -128).astype(np.int8)


def tfl_l2_normalization(x: Array, *, zero_point: int, early: bool) -> Array:
    """(T21): differences times 128 / sqrt(sum of squares); `early` multiplies by 128 before the rounding, as the uint8 kernel does."""
    d = x.astype(np.int64) - zero_point
    squares = (d * d).sum(axis=-1)
    pairs = np.array([fixed.inverse_sqrt(int(s)) for s in squares.reshape(-1)], np.int64).reshape(*squares.shape, 1, 2)
    y = fixed.scale31(d << 7, pairs[..., 0], -pairs[..., 1]) if early else fixed.scale31(d, pairs[..., 0], 7 - pairs[..., 1])
    return np.clip(y, -128, 127).astype(np.int8)


def tfl_resize_bilinear(x: Array, rows: Array, cols: Array) -> Array:
    """(T22): rows and cols hold (first, second, weight of the second in 1/1024) per output line; ties away from zero."""
    v = x.astype(np.int64)
    (y0, y1, fy), (x0, x1, fx) = rows.astype(np.int64).T, cols.astype(np.int64).T
    fy, fx = fy[:, None, None], fx[:, None]
    top = v[:, y0][:, :, x0] * (1024 - fx) + v[:, y0][:, :, x1] * fx
    low = v[:, y1][:, :, x0] * (1024 - fx) + v[:, y1][:, :, x1] * fx
    acc = top * (1024 - fy) + low * fy
    return (np.sign(acc) * ((np.abs(acc) + (1 << 19)) >> 20)).astype(x.dtype)


def tfl_batch_matmul(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, adj_a: bool, adj_b: bool, multiplier: int, shift: int,
    rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(T23): matrix products over the last two axes, the others broadcast."""
    p, q = a.astype(np.int64) - a_zero_point, b.astype(np.int64) - b_zero_point
    acc = (np.swapaxes(p, -1, -2) if adj_a else p) @ (np.swapaxes(q, -1, -2) if adj_b else q)
    y = fixed.scale15(acc, multiplier, shift) if rounding == "i64_15" else fixed.scale31(acc, multiplier, shift)
    return np.clip(y + y_zero_point, lo, hi).astype(a.dtype)


def tfl_cast(x: Array, *, offset: int, y_dtype: str) -> Array:
    """An int32 to a narrower type, modulo its width, or to int64; `offset` is what the file's values have over the graph's."""
    bits = np.iinfo(y_dtype).bits
    if bits == 64:
        return x.astype(np.int64) - offset
    v = x.astype(np.int64) & ((1 << bits) - 1)
    return (v - offset if offset else v).astype(y_dtype)


def tfl_gather(x: Array, index: Array, *, axis: int, batch_dims: int) -> Array:
    """Positions along one axis chosen while running; an index outside counts as the nearest one inside."""
    index = np.clip(index.astype(np.int64), 0, x.shape[axis] - 1)
    if batch_dims == 0:
        return np.take(x, index, axis)
    outer = x.shape[:batch_dims]
    parts = [
        np.take(p, i, axis - batch_dims)
        for p, i in zip(x.reshape(-1, *x.shape[batch_dims:]), index.reshape(-1, *index.shape[batch_dims:]), strict=True)
    ]
    return np.stack(parts).reshape(*outer, *parts[0].shape)


def tfl_conv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int,
    stride: Pair, dilation: Pair, pads: tuple[int, int, int, int], groups: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(T25): x[N,H,W,C], w[O,KH,KW,C/groups] -> [N,OH,OW,O] with a 64-bit accumulator; the layers that conv2d and its kin have no rounding for."""
    v = windows(x, (w.shape[1], w.shape[2]), stride, dilation, pads, x_zero_point) - x_zero_point
    n, oh, ow, kh, kw, c = v.shape
    v = v.reshape(n, oh, ow, kh, kw, groups, c // groups)
    k = w.astype(np.int64).reshape(groups, w.shape[0] // groups, kh, kw, c // groups) - w_zero_point
    acc = np.einsum("nhwyxgc,goyxc->nhwgo", v, k, optimize=True).reshape(n, oh, ow, w.shape[0]) + bias
    scaling = {"i64_15": fixed.scale15, "q31_double": fixed.scale31, "float64": fixed.scale_float64}[rounding]
    return np.clip(scaling(acc, multiplier, shift) + y_zero_point, lo, hi).astype(x.dtype)
