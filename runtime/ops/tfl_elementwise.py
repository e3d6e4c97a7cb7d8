"""Elementwise ops of imported TensorFlow Lite models (kernels/SPEC_tflite.md): tables, rescaling, and arithmetic of two inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..graph import RANGES
from .base import Op, View, clamp_ok
from .elementwise import broadcast_shape, constants_keep_batch

if TYPE_CHECKING:
    from ..build import Builder

VARIANT = {"int8": "s8", "int16": "s16", "int32": "s32"}
INTEGER_KINDS = ("add", "sub", "mul", "squared_difference", "maximum", "minimum")


def scale_ok(v: View, what: str, multiplier: int, shift: int) -> None:
    """Ranges that (F4) needs: a multiplier that is not negative, shifts within a 32-bit register."""
    v.within(f"multiplier {what}", multiplier, 0, 2**31 - 1)
    v.within(f"shift {what}", shift, -31, 30)


class TflLut(Op, kw_only=True):
    """y = table[raw bits of x], for 8-bit and 16-bit inputs and any output type."""

    op: ClassVar[str] = "tfl_lut"

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "uint8", "int16")
        v.constant(1, v.y().dtype, (2**16 if v.x().dtype == "int16" else 2**8,))

    def lower(self, v: View, b: Builder) -> None:
        sizes = [np.dtype(t.dtype).itemsize for t in (v.x(), v.y())]
        count = b.size(v.x())
        p = b.new("intq_tfl_lut", count=count, x_size=sizes[0], y_size=sizes[1], table=b.constant(v.array(1), "uint8_t *"))
        b.step(v, b.row("tfl_lut", "any"), p, -(-count // 4096), 4, reads=[v.node.inputs[0]])


class TflRescale(Op, kw_only=True):
    """QUANTIZE where an int32 tensor is involved."""

    op: ClassVar[str] = "tfl_rescale"
    zero_points: ClassVar[tuple[str, ...]] = ("x", "y")
    multiplier: int
    shift: int
    lo: int
    hi: int

    def shape(self, v: View) -> tuple[int, ...]:
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int16", "int32")
        v.dtype(v.y(), "int8", "int16", "int32")
        scale_ok(v, "", self.multiplier, self.shift)
        clamp_ok(v, self.lo, self.hi, v.y().dtype)

    def kwargs(self, v: View) -> dict[str, Any]:
        return {**super().kwargs(v), "y_dtype": v.y().dtype}

    def lower(self, v: View, b: Builder) -> None:
        count = b.size(v.x())
        p = b.new("intq_tfl_rescale", count=count, x_size=np.dtype(v.x().dtype).itemsize, y_size=np.dtype(v.y().dtype).itemsize,
                  multiplier=self.multiplier, shift=self.shift, lo=self.lo, hi=self.hi,
                  x_zero_point=v.x().zero_point, y_zero_point=v.y().zero_point)  # fmt: skip
        b.step(v, b.row("tfl_rescale", "any"), p, -(-count // 4096), 4)


class TflCast(Op, kw_only=True):
    """int32 to a narrower type, modulo its width, or to int64; `offset` is what the file's values have over the graph's."""

    op: ClassVar[str] = "tfl_cast"
    offset: int = 0

    def shape(self, v: View) -> tuple[int, ...]:
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int32")
        v.dtype(v.y(), "int8", "int16", "int64")
        v.within("offset", self.offset, 0, 128)

    def kwargs(self, v: View) -> dict[str, Any]:
        return {**super().kwargs(v), "y_dtype": v.y().dtype}

    def lower(self, v: View, b: Builder) -> None:
        count = b.size(v.x())
        p = b.new("intq_tfl_rescale", count=count, x_size=4, y_size=np.dtype(v.y().dtype).itemsize, y_zero_point=self.offset)
        b.step(v, b.row("tfl_cast", "any"), p, -(-count // 4096), 4)


class TflBinary(Op, kw_only=True):
    """Base: two inputs of one type with NumPy broadcasting."""

    zero_points: ClassVar[tuple[str, ...]] = ("a", "b", "y")
    dtypes: ClassVar[tuple[str, ...]] = ("int8", "int16")
    lo: int
    hi: int

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        return broadcast_shape(v)

    def check(self, v: View) -> None:
        self.check_tensors(v)
        clamp_ok(v, self.lo, self.hi, v.y().dtype)

    def check_tensors(self, v: View) -> None:
        v.dtype(v.x(), *self.dtypes)
        for t in (v.x(0), v.x(1), v.y()):
            v.dtype(t, v.x().dtype)
            v.need(len(t.shape) <= 6, f"tensor {t.name!r} has more than 6 dimensions")

    def batchable(self, v: View) -> bool:
        return constants_keep_batch(v)

    def fields(self) -> dict[str, int]:
        """Fields of intq_tfl_binary besides the shape."""
        return {}

    def lower(self, v: View, b: Builder) -> None:
        row = b.row(self.op, VARIANT[v.x().dtype])
        p = b.new("intq_tfl_binary", lo=self.lo, hi=self.hi, a_zero_point=v.x(0).zero_point, b_zero_point=v.x(1).zero_point,
                  y_zero_point=v.y().zero_point, **self.fields())  # fmt: skip
        units, run = b.broadcast(p.shape, v)
        b.step(v, row, p, units, min_units=max(1, 4096 // run), reads=list(v.node.inputs))


class TflAdd(TflBinary, kw_only=True):
    """ADD and SUB (sign -1)."""

    op: ClassVar[str] = "tfl_add"
    left: int
    m1: int
    s1: int
    m2: int
    s2: int
    multiplier: int
    shift: int
    sign: int = 1

    def check(self, v: View) -> None:
        super().check(v)
        v.within("left", self.left, 0, 22 if v.x().dtype == "int8" else 14 + (v.x().zero_point == 0 == v.x(1).zero_point))
        v.need(self.sign in (-1, 1), f"sign is {self.sign}; it must be 1 or -1")
        for what, m, s in (("1", self.m1, self.s1), ("2", self.m2, self.s2)):
            scale_ok(v, what, m, s)
            v.within(f"shift {what}", s, -31, 0)
        scale_ok(v, "", self.multiplier, self.shift)

    def fields(self) -> dict[str, int]:
        return {"left": self.left, "m1": self.m1, "s1": self.s1, "m2": self.m2, "s2": self.s2, "multiplier": self.multiplier,
                "shift": self.shift, "sign": self.sign}  # fmt: skip


class TflAddPot(TflBinary, kw_only=True):
    """ADD and SUB of 16-bit tensors with power-of-two scales: a rounding shift to the right of one of the operands."""

    op: ClassVar[str] = "tfl_add_pot"
    zero_points: ClassVar[tuple[str, ...]] = ()
    dtypes: ClassVar[tuple[str, ...]] = ("int16",)
    shift_a: int
    shift_b: int
    sign: int = 1

    def check(self, v: View) -> None:
        super().check(v)
        v.within("shifts", (self.shift_a, self.shift_b), 0, 31)
        v.within("sign", self.sign, -1, 1)

    def fields(self) -> dict[str, int]:
        return {"s1": self.shift_a, "s2": self.shift_b, "sign": self.sign}


class TflMul(TflBinary, kw_only=True):
    """MUL of 16-bit tensors."""

    op: ClassVar[str] = "tfl_mul"
    multiplier: int
    shift: int

    def check(self, v: View) -> None:
        super().check(v)
        scale_ok(v, "", self.multiplier, self.shift)

    def fields(self) -> dict[str, int]:
        return {"multiplier": self.multiplier, "shift": self.shift}


class TflSquaredDifference(TflBinary, kw_only=True):
    """SQUARED_DIFFERENCE of int8."""

    op: ClassVar[str] = "tfl_squared_difference"
    dtypes: ClassVar[tuple[str, ...]] = ("int8",)
    m1: int
    s1: int
    m2: int
    s2: int
    multiplier: int
    shift: int

    def check(self, v: View) -> None:
        super().check(v)
        for what, m, s in (("1", self.m1, self.s1), ("2", self.m2, self.s2), ("", self.multiplier, self.shift)):
            scale_ok(v, what, m, s)
            v.within(f"shift {what}", s, -31, 0)

    def fields(self) -> dict[str, int]:
        return {"m1": self.m1, "s1": self.s1, "m2": self.m2, "s2": self.s2, "multiplier": self.multiplier, "shift": self.shift}


class TflPrelu(TflBinary, kw_only=True):
    """PRELU; alpha is int8 also where the input is int16."""

    op: ClassVar[str] = "tfl_prelu"
    m1: int
    s1: int
    m2: int
    s2: int

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.x(1), "int8")
        v.dtype(v.y(), v.x().dtype)
        for t in (v.x(0), v.x(1)):
            v.need(len(t.shape) <= 6, f"tensor {t.name!r} has more than 6 dimensions")
        clamp_ok(v, self.lo, self.hi, v.y().dtype)
        scale_ok(v, "1", self.m1, self.s1)
        scale_ok(v, "2", self.m2, self.s2)

    def fields(self) -> dict[str, int]:
        return {"m1": self.m1, "s1": self.s1, "m2": self.m2, "s2": self.s2}


class TflInteger(TflBinary, kw_only=True):
    """MAXIMUM, MINIMUM, and the arithmetic of int32 tensors without scales."""

    op: ClassVar[str] = "tfl_integer"
    zero_points: ClassVar[tuple[str, ...]] = ()
    dtypes: ClassVar[tuple[str, ...]] = ("int8", "int16", "int32")
    kind: str

    def check(self, v: View) -> None:
        least, most = RANGES["int32"]
        v.need((self.lo, self.hi) == (least, most), "the clamp must be that of int32")
        self.check_tensors(v)
        allowed = INTEGER_KINDS if v.x().dtype == "int32" else INTEGER_KINDS[4:]
        v.need(self.kind in allowed, f"kind {self.kind!r} is unknown; known: {', '.join(allowed)}")

    def fields(self) -> dict[str, int]:
        return {"kind": INTEGER_KINDS.index(self.kind)}
