"""Elementwise ops of two inputs, tables and softmax (SPEC 5 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import RANGES
from .base import Bounds, Op, View, clamp_ok, requantize_bounds, requantize_ok

if TYPE_CHECKING:
    from ..build import Builder


def broadcast_shape(v: View) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(v.x(0).shape, v.x(1).shape)
    except ValueError:
        v.fail(f"shapes {list(v.x(0).shape)} and {list(v.x(1).shape)} do not broadcast")


def constants_keep_batch(v: View) -> bool:
    """A constant operand must not have an axis 0 of its own, and both activations must have all axes."""
    rank = len(v.y().shape)
    return all((v.x(i).shape[0] == 1 if len(v.x(i).shape) == rank else v.is_constant(i)) for i in (0, 1))


class Binary(Op, kw_only=True):
    zero_points: ClassVar[tuple[str, ...]] = ("a", "b", "y")
    lo: int = -128
    hi: int = 127

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        return broadcast_shape(v)

    def check(self, v: View) -> None:
        for t in (v.x(0), v.x(1), v.y()):
            v.dtype(t, "int8")
            v.need(len(t.shape) <= 6, f"tensor {t.name!r} has more than 6 dimensions")
        clamp_ok(v, self.lo, self.hi)

    def batchable(self, v: View) -> bool:
        return constants_keep_batch(v)


class Add(Binary, kw_only=True):
    """q = clamp(((m1*(a - za) + m2*(b - zb) + 2^(shift-1)) >> shift) + zy); a negative m2 subtracts. shift is to the right, 1..30."""

    op: ClassVar[str] = "add"
    m1: int
    m2: int
    shift: int

    def check(self, v: View) -> None:
        super().check(v)
        v.within("m1, m2", (self.m1, self.m2), -32768, 32767)
        v.within("shift", self.shift, 1, 30)

    def lower(self, v: View, b: Builder) -> None:
        row = b.row("add", "any")
        p = b.new("intq_add", m1=self.m1, m2=self.m2, shift=self.shift, lo=self.lo, hi=self.hi, a_zero_point=v.x(0).zero_point,
                  b_zero_point=v.x(1).zero_point, y_zero_point=v.y().zero_point)  # fmt: skip
        units, run = b.broadcast(p.shape, v)
        b.step(v, row, p, units, min_units=max(1, 16384 // run), reads=list(v.node.inputs))


class Mul(Binary, kw_only=True):
    """acc = (a - za) * (b - zb), requantized with one multiplier and shift."""

    op: ClassVar[str] = "mul"
    multiplier: int
    shift: int
    rounding: str = "q15"

    def check(self, v: View) -> None:
        super().check(v)
        v.within("multiplier", self.multiplier, -(2**31), 2**31 - 1)
        v.within("shift", self.shift, -(2**31), 2**31 - 1)
        requantize_ok(v, self.rounding, np.array([self.multiplier]), np.array([self.shift]))
        v.need(self.rounding != "i64_15", "rounding i64_15 is for 16-bit activations")

    def bounds(self, v: View) -> Bounds:
        ends = [[RANGES[v.x(i).dtype][e] - v.x(i).zero_point for e in (0, 1)] for i in (0, 1)]
        products = [a * b for a in ends[0] for b in ends[1]]
        lo, hi = np.array([min(products)]), np.array([max(products)])
        return requantize_bounds(v.node.name, self.rounding, lo, hi, np.array([self.shift]))

    def lower(self, v: View, b: Builder) -> None:
        row = b.row("mul", "any")
        p = b.new("intq_mul", a_zero_point=v.x(0).zero_point, b_zero_point=v.x(1).zero_point, finish=b.finish(self.rounding))
        b.requant(p.rq, v, self, np.zeros(1, np.int32), np.array([self.multiplier]), np.array([self.shift]), uniform=True)
        units, run = b.broadcast(p.shape, v)
        b.step(v, row, p, units, min_units=max(1, 8192 // run), reads=list(v.node.inputs))


class Lut8(Op, kw_only=True):
    """y = table[raw byte of x]: any function of one 8-bit value."""

    op: ClassVar[str] = "lut8"

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "uint8")
        v.constant(1, v.y().dtype, (256,))
        v.dtype(v.y(), "int8", "uint8")

    def lower(self, v: View, b: Builder) -> None:
        count = b.size(v.x())
        p = b.new("intq_lut8", count=count, table=b.constant(v.array(1), "uint8_t *"))
        b.step(v, b.row("lut8", "any"), p, -(-count // 4096), min_units=4)


class Lut8Channels(Op, kw_only=True):
    """y[..., c] = tables[which[c]][raw byte of x[..., c]]: a function of one 8-bit value for each channel of the last axis."""

    op: ClassVar[str] = "lut8_channels"

    def arity(self, v: View) -> None:
        v.count(3)

    def shape(self, v: View) -> tuple[int, ...]:
        v.need(len(v.x().shape) >= 1 and v.x().shape[-1] > 0, "the last axis must have elements")
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "uint8")
        v.dtype(v.y(), "int8", "uint8")
        count = v.array(1).shape[0] if v.array(1).ndim else 0
        v.need(1 <= count <= 256, f"there must be 1 to 256 tables, not {count}")
        v.constant(1, v.y().dtype, (count, 256))
        which = v.constant(2, "int32", v.x().shape[-1:])
        v.need(bool((which >= 0).all() and (which < count).all()), f"a channel's table must be one of 0..{count - 1}")

    def batchable(self, v: View) -> bool:
        return len(v.x().shape) > 1

    def lower(self, v: View, b: Builder) -> None:
        channels = v.x().shape[-1]
        rows = b.size(v.x()) // channels
        tables, which = b.constant(v.array(1), "uint8_t *"), b.constant(v.array(2), "int32_t *")
        p = b.new("intq_lut8_channels", rows=rows, channels=channels, tables=tables, which=which)
        b.step(v, b.row("lut8_channels", "any"), p, -(-rows // 64), min_units=max(1, 256 // channels))


class Softmax(Op, kw_only=True):
    """Over the last axis; table[d] = round(2^23 * exp(-d * scale)). The output has scale 2^-bits and zero point -128."""

    op: ClassVar[str] = "softmax"
    bits: int = 8

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        v.need(len(v.x().shape) >= 1 and 0 < v.x().shape[-1] <= 2**20, "the last axis must have 1 to 2^20 elements")
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8")
        v.within("bits", self.bits, 8, 20)
        table = v.constant(1, "int32", (256,))
        v.need(bool((table >= 0).all() and (table <= 2**23).all() and table[0] > 0), "table entries must lie in 0..2^23, the first above 0")
        v.need(v.y().zero_point == -128, "the output's zero point must be -128")

    def batchable(self, v: View) -> bool:
        return len(v.x().shape) > 1

    def lower(self, v: View, b: Builder) -> None:
        shape = b.shape(v.x())
        rows = int(np.prod(shape[:-1]))
        p = b.new("intq_softmax", rows=rows, cols=shape[-1], bits=self.bits, table=b.constant(v.array(1), "int32_t *"))
        b.step(v, b.row("softmax", "any"), p, rows, min_units=max(1, 4096 // shape[-1]))
