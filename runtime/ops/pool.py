"""Pooling and reductions (SPEC 6)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import RANGES
from .base import Bounds, Op, View, clamp_ok, requantize_bounds, requantize_ok
from .product import Pair, window_shape

if TYPE_CHECKING:
    from ..build import Builder


def sum_bounds(v: View, rounding: str, count: int, shift: np.ndarray) -> Bounds:
    least, most = (e - v.x().zero_point for e in RANGES[v.x().dtype])
    ones = np.ones(len(shift), np.int64) * count
    return requantize_bounds(v.node.name, rounding, least * ones, most * ones, shift)


class Pool(Op, kw_only=True):
    kernel: Pair
    stride: Pair
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    lo: int = -128
    hi: int = 127

    def shape(self, v: View) -> tuple[int, ...]:
        oh, ow = window_shape(v, self.kernel, self.stride, (1, 1), self.pads)
        v.need(all(p < k for p, k in zip(self.pads, self.kernel * 2, strict=True)), "pads must be smaller than the kernel")
        # a bottom or right pad that a stride skips over may leave windows that see padding only
        for i, o in ((0, oh), (1, ow)):
            v.need((o - 1) * self.stride[i] - self.pads[i] < v.x().shape[1 + i], "the last window would see nothing but padding")
        return v.x().shape[0], oh, ow, v.x().shape[3]

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8")
        clamp_ok(v, self.lo, self.hi)

    def work(self, v: View) -> int:
        return v.y().size * self.kernel[0] * self.kernel[1]

    def fields(self, v: View, b: Builder) -> dict[str, int]:
        n, h, w, c = b.shape(v.x())
        _, oh, ow, _ = b.shape(v.y())
        return {
            "n": n, "h": h, "w": w, "c": c, "oh": oh, "ow": ow, "kh": self.kernel[0], "kw": self.kernel[1],
            "stride_h": self.stride[0], "stride_w": self.stride[1], "pad_top": self.pads[0], "pad_left": self.pads[1],
            "x_zero_point": v.x().zero_point, "lo": self.lo, "hi": self.hi,
        }  # fmt: skip


class AvgPool(Pool, kw_only=True):
    """x, multiplier[D], shift[D]: the element count of a window, found in `divisors` (ascending), picks the multiplier."""

    op: ClassVar[str] = "avg_pool"
    zero_points: ClassVar[tuple[str, ...]] = ("x", "y")
    divisors: tuple[int, ...]
    count_include_pad: bool = False
    rounding: str = "q15"

    def arity(self, v: View) -> None:
        v.count(3)

    def counts(self, v: View) -> list[int]:
        """The element counts that windows of this shape have."""
        if self.count_include_pad:
            return [self.kernel[0] * self.kernel[1]]
        seen = []
        for i in (0, 1):
            starts = np.arange(v.y().shape[1 + i]) * self.stride[i] - self.pads[i]
            seen.append(np.unique(np.minimum(starts + self.kernel[i], v.x().shape[1 + i]) - np.maximum(starts, 0)))
        return sorted({int(a * c) for a in seen[0] for c in seen[1]})

    def check(self, v: View) -> None:
        super().check(v)
        d = len(self.divisors)
        v.within("number of divisors", d, 1, 4096)
        v.within("divisors", self.divisors, 1, 2**30)
        v.need(list(self.divisors) == sorted(set(self.divisors)), "divisors must ascend")
        v.need(set(self.counts(v)) <= set(self.divisors), f"divisors must contain the window sizes {self.counts(v)}")
        requantize_ok(v, self.rounding, v.constant(1, "int32", (d,)), v.constant(2, "int32", (d,)))
        v.need(self.rounding != "i64_15", "rounding i64_15 is for 16-bit activations")

    def bounds(self, v: View) -> Bounds:
        return sum_bounds(v, self.rounding, min(self.kernel[0], v.x().shape[1]) * min(self.kernel[1], v.x().shape[2]), v.array(2))

    def lower(self, v: View, b: Builder) -> None:
        d = len(self.divisors)
        rqs = b.hold(b.ffi.new("intq_requant[]", d))
        for i in range(d):
            b.requant(rqs[i], v, self, np.zeros(1, np.int32), v.array(1)[i : i + 1], v.array(2)[i : i + 1], uniform=True)
        p = b.new("intq_pool", **self.fields(v, b), count_include_pad=int(self.count_include_pad), rqs=rqs, n_divisors=d,
                  divisors=b.constant(np.array(self.divisors, np.int32), "int32_t *"), finish=b.finish(self.rounding))  # fmt: skip
        b.step(v, b.row("avg_pool", "any"), p, p.n * p.oh)


class MaxPool(Pool, kw_only=True):
    """The largest element of each window; padding never wins."""

    op: ClassVar[str] = "max_pool"

    def check(self, v: View) -> None:
        super().check(v)
        v.need((v.x().scale, v.x().zero_point) == (v.y().scale, v.y().zero_point), "input and output must share scale and zero point")

    def lower(self, v: View, b: Builder) -> None:
        p = b.new("intq_pool", **self.fields(v, b))
        b.step(v, b.row("max_pool", "any"), p, p.n * p.oh)


def split(axes: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Elements before, along and after neighbouring axes."""
    first, last = axes[0], axes[-1] + 1
    return math.prod(shape[:first]), math.prod(shape[first:last]), math.prod(shape[last:])


class Mean(Op, kw_only=True):
    """x, multiplier[1], shift[1]: the sum over neighbouring axes, the divisor being part of the multiplier."""

    op: ClassVar[str] = "mean"
    zero_points: ClassVar[tuple[str, ...]] = ("x", "y")
    wants_out_shape: ClassVar[bool] = True
    axes: tuple[int, ...]
    rounding: str = "q15"
    lo: int = -128
    hi: int = 127

    def arity(self, v: View) -> None:
        v.count(3)

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.need(len(self.axes) > 0, "needs at least one axis")
        v.within("axes", self.axes, 0, len(x) - 1)
        v.need(list(self.axes) == list(range(self.axes[0], self.axes[0] + len(self.axes))), "axes must be neighbours, ascending")
        kept = tuple(1 if i in self.axes else d for i, d in enumerate(x))
        dropped = tuple(d for i, d in enumerate(x) if i not in self.axes)
        return v.y().shape if v.y().shape == dropped else kept

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8")
        clamp_ok(v, self.lo, self.hi)
        requantize_ok(v, self.rounding, v.constant(1, "int32", (1,)), v.constant(2, "int32", (1,)))
        v.need(self.rounding != "i64_15", "rounding i64_15 is for 16-bit activations")

    def bounds(self, v: View) -> Bounds:
        return sum_bounds(v, self.rounding, split(self.axes, v.x().shape)[1], v.array(2))

    def work(self, v: View) -> int:
        return v.x().size

    def batchable(self, v: View) -> bool:
        return 0 not in self.axes

    def lower(self, v: View, b: Builder) -> None:
        outer, reduce, inner = split(self.axes, b.shape(v.x()))
        p = b.new("intq_mean", outer=outer, reduce=reduce, inner=inner, x_zero_point=v.x().zero_point, finish=b.finish(self.rounding))
        b.requant(p.rq, v, self, np.zeros(1, np.int32), v.array(1), v.array(2), uniform=True)
        b.step(v, b.row("mean", "any"), p, outer)
