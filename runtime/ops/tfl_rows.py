"""Softmax, its logarithm and L2 normalization of imported models (kernels/SPEC_tflite.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .base import Op, View
from .tfl_elementwise import VARIANT, scale_ok

if TYPE_CHECKING:
    from ..build import Builder


class Rows(Op, kw_only=True):
    """Base: over the last axis of an int8 tensor."""

    def shape(self, v: View) -> tuple[int, ...]:
        v.need(len(v.x().shape) >= 1 and v.x().shape[-1] <= 2**20, "the last axis must have 1 to 2^20 elements")
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8")

    def batchable(self, v: View) -> bool:
        return len(v.x().shape) > 1

    def rows(self, v: View, b: Builder) -> tuple[int, int]:
        return b.size(v.x()) // v.x().shape[-1], v.x().shape[-1]


def exponentials(v: View, i: int) -> None:
    """A table of exp in Q0 that cannot make the sum of a row zero, nor leave int32."""
    table = v.constant(i, "int32", (256,))
    v.need(bool((table >= 0).all() and table[0] == 2**31 - 1), "a table of exponentials starts with 2^31 - 1 and is never negative")
    v.need(v.x().shape[-1] <= 4095, "the last axis has more than 4095 elements, whose exponentials may leave int32")


class TflSoftmax(Rows, kw_only=True):
    """SOFTMAX of int8, to int8 or int16; table[d] is exp of a difference -d in Q0."""

    op: ClassVar[str] = "tfl_softmax"

    def arity(self, v: View) -> None:
        v.count(2)

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8", "int16")
        exponentials(v, 1)

    def kwargs(self, v: View) -> dict[str, Any]:
        return {"y_dtype": v.y().dtype}

    def lower(self, v: View, b: Builder) -> None:
        rows, cols = self.rows(v, b)
        p = b.new("intq_tfl_rows", cols=cols, table=b.constant(v.array(1), "int32_t *"))
        b.step(v, b.row("tfl_softmax", VARIANT[v.y().dtype]), p, rows, max(1, 4096 // cols), reads=[v.node.inputs[0]])


class TflSoftmax16(Rows, kw_only=True):
    """SOFTMAX of int16; exp[d] of a difference -d in Q0.15, and 513 samples of 1 / (1 + v)."""

    op: ClassVar[str] = "tfl_softmax16"

    def arity(self, v: View) -> None:
        v.count(3)

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int16")
        v.dtype(v.y(), "int16")
        exp = v.constant(1, "int16", (65536,))
        v.constant(2, "int16", (513,))
        v.need(bool((exp >= 0).all() and exp[0] > 0), "the table of exponentials must not be negative, its first entry not 0")
        v.need(v.x().shape[-1] <= 2**16, "the last axis has more than 2^16 elements")

    def lower(self, v: View, b: Builder) -> None:
        rows, cols = self.rows(v, b)
        tables = {"table16": b.constant(v.array(1), "int16_t *"), "second16": b.constant(v.array(2), "int16_t *")}
        p = b.new("intq_tfl_rows", cols=cols, **tables)
        b.step(v, b.row("tfl_softmax", "wide"), p, rows, max(1, 4096 // cols), reads=[v.node.inputs[0]])


class TflLogSoftmax(Rows, kw_only=True):
    """LOG_SOFTMAX of int8: exponentials in Q0 and differences in Q5."""

    op: ClassVar[str] = "tfl_log_softmax"
    radius: int
    multiplier: int
    shift: int

    def arity(self, v: View) -> None:
        v.count(3)

    def check(self, v: View) -> None:
        super().check(v)
        exponentials(v, 1)
        v.constant(2, "int32", (256,))
        v.within("radius", self.radius, 0, 2**31 - 2)
        scale_ok(v, "", self.multiplier, self.shift)

    def lower(self, v: View, b: Builder) -> None:
        rows, cols = self.rows(v, b)
        p = b.new("intq_tfl_rows", cols=cols, table=b.constant(v.array(1), "int32_t *"), second=b.constant(v.array(2), "int32_t *"),
                  radius=self.radius, multiplier=self.multiplier, shift=self.shift)  # fmt: skip
        b.step(v, b.row("tfl_log_softmax", "s8"), p, rows, max(1, 4096 // cols), reads=[v.node.inputs[0]])


class TflL2Normalization(Rows, kw_only=True):
    """L2_NORMALIZATION of int8; `early` multiplies before it rounds, as the kernel of uint8 does."""

    op: ClassVar[str] = "tfl_l2_normalization"
    zero_point: int
    early: bool = False

    def check(self, v: View) -> None:
        super().check(v)
        v.within("zero_point", self.zero_point, -128, 127)
        v.need(v.x().shape[-1] <= 2**15, "the last axis has more than 2^15 elements")

    def lower(self, v: View, b: Builder) -> None:
        rows, cols = self.rows(v, b)
        p = b.new("intq_tfl_rows", cols=cols, x_zero_point=self.zero_point, early=int(self.early))
        b.step(v, b.row("tfl_l2_normalization", "s8"), p, rows, max(1, 4096 // cols))
