"""bconv2d with Numba: 64 bits at a time (SPEC_lowbit.md L2)."""

from __future__ import annotations

import numpy as np

from ..numba_requant import CODES, Array, finish, jit, output, requantize


@jit
def count_bits(v: int) -> int:
    """Set bits of a uint64."""
    v = v - ((v >> np.uint64(1)) & np.uint64(0x5555555555555555))
    v = (v & np.uint64(0x3333333333333333)) + ((v >> np.uint64(2)) & np.uint64(0x3333333333333333))
    v = (v + (v >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((v * np.uint64(0x0101010101010101)) >> np.uint64(56))


@jit
def sums(x: Array, w: Array, border: Array, channels: int, sh: int, sw: int, dh: int, dw: int, top: int, left: int, zero: bool, acc: Array) -> None:
    """acc[N,OH,OW,O] from words x[N,H,W,B] and w[O,KH,KW,B]."""
    n, h, width, words = x.shape
    for image in range(n):
        for oy in range(acc.shape[1]):
            for ox in range(acc.shape[2]):
                for o in range(w.shape[0]):
                    total = np.int64(0)
                    for i in range(w.shape[1]):
                        for j in range(w.shape[2]):
                            iy, ix = oy * sh - top + i * dh, ox * sw - left + j * dw
                            inside = 0 <= iy < h and 0 <= ix < width
                            if not inside and zero:
                                continue
                            row = x[image, iy, ix] if inside else border
                            different = np.int64(0)
                            for k in range(words):
                                different += count_bits(row[k] ^ w[o, i, j, k])
                            total += channels - 2 * different
                    acc[image, oy, ox, o] = total


@jit
def store(acc: Array, bias: Array, multiplier: Array, shift: Array, fraction: int, code: int, zero_point: int, lo: int, hi: int,
          residual: Array, has_residual: bool, out: Array) -> None:  # fmt: skip
    """Rows of accumulators to outputs."""
    for i in range(acc.shape[0]):
        for c in range(acc.shape[1]):
            v = requantize((acc[i, c] << fraction) + np.int64(bias[c]), np.int64(multiplier[c]), np.int64(shift[c]), code)
            if has_residual:
                v = min(max(v + zero_point, -32768), 32767) + np.int64(residual[i, c])
                out[i, c] = min(max(v, lo), hi)
            else:
                out[i, c] = finish(v, zero_point, code, lo, hi)


def accumulate(x: Array, w: Array, channels: int, stride: tuple[int, int], dilation: tuple[int, int], pads: tuple[int, int, int, int],
               pad_value: int) -> Array:  # fmt: skip
    """int64 sums [N,OH,OW,O] of the binary products."""
    oh, ow = ((x.shape[1 + i] + pads[i] + pads[i + 2] - (w.shape[1 + i] - 1) * dilation[i] - 1) // stride[i] + 1 for i in (0, 1))
    acc = np.empty((x.shape[0], oh, ow, w.shape[0]), np.int64)
    ones = np.zeros(x.shape[-1] * 8, np.uint8)
    ones[:channels] = pad_value > 0
    border = np.packbits(ones, bitorder="little").view(np.uint64)
    words = [np.ascontiguousarray(a).view(np.uint64) for a in (x, w)]
    sums(words[0], words[1], border, channels, *stride, *dilation, pads[0], pads[1], pad_value == 0, acc)
    return acc


def bconv2d(
    x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, *residual: Array, y_zero_point: int, channels: int, stride: tuple[int, int],
    dilation: tuple[int, int], pads: tuple[int, int, int, int], pad_value: int, fraction: int, rounding: str, lo: int, hi: int,
) -> Array:  # fmt: skip
    """As ref_lowbit.bconv2d."""
    acc = accumulate(x, w, channels, stride, dilation, pads, pad_value)
    y = output(acc.shape, rounding)
    flat = y.reshape(-1, y.shape[-1])
    other = residual[0].reshape(flat.shape) if residual else flat
    store(acc.reshape(flat.shape), bias, multiplier, shift, fraction, CODES[rounding], y_zero_point, lo, hi, other, bool(residual), flat)
    return y


def bconv2d_bits(
    x: Array, w: Array, threshold: Array, flip: Array, *, channels: int, stride: tuple[int, int], dilation: tuple[int, int],
    pads: tuple[int, int, int, int], pad_value: int,
) -> Array:  # fmt: skip
    """As ref_lowbit.bconv2d_bits."""
    bits = (accumulate(x, w, channels, stride, dilation, pads, pad_value) >= threshold) != (flip != 0)
    padded = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 64) * 64), np.uint8)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little")
