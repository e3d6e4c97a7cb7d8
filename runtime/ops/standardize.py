"""Standardization: what layer, instance and group normalizations are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .base import Op, View, clamp_ok
from .pool import split

if TYPE_CHECKING:
    from ..build import Builder

MOST, MOST_EPSILON = 2**20, 2**60  # so that SPEC (6.4) fits 64 bits


class Standardize(Op, kw_only=True):
    """x less its mean, over the root of its variance and epsilon, along neighbouring axes of together at most 2^20 elements.

    `multiplier` * 2^(`shift` - 31) is one over the output's scale; `epsilon` is in units of (scale of x / elements)^2.
    """

    op: ClassVar[str] = "standardize"
    zero_points: ClassVar[tuple[str, ...]] = ("y",)
    axes: tuple[int, ...]
    multiplier: int
    shift: int
    epsilon: int = 0
    lo: int = -128
    hi: int = 127

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.need(len(self.axes) > 0, "needs at least one axis")
        v.within("axes", self.axes, 0, len(x) - 1)
        v.need(list(self.axes) == list(range(self.axes[0], self.axes[0] + len(self.axes))), "axes must be neighbours, ascending")
        return x

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8")
        clamp_ok(v, self.lo, self.hi)
        v.within("number of elements", split(self.axes, v.x().shape)[1], 1, MOST)
        v.within("multiplier", self.multiplier, 0, 2**31 - 1)
        v.within("shift", self.shift, -31, 30)
        v.within("epsilon", self.epsilon, 0, MOST_EPSILON)

    def work(self, v: View) -> int:
        return 2 * v.x().size

    def batchable(self, v: View) -> bool:
        return 0 not in self.axes

    def lower(self, v: View, b: Builder) -> None:
        outer, reduce, inner = split(self.axes, b.shape(v.x()))
        p = b.new("intq_standardize", reduce=reduce, inner=inner, epsilon=self.epsilon, multiplier=self.multiplier, shift=self.shift,
                  zero_point=v.y().zero_point, lo=self.lo, hi=self.hi)  # fmt: skip
        b.step(v, b.row("standardize", "any"), p, outer * inner, max(1, 4096 // reduce))
