"""Binary layers and what connects them, normative. Numbers in parentheses are equations of SPEC_lowbit.md.

Bits are packed along channels, least significant first, into rows of whole 64-bit words; a set bit is +1, a clear one -1, and unused bits
are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .ref import ROUNDINGS

Array = npt.NDArray[Any]
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]


def _bits(packed: Array) -> Array:
    """uint8[..., B] -> int64[..., 8 B] of 0 and 1."""
    return np.unpackbits(packed, axis=-1, bitorder="little").astype(np.int64)


def _pack(bits: Array) -> Array:
    """Booleans [..., C] to rows of whole 64-bit words."""
    padded = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 64) * 64), np.uint8)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little")


def _binary_sums(x: Array, w: Array, channels: int, stride: Pair, dilation: Pair, pads: Pads, pad_value: int) -> Array:
    """(L2.1): per tap channels - 2 * popcount(x ^ w); taps in a zero padding add nothing."""
    n, h, width, nbytes = x.shape
    oh, ow = ((x.shape[1 + i] + pads[i] + pads[i + 2] - (w.shape[1 + i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in (0, 1))
    border = _pack(np.full(channels, pad_value > 0))
    padded = np.empty((n, h + pads[0] + pads[2], width + pads[1] + pads[3], nbytes), np.uint8)
    inside = np.zeros(padded.shape[1:3], np.int64)
    padded[...] = border
    padded[:, pads[0] : pads[0] + h, pads[1] : pads[1] + width] = x
    inside[pads[0] : pads[0] + h, pads[1] : pads[1] + width] = 1
    acc = np.zeros((n, oh, ow, w.shape[0]), np.int64)
    for i in range(w.shape[1]):
        for j in range(w.shape[2]):
            rows = slice(i * dilation[0], i * dilation[0] + (oh - 1) * stride[0] + 1, stride[0])
            cols = slice(j * dilation[1], j * dilation[1] + (ow - 1) * stride[1] + 1, stride[1])
            a, b = _bits(padded[:, rows, cols]), _bits(w[:, i, j])
            different = a.sum(axis=-1, keepdims=True) + b.sum(axis=-1) - 2 * (a @ b.T)
            sums = channels - 2 * different
            acc += sums if pad_value else sums * inside[rows, cols][None, :, :, None]
    return acc


def bconv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *residual: Array, y_zero_point: int, channels: int, stride: Pair,
    dilation: Pair, pads: Pads, pad_value: int, fraction: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(L2.2), (L2.3): x bits[N,H,W,B], w bits[O,KH,KW,B] -> int8, or int16 with rounding i64_15, to which a residual may be added."""
    acc = (_binary_sums(x, w, channels, stride, dilation, pads, pad_value) << fraction) + bias
    q = ROUNDINGS[rounding](acc, multiplier.astype(np.int64), shift.astype(np.int64), y_zero_point)
    if rounding != "i64_15":
        return np.clip(q, lo, hi).astype(np.int8)
    for r in residual:
        q = np.clip(q, -(2**15), 2**15 - 1) + r.astype(np.int64)
    return np.clip(q, lo, hi).astype(np.int16)


def bconv2d_bits(
    x: Array, w: Array, threshold: Array, flip: Array, *, channels: int, stride: Pair, dilation: Pair, pads: Pads, pad_value: int
) -> Array:
    """(L2.4): the next layer's bits, (acc >= threshold) != flip per channel."""
    acc = _binary_sums(x, w, channels, stride, dilation, pads, pad_value)
    return _pack((acc >= threshold) != (flip != 0))


def bsign(x: Array, threshold: Array, flip: Array) -> Array:
    """(L2.5): bits of int8 or int16 activations, channels last."""
    return _pack((x.astype(np.int64) >= threshold) != (flip != 0))


def add16(a: Array, b: Array, *, lo: int, hi: int) -> Array:
    """(L3.1): int16 at one scale."""
    return np.clip(a.astype(np.int64) + b, lo, hi).astype(np.int16)


def avg_pool16(x: Array, *, kernel: Pair, stride: Pair) -> Array:
    """(L3.2): the mean of a window rounded down, so that a sign stays what it is."""
    v = np.lib.stride_tricks.sliding_window_view(x.astype(np.int64), kernel, axis=(1, 2))
    v = v[:, :: stride[0], :: stride[1]]
    return (v.sum(axis=(4, 5)) // (kernel[0] * kernel[1])).astype(np.int16)


def rescale16(x: Array, *, y_zero_point: int, multiplier: int, shift: int, lo: int, hi: int) -> Array:
    """(L3.3): int16 to int8."""
    q = ((x.astype(np.int64) * multiplier + (1 << (shift - 1))) >> shift) + y_zero_point
    return np.clip(q, lo, hi).astype(np.int8)


def dense_codes(
    x: Array, codes: Array, codebook: Array, multipliers: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int,
    y_zero_point: int, group: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(L4.1): x[...,K], codes uint8[N, ceil(K/2)] into codebook int8[16], multipliers uint8[N, ceil(K/group)] -> [...,N]."""
    w = codebook.astype(np.int64)[np.stack([codes & 15, codes >> 4], axis=-1).reshape(len(codes), -1)][:, : x.shape[-1]]
    w *= np.repeat(multipliers.astype(np.int64), group, axis=1)[:, : x.shape[-1]]
    acc = (x.astype(np.int64) - x_zero_point) @ w.T + bias
    q = ROUNDINGS[rounding](acc, multiplier.astype(np.int64), shift.astype(np.int64), y_zero_point)
    return np.clip(q, lo, hi).astype(np.int8)


def adder2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *, x_zero_point: int, w_zero_point: int, y_zero_point: int, stride: Pair,
    dilation: Pair, pads: Pads, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(L5.1): x[N,H,W,C], w[O,KH,KW,C] -> [N,OH,OW,O]."""
    padded = np.pad(x.astype(np.int64), ((0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)), constant_values=x_zero_point)
    oh, ow = ((padded.shape[1 + i] - (w.shape[1 + i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in (0, 1))
    acc = np.zeros((len(x), oh, ow, len(w)), np.int64) + bias
    for i in range(w.shape[1]):
        for j in range(w.shape[2]):
            rows = slice(i * dilation[0], i * dilation[0] + (oh - 1) * stride[0] + 1, stride[0])
            cols = slice(j * dilation[1], j * dilation[1] + (ow - 1) * stride[1] + 1, stride[1])
            acc -= np.abs(padded[:, rows, cols, None] - w[:, i, j].astype(np.int64)).sum(axis=-1)
    q = ROUNDINGS[rounding](acc, multiplier.astype(np.int64), shift.astype(np.int64), y_zero_point)
    return np.clip(q, lo, hi).astype(np.int8)
