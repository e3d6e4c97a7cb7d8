"""int16 streams between binary layers: sums, averages, and the way back to int8 (kernels/SPEC_lowbit.md, L3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .base import Op, View, clamp_ok
from .product import Pair, window_shape

if TYPE_CHECKING:
    from ..build import Builder


class Add16(Op, kw_only=True):
    """a, b int16 of one shape and one scale, zero points 0 -> clamp(a + b)."""

    op: ClassVar[str] = "add16"
    lo: int = -(2**15)
    hi: int = 2**15 - 1

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        a, b = v.x().shape, v.x(1).shape
        v.need(a == b, f"inputs {list(a)} and {list(b)} differ")
        return a

    def check(self, v: View) -> None:
        for t in (v.x(), v.x(1), v.y()):
            v.dtype(t, "int16")
            v.need(t.zero_point == 0, f"tensor {t.name!r} has a zero point")
        v.need(not v.is_constant(0) and not v.is_constant(1), "an input is a constant")
        clamp_ok(v, self.lo, self.hi, "int16")

    def lower(self, v: View, b: Builder) -> None:
        count = b.size(v.y())
        b.step(v, b.row("add16", "any"), b.new("intq_add16", count=count, lo=self.lo, hi=self.hi), -(-count // 4096), 4)


class AvgPool16(Op, kw_only=True):
    """x[N,H,W,C] int16 -> the mean of every window, rounded down. No padding."""

    op: ClassVar[str] = "avg_pool16"
    kernel: Pair
    stride: Pair

    def shape(self, v: View) -> tuple[int, ...]:
        oh, ow = window_shape(v, self.kernel, self.stride, (1, 1), (0, 0, 0, 0))
        return v.x().shape[0], oh, ow, v.x().shape[3]

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int16")
        v.dtype(v.y(), "int16")
        v.need(self.kernel[0] * self.kernel[1] <= 2**15, f"the window {list(self.kernel)} has more than 2^15 elements")
        v.need(v.x().shape[3] <= 2**12 * 16, "it has more than 65536 channels")

    def macs(self, v: View) -> int:
        return v.y().size * self.kernel[0] * self.kernel[1]

    def lower(self, v: View, b: Builder) -> None:
        n, h, w, c = b.shape(v.x())
        _, oh, ow, _ = b.shape(v.y())
        p = b.new("intq_tfl_pool", n=n, h=h, w=w, c=c, oh=oh, ow=ow, kh=self.kernel[0], kw=self.kernel[1], stride_h=self.stride[0],
                  stride_w=self.stride[1])  # fmt: skip
        b.scratch_bytes = max(b.scratch_bytes, 4 * c + 128)
        b.step(v, b.row("avg_pool16", "any"), p, n * oh, max(1, 32768 // (ow * c)))


class Rescale16(Op, kw_only=True):
    """x int16 -> int8: clamp(((x * multiplier + 2^(shift-1)) >> shift) + zero point)."""

    op: ClassVar[str] = "rescale16"
    zero_points: ClassVar[tuple[str, ...]] = ("y",)
    multiplier: int
    shift: int
    lo: int = -128
    hi: int = 127

    def shape(self, v: View) -> tuple[int, ...]:
        return v.x().shape

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int16")
        v.dtype(v.y(), "int8")
        v.within("multiplier", self.multiplier, 0, 2**15 - 1)
        v.within("shift", self.shift, 1, 30)
        clamp_ok(v, self.lo, self.hi)

    def lower(self, v: View, b: Builder) -> None:
        count = b.size(v.y())
        p = b.new("intq_rescale16", count=count, multiplier=self.multiplier, shift=self.shift, y_zero_point=v.y().zero_point, lo=self.lo, hi=self.hi)
        b.step(v, b.row("rescale16", "any"), p, -(-count // 4096), 4)
