"""Weights of four bits: codes into a table of 16 bytes (kernels/SPEC_lowbit.md, L4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import RANGES, Array
from .base import Bounds, Op, View, clamp_ok, requantize_bounds, requantize_ok

if TYPE_CHECKING:
    from ..build import Builder


class DenseCodes(Op, kw_only=True):
    """x[...,K], codes uint8[N,ceil(K/2)], codebook int8[16], multipliers uint8[N,ceil(K/group)], bias, multiplier, shift [N] -> [...,N]."""

    op: ClassVar[str] = "dense_codes"
    group: int
    rounding: str = "q15"
    lo: int = -128
    hi: int = 127

    def arity(self, v: View) -> None:
        v.count(7)

    def shape(self, v: View) -> tuple[int, ...]:
        x, codes = v.x().shape, v.array(1).shape
        fits = len(x) >= 1 and x[-1] > 0 and len(codes) == 2 and codes[0] > 0 and codes[1] == (x[-1] + 1) // 2
        v.need(fits, f"codes {list(codes)} do not fit input {list(x)}")
        return (*x[:-1], codes[0])

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8")
        v.dtype(v.y(), "int8")
        v.dtype(v.x(1), "uint8")
        v.within("group", self.group, 4, 2**24)
        v.need(self.group % 4 == 0, f"group {self.group} is no multiple of 4")
        n = v.y().shape[-1]
        v.constant(2, "int8", (16,))
        v.constant(3, "uint8", (n, -(-v.x().shape[-1] // self.group)))
        v.constant(4, "int32", (n,))
        requantize_ok(v, self.rounding, v.constant(5, "int32", (n,)), v.constant(6, "int32", (n,)))
        v.need(self.rounding != "i64_15", "rounding i64_15 makes int16")
        clamp_ok(v, self.lo, self.hi)

    def weights(self, v: View) -> Array:
        """int64[N,K]: multiplier times table entry."""
        codes, k = v.array(1), v.x().shape[-1]
        w: Array = v.array(2).astype(np.int64)[np.stack([codes & 15, codes >> 4], axis=-1).reshape(len(codes), -1)][:, :k]
        return w * np.repeat(v.array(3).astype(np.int64), self.group, axis=1)[:, :k]

    def bounds(self, v: View) -> Bounds:
        least, most = RANGES["int8"]
        w, zp, bias = self.weights(v), v.x().zero_point, v.array(4).astype(np.int64)
        positive, negative = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
        lo, hi = positive * (least - zp) + negative * (most - zp) + bias, positive * (most - zp) + negative * (least - zp) + bias
        return requantize_bounds(v.node.name, self.rounding, lo, hi, v.array(6))

    def parameters(self, v: View) -> int:
        return v.y().shape[-1] * v.x().shape[-1]

    def macs(self, v: View) -> int:
        return v.y().size * v.x().shape[-1]

    def kwargs(self, v: View) -> dict[str, object]:
        return {**super().kwargs(v), "x_zero_point": v.x().zero_point, "y_zero_point": v.y().zero_point}

    def lower(self, v: View, b: Builder) -> None:
        x = b.shape(v.x())
        row = b.row("dense_codes", "any")
        p = b.new(
            "intq_dense_codes", codes=b.constant(v.array(1), "uint8_t *"), codebook=b.constant(v.array(2), "int8_t *"),
            multipliers=b.constant(v.array(3), "uint8_t *"), finish=b.finish(self.rounding), m=int(np.prod(x[:-1])), n=v.y().shape[-1], k=x[-1],
            group=self.group, groups=v.array(3).shape[1], x_zero_point=v.x().zero_point,
        )  # fmt: skip
        p.bias = b.requant(p.rq, v, self, v.array(4), v.array(5), v.array(6))
        b.prepare(row, p)
        b.step(v, row, p, p.units, 4, reads=[v.node.inputs[0]])
