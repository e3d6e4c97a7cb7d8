"""conv2d by bit planes with Numba, where weights and inputs have few levels: those that the arrays at hand have (SPEC_lowbit.md L6)."""

from __future__ import annotations

import numpy as np

from ..bconv2d.numba import count_bits
from ..numba_requant import Array, jit

PAIRS = 2  # of planes, at most: with more, products of int8 are faster
LEAST = 32  # channels
SAMPLE = 512  # weights that tell most other layers apart


def levels(values: Array) -> tuple[int, int, int]:
    """(low, step, bits) of int8 values: all are low + step * c, 0 <= c < 2^bits."""
    found = np.flatnonzero(np.bincount(values.reshape(-1).view(np.uint8), minlength=256)).astype(np.uint8).view(np.int8)
    found = np.sort(found).astype(np.int64)
    step = int(np.gcd.reduce(np.diff(found))) if len(found) > 1 else 1
    return int(found[0]), step, max(1, (int(found[-1] - found[0]) // step).bit_length())


def pays(x: Array, w: Array, x_zero_point: int, w_zero_point: int, groups: int) -> tuple[tuple[int, int, int], tuple[int, int]] | None:
    """Levels of the weights, and (low, bits) of the inputs with their zero point among them; None where planes do not pay."""
    if groups != 1 or w_zero_point or w.shape[-1] < LEAST or x.dtype != np.int8 or not x.size:
        return None
    if len(np.unique(w.reshape(-1)[:SAMPLE])) > 2**PAIRS:
        return None
    line = levels(w)
    if line[2] > PAIRS:
        return None
    low, high = min(int(x.min()), x_zero_point), max(int(x.max()), x_zero_point)
    bits = max(1, (high - low).bit_length())
    return (line, (low, bits)) if line[2] * bits <= PAIRS else None


def planes(codes: Array, bits: int) -> Array:
    """[..., C] of 0 .. 2^bits - 1 -> uint64[bits, ..., ceil(C / 64)]."""
    wide = np.zeros((*codes.shape[:-1], -(-codes.shape[-1] // 64) * 64), np.uint8)
    wide[..., : codes.shape[-1]] = codes
    return np.stack([np.packbits(wide >> m & 1, axis=-1, bitorder="little").view(np.uint64) for m in range(bits)])


@jit
def counts(u: Array, c: Array, totals: Array, low: int, step: int, sh: int, sw: int, dh: int, dw: int, acc: Array) -> None:
    """acc[N,OH,OW,O] = step * sum of 2^(m+k) popcount(u_m & c_k) + low * sum of inputs: u[bits,N,H,W,B] padded, c[bits,O,KH,KW,B], totals[N,H,W]."""
    for image in range(acc.shape[0]):
        for oy in range(acc.shape[1]):
            for ox in range(acc.shape[2]):
                inputs = np.int64(0)
                for i in range(c.shape[2]):
                    for j in range(c.shape[3]):
                        inputs += totals[image, oy * sh + i * dh, ox * sw + j * dw]
                for o in range(c.shape[1]):
                    total = np.int64(0)
                    for i in range(c.shape[2]):
                        for j in range(c.shape[3]):
                            for m in range(u.shape[0]):
                                row = u[m, image, oy * sh + i * dh, ox * sw + j * dw]
                                for k in range(c.shape[0]):
                                    both = np.int64(0)
                                    for b in range(len(row)):
                                        both += count_bits(row[b] & c[k, o, i, j, b])
                                    total += both << (m + k)
                    acc[image, oy, ox, o] = step * total + low * inputs


def accumulate(
    x: Array, w: Array, found: tuple[tuple[int, int, int], tuple[int, int]], x_zero_point: int, stride: tuple[int, int], dilation: tuple[int, int],
    pads: tuple[int, int, int, int], size: tuple[int, int],
) -> Array:  # fmt: skip
    """int64 sums [N,OH,OW,O] of (x - zero point) * w, exactly."""
    (low, step, w_bits), (x_low, x_bits) = found
    u = np.pad(x.astype(np.int16) - x_low, ((0, 0), (pads[0], pads[2]), (pads[1], pads[3]), (0, 0)), constant_values=x_zero_point - x_low)
    acc = np.empty((len(x), *size, len(w)), np.int64)
    c = (w.astype(np.int16) - low) // step
    counts(planes(u, x_bits), planes(c, w_bits), u.sum(axis=-1, dtype=np.int64), low, step, *stride, *dilation, acc)
    return acc + (x_low - x_zero_point) * w.astype(np.int64).reshape(len(w), -1).sum(axis=1)
