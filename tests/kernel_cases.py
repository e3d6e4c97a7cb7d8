"""Builds the C parameters of gemm, finish, conv2d and dwconv2d from NumPy arrays, and the plain int64 results they must equal."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from intq.kernels.table import Row, ffi, table
from intq.memory import SLACK

FLAG_NO_MIN_WEIGHT, FLAG_UNSIGNED_A, FLAG_NARROW_PANELS = 1, 2, 8
ROUNDINGS = ("q15", "shift", "q31_single", "q31_double")


def usable(op: str, variant: str | None = None) -> list[Row]:
    """Rows of an op that this machine can run."""
    from intq.kernels.table import isas

    known = isas()
    return [r for r in table() if r.c is not None and r.op == op and variant in (None, r.variant) and known[r.isa][0]]


def buffer(array: np.ndarray) -> tuple[Any, np.ndarray]:
    """A 64-byte aligned copy with slack behind it (filled with a value that would show), and the view of the copy."""
    data = np.full(array.nbytes + SLACK + 64, 0x55, np.uint8)
    start = -data.ctypes.data % 64
    view = data[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    view[...] = array
    return data, view


def pointer(ctype: str, view: np.ndarray) -> Any:
    return ffi.cast(ctype, view.ctypes.data)


@dataclass
class Requant:
    """Parameters of one rounding. `bias` holds r for q15, as in the C struct."""

    rounding: str
    bias: np.ndarray
    mult: np.ndarray
    left: np.ndarray
    right: np.ndarray
    zero_point: int
    lo: int = -128
    hi: int = 127

    def apply(self, acc: np.ndarray) -> np.ndarray:
        """SPEC 3 in int64: acc[..., channels], without bias, to int8 values."""
        wrap = lambda v: v.astype(np.uint64).astype(np.uint32).astype(np.int32).astype(np.int64)  # noqa: E731
        m, left, right = (v.astype(np.int64) for v in (self.mult, self.left, self.right))
        half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
        x = wrap(acc + self.bias)
        if self.rounding == "q15":
            t = np.clip(wrap(x << left) >> right, -32768, 32767)
            v = np.clip(((t * m + (1 << 14)) >> 15) + 64 * self.zero_point + 32, -32768, 32767) >> 6
            return np.clip(v, self.lo, self.hi).astype(np.int8)
        if self.rounding == "shift":
            v = wrap(wrap(x + half) << left) >> right
        elif self.rounding == "q31_single":
            v = (x * m + half) >> right
        else:
            ab = wrap(x << left) * m
            ab = ab + np.where(ab >= 0, 1 << 30, 1 - (1 << 30))
            high = np.where(ab >= 0, ab >> 31, -((-ab) >> 31))
            mask = (np.int64(1) << right) - 1
            v = (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))
        return np.clip(v + self.zero_point, self.lo, self.hi).astype(np.int8)

    def struct(self, keep: list[Any]) -> Any:
        """intq_requant, padded to 64 channels; what it points at is appended to `keep`."""
        n = -(-len(self.bias) // 64) * 64
        rq = ffi.new("intq_requant *")
        keep.append(rq)
        for name in ("bias", "mult", "left", "right"):
            padded = np.zeros(n, np.int32)
            padded[: len(self.bias)] = getattr(self, name)
            data, view = buffer(padded)
            keep.append((data, view))
            setattr(rq, name, pointer("int32_t *", view))
        rq.zero_point, rq.lo, rq.hi, rq.any_left = self.zero_point, self.lo, self.hi, int((self.left > 0).any())
        return rq


def requant(rng: np.random.Generator, rounding: str, channels: int, span: float, wide: bool = False, zero_point: int | None = None) -> Requant:
    """Random parameters that map accumulators within +-span to about the whole int8 range; `wide` spreads them over 32 times more both ways."""
    scale = 127 / span * 2.0 ** rng.uniform(-5 if wide else -1, 5 if wide else 1, channels)
    bias = rng.integers(-int(span) - 1, int(span) + 2, channels)
    left, right = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    fraction, exponent = np.frexp(scale * 64 if rounding == "q15" else scale)
    if rounding == "q15":
        mult = np.minimum(np.rint(fraction * 32768), 32767)
        left, right = np.maximum(exponent, 0), np.maximum(-exponent, 0)
        bias = bias + np.where(right > 0, 1 << np.maximum(right - 1, 0), 0)
    else:
        mult = np.minimum(np.rint(fraction * 2.0**31), 2**31 - 1)
        if rounding == "q31_single":
            right = np.clip(31 - exponent, 1, 62)
        else:
            left, right = np.clip(exponent, 0, 6), np.clip(-exponent, 0, 31)
    lo, hi = ((-128, 127), (-128, 127), (-100, 90), (-5, 6))[rng.integers(4)]
    if zero_point is None:
        zero_point = int(rng.choice([-128, 127, 0, rng.integers(-128, 128)]))
    return Requant(rounding, *(np.asarray(v).astype(np.int32) for v in (bias, mult, left, right)), zero_point, lo, hi)


def values(rng: np.random.Generator, kind: str, shape: tuple[int, ...], low: int = -128) -> np.ndarray:
    """int8 test data: random over the range, constant at one end, or only the ends."""
    if kind == "ends":
        return rng.choice(np.array([low, 127], np.int8), shape)
    if kind == "random":
        return rng.integers(low, 128, shape, dtype=np.int8)
    return np.full(shape, max(low, int(kind)), np.int8)


def pack(b: np.ndarray, nr: int, kr: int, ku: int) -> np.ndarray:
    """b[segs][k][n <= nr] to one panel [segs][k padded/kr][nr][kr]."""
    segs, k, n = b.shape
    full = np.zeros((segs, -(-k // ku) * ku, nr), np.int8)
    full[:, :k, :n] = b
    return np.ascontiguousarray(full.reshape(segs, -1, kr, nr).transpose(0, 1, 3, 2))


@dataclass
class Conv:
    """Shape of a convolution; `depth` is the channel multiplier of a depthwise one (then groups is not used)."""

    n: int
    h: int
    w: int
    c: int
    oc: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, left, bottom, right
    groups: int = 1
    depthwise: bool = False

    @property
    def out(self) -> tuple[int, int]:
        def length(size: int, i: int) -> int:
            return (size + self.pads[i] + self.pads[i + 2] - self.dilation[i] * (self.kernel[i] - 1) - 1) // self.stride[i] + 1

        return length(self.h, 0), length(self.w, 1)

    def accumulate(self, x: np.ndarray, w: np.ndarray, xz: int, wz: int) -> np.ndarray:
        """int64 accumulators [n, oh, ow, oc], zero points included."""
        (oh, ow), (top, left, bottom, right) = self.out, self.pads
        padded = np.pad(x.astype(np.int64) - xz, ((0, 0), (top, bottom), (left, right), (0, 0)))
        weights = w.astype(np.int64) - wz
        acc = np.zeros((self.n, oh, ow, self.oc), np.int64)
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                y0, x0 = i * self.dilation[0], j * self.dilation[1]
                part = padded[:, y0 : y0 + (oh - 1) * self.stride[0] + 1 : self.stride[0], x0 : x0 + (ow - 1) * self.stride[1] + 1 : self.stride[1]]
                if self.depthwise:
                    acc += np.repeat(part, self.oc // self.c, axis=3) * weights[i, j]
                    continue
                cg, og = self.c // self.groups, self.oc // self.groups
                for g in range(self.groups):
                    acc[..., g * og : (g + 1) * og] += part[..., g * cg : (g + 1) * cg] @ weights[g * og : (g + 1) * og, i, j].T
        return acc

    def weight_shape(self) -> tuple[int, ...]:
        return (*self.kernel, self.oc) if self.depthwise else (self.oc, *self.kernel, self.c // self.groups)


class Step:
    """A prepared conv2d or dwconv2d: `run(x)` gives the int8 output. `split` runs the units one range after the other, as threads would."""

    def __init__(self, row: Row, finish: Row, conv: Conv, w: np.ndarray, rq: Requant, xz: int, wz: int = 0, gemm: Row | None = None):
        self.conv, self.keep = conv, []
        p = self.p = ffi.new(f"intq_{row.op} *")
        weights = buffer(w)
        struct = rq.struct(self.keep)
        self.keep += [weights, struct]
        p.weights, p.rq, p.bias = pointer("int8_t *", weights[1]), struct[0], ffi.cast("int32_t *", struct.bias)
        p.finish = ffi.cast("intq_finish_fn *", finish.c.fn)
        if gemm is not None:
            p.gemm = ffi.cast("intq_gemm_fn *", gemm.c.fn)
            p.nr, p.kr, p.ku, p.flags, p.groups = gemm.nr, gemm.kr, gemm.ku, gemm.flags, conv.groups
        else:
            p.multiplier = conv.oc // conv.c
        (p.oh, p.ow), (p.kh, p.kw) = conv.out, conv.kernel
        p.n, p.h, p.w, p.c, p.oc = conv.n, conv.h, conv.w, conv.c, conv.oc
        (p.stride_h, p.stride_w), (p.dilation_h, p.dilation_w) = conv.stride, conv.dilation
        p.pad_top, p.pad_left, p.x_zero_point, p.w_zero_point = conv.pads[0], conv.pads[1], xz, wz
        packed = buffer(np.zeros(row.c.prepare(p, ffi.NULL), np.uint8))
        self.keep.append(packed)
        row.c.prepare(p, pointer("uint8_t *", packed[1]))
        self.scratch = buffer(np.zeros(p.scratch_bytes, np.uint8))
        self.fn = ffi.cast("intq_kernel_fn *", row.c.fn)

    def run(self, x: np.ndarray, splits: int = 1) -> np.ndarray:
        _data, view = buffer(x)
        out, y = buffer(np.full((self.conv.n, *self.conv.out, self.conv.oc), 77, np.int8))
        io = ffi.new("void *[8]", [pointer("void *", view), pointer("void *", y)])
        edges = [self.p.units * i // splits for i in range(splits + 1)]
        for begin, end in itertools.pairwise(edges):
            self.fn(self.p, io, begin, end, pointer("uint8_t *", self.scratch[1]))
        tail = out[-(len(out) - y.nbytes - (y.ctypes.data - out.ctypes.data)) :]
        assert (tail == 0x55).all(), "wrote behind the output"
        return y
