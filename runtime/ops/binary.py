"""Binary layers: products of packed bits by counting, and sign activations (kernels/SPEC_lowbit.md, L2).

A tensor of bits is uint8 [..., 8 * ceil(C / 64)]: C bits along the last axis, least significant first, a set bit is +1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..choose import fastest
from ..graph import Array
from ..kernel_api import pick
from .base import INT32_MAX, MAX_DIM, Bounds, Op, View, clamp_ok, requantize_bounds, requantize_ok
from .product import Pair, window_shape

if TYPE_CHECKING:
    from ..build import Builder
    from ..choose import Form
    from ..kernel_api import Row

PANEL = 32  # channels that a kernel handles together
TILES = "int8 on tiles"
COLD = 64  # bytes per nanosecond: as bytes, weights take eight times the room, and a form that is timed alone finds them in a near cache


def row_bytes(channels: int) -> int:
    """Bytes of one packed row: whole 64-bit words."""
    return -(-channels // 64) * 8


def unused_are_clear(packed: Array, channels: int) -> bool:
    """Whether the bits behind the last channel are 0."""
    bits = np.unpackbits(packed, axis=-1, bitorder="little")
    return not bits[..., channels:].any()


def padded(array: Array, multiple: int, fill: int) -> Array:
    """int32, filled up to a multiple of entries."""
    return np.pad(array.astype(np.int32), (0, -len(array) % multiple), constant_values=fill)


class Binary(Op, kw_only=True):
    """Shared by the two: geometry, bits, and the range of the sums. pads: top, left, bottom, right; pad_value: 1, -1 or 0."""

    channels: int
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0

    def image(self, v: View) -> tuple[int, int, int]:
        """Output height, width and channels."""
        x, w = v.x().shape, v.array(1).shape
        v.need(len(w) == 4, f"weights must have 4 dimensions, have shape {list(w)}")
        oh, ow = window_shape(v, (w[1], w[2]), self.stride, self.dilation, self.pads)
        v.within("channels", self.channels, 1, MAX_DIM)
        fits = w[0] > 0 and x[3] == w[3] == row_bytes(self.channels)
        v.need(fits, f"input {list(x)} and weights {list(w)} do not hold rows of {self.channels} bits")
        return oh, ow, w[0]

    def check(self, v: View) -> None:
        v.dtype(v.x(), "uint8")
        v.dtype(v.x(1), "uint8")
        v.within("pad_value", self.pad_value, -1, 1)
        v.need(unused_are_clear(v.array(1), self.channels), f"the weights set bits behind channel {self.channels - 1}")

    def sums(self, v: View) -> tuple[int, int]:
        """The range of one output's sum; bits behind the last channel of an input that is no product of intq may be set."""
        w = v.array(1)
        taps = w.shape[1] * w.shape[2]
        return taps * (self.channels - 16 * w.shape[3]), taps * self.channels

    def parameters(self, v: View) -> int:
        w = v.x(1).shape
        return w[0] * w[1] * w[2] * self.channels

    def macs(self, v: View) -> int:
        w = v.array(1)
        return int(np.prod(v.y().shape[:3], dtype=object)) * w.shape[0] * w.shape[1] * w.shape[2] * self.channels

    def fields(self, v: View, b: Builder) -> dict[str, Any]:
        """The geometry of the C params."""
        w = v.array(1)
        n, h, width, nbytes = b.shape(v.x())
        _, oh, ow, last = b.shape(v.y())
        border = np.zeros(nbytes * 8, np.uint8)
        border[: self.channels] = self.pad_value >= 0  # zero padding multiplies by +1 and takes that off again
        return {
            "weights": b.constant(w, "uint8_t *"), "border": b.constant(np.packbits(border, bitorder="little"), "uint8_t *"),
            "n": n, "h": h, "w": width, "bytes": nbytes, "channels": self.channels, "oh": oh, "ow": ow, "oc": w.shape[0], "y_bytes": last,
            "kh": w.shape[1], "kw": w.shape[2], "stride_h": self.stride[0], "stride_w": self.stride[1], "dilation_h": self.dilation[0],
            "dilation_w": self.dilation[1], "pad_top": self.pads[0], "pad_left": self.pads[1],
            "zero_padding": int(self.pad_value == 0 and any(self.pads)),
        }  # fmt: skip


class BConv2d(Binary, kw_only=True):
    """x bits[N,H,W,B], w bits[O,KH,KW,B], bias[O], multiplier[O], shift[O] (, residual int16[N,OH,OW,O]) -> int8 or int16 [N,OH,OW,O].

    `fraction`: bits that bias has behind the point. int16 goes with rounding i64_15.
    """

    op: ClassVar[str] = "bconv2d"
    zero_points: ClassVar[tuple[str, ...]] = ("y",)
    fraction: int = 0
    rounding: str = "q15"
    lo: int = -128
    hi: int = 127

    def arity(self, v: View) -> None:
        v.count(6 if len(v.node.inputs) == 6 else 5)

    def shape(self, v: View) -> tuple[int, ...]:
        oh, ow, channels = self.image(v)
        return v.x().shape[0], oh, ow, channels

    def check(self, v: View) -> None:
        super().check(v)
        wide = "int16" if self.rounding == "i64_15" else "int8"
        v.dtype(v.y(), wide)
        channels = (v.y().shape[-1],)
        v.constant(2, "int32", channels)
        requantize_ok(v, self.rounding, v.constant(3, "int32", channels), v.constant(4, "int32", channels))
        v.within("fraction", self.fraction, 0, 20)
        clamp_ok(v, self.lo, self.hi, wide)
        if len(v.node.inputs) == 6:
            v.dtype(v.x(5), "int16")
            v.dtype(v.y(), "int16")
            v.need(v.x(5).shape == v.y().shape, f"the residual has shape {list(v.x(5).shape)}, the output {list(v.y().shape)}")
            v.need(not v.is_constant(5), "the residual is a constant; add it to the bias")

    def bounds(self, v: View) -> Bounds:
        lo, hi = self.sums(v)
        bias = v.array(2).astype(np.int64)
        found = requantize_bounds(v.node.name, self.rounding, (lo << self.fraction) + bias, (hi << self.fraction) + bias, v.array(4))
        return Bounds(found.node, found.lo, found.hi, np.minimum(found.limit, INT32_MAX + 1))

    def lower(self, v: View, b: Builder) -> None:
        choose_row(b, v, "s16" if self.rounding == "i64_15" else "s8", functools.partial(self.lower_by, v, b))

    def lower_by(self, v: View, b: Builder, row: Row) -> None:
        """The step of one kernel."""
        wide = self.rounding == "i64_15"
        p = b.new("intq_bconv2d", **self.fields(v, b), fraction=self.fraction, residual=int(len(v.node.inputs) == 6))
        p.bias = b.requant(p.rq, v, self, v.array(2), v.array(3), v.array(4))
        if wide:
            m, s = v.array(3).astype(np.int64), v.array(4)
            p.rq.mult = b.constant(padded(np.where(m < 0x7FFF0000, (m + 2**15) >> 16, 0x7FFF), PANEL, 0), "int32_t *")
            p.rq.right = b.constant(padded(15 - s, PANEL, 0), "int32_t *")
        else:
            p.finish = b.finish(self.rounding)
        b.prepare(row, p)
        reads = [v.node.inputs[0], *v.node.inputs[5:]]
        b.step(v, row, p, p.units, reads=reads)


class BConv2dBits(Binary, kw_only=True):
    """x bits[N,H,W,B], w bits[O,KH,KW,B], threshold[O] int32, flip[O] int32 of 0, 1 -> bits[N,OH,OW,8 ceil(O/64)] of (acc >= threshold) != flip."""

    op: ClassVar[str] = "bconv2d_bits"

    def arity(self, v: View) -> None:
        v.count(4)

    def shape(self, v: View) -> tuple[int, ...]:
        oh, ow, channels = self.image(v)
        return v.x().shape[0], oh, ow, row_bytes(channels)

    def check(self, v: View) -> None:
        super().check(v)
        v.dtype(v.y(), "uint8")
        thresholds_ok(v, 2, (v.array(1).shape[0],))

    def bounds(self, v: View) -> Bounds:
        ends = [np.full(v.array(1).shape[0], end, np.int64) for end in (*self.sums(v), INT32_MAX + 1)]
        return Bounds(v.node.name, *ends)

    def lower(self, v: View, b: Builder) -> None:
        choose_row(b, v, "bits", functools.partial(self.lower_by, v, b))

    def lower_by(self, v: View, b: Builder, row: Row) -> None:
        """The step of one kernel."""
        p = b.new(
            "intq_bconv2d", **self.fields(v, b), threshold=b.constant(padded(v.array(2), PANEL, INT32_MAX), "int32_t *"),
            flip=b.constant(padded(v.array(3), PANEL, 0), "int32_t *"),
        )  # fmt: skip
        b.prepare(row, p)
        b.step(v, row, p, p.units, reads=[v.node.inputs[0]])


class BSign(Op, kw_only=True):
    """x[..., C] int8 or int16, threshold[C] int32, flip[C] int32 of 0 and 1 -> bits[..., 8 ceil(C/64)] of (x >= threshold) != flip."""

    op: ClassVar[str] = "bsign"

    def arity(self, v: View) -> None:
        v.count(3)

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.need(len(x) >= 1, "its input is a scalar")
        return (*x[:-1], row_bytes(x[-1]))

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.y(), "uint8")
        thresholds_ok(v, 1, (v.x().shape[-1],))

    def batchable(self, v: View) -> bool:
        return len(v.x().shape) > 1

    def lower(self, v: View, b: Builder) -> None:
        c = v.x().shape[-1]
        p = b.new("intq_bsign", c=c, y_bytes=row_bytes(c), threshold=b.constant(padded(v.array(1), 64, 0), "int32_t *"),
                  flip=b.constant(padded(v.array(2), 64, 0), "int32_t *"))  # fmt: skip
        row = b.row("bsign", "s8" if v.x().dtype == "int8" else "s16")
        b.step(v, row, p, b.size(v.x()) // c, max(1, 32768 // c), reads=[v.node.inputs[0]])


def choose_row(b: Builder, v: View, variant: str, lower: Callable[[Row], None]) -> None:
    """Lower by counting bits, or as an int8 product of +1 and -1 on matrix tiles where the machine has some: whichever is faster."""
    best = b.row("bconv2d", variant)
    rows = [best] if best.isa != "amx" else [*pick("bconv2d", variant, b.chain)[1:2], best]
    forms: list[Form] = [(TILES if row.isa == "amx" else "popcount", functools.partial(lower, row)) for row in rows]
    fastest(b, v, forms, {TILES: 8 * v.array(1).nbytes // COLD})


def thresholds_ok(v: View, first: int, shape: tuple[int, ...]) -> None:
    v.constant(first, "int32", shape)
    flip = v.constant(first + 1, "int32", shape)
    v.need(bool(((flip == 0) | (flip == 1)).all()), "flip holds something else than 0 and 1")
