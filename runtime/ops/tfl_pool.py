"""Pooling, reductions and positions of extrema of imported models (kernels/SPEC_tflite.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .base import Op, View, clamp_ok
from .pool import Pool
from .tfl_elementwise import VARIANT, scale_ok

if TYPE_CHECKING:
    from ..build import Builder


class TflAvgPool(Pool, kw_only=True):
    """AVERAGE_POOL_2D: the mean of the raw integers plus `offset` (128 for models of uint8), ties away from zero."""

    op: ClassVar[str] = "tfl_avg_pool"
    offset: int = 0

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.y(), v.x().dtype)
        clamp_ok(v, self.lo, self.hi, v.y().dtype)
        v.within("offset", self.offset, 0, 128)
        v.within("elements of the window", self.kernel[0] * self.kernel[1], 1, 2**15)

    def lower(self, v: View, b: Builder) -> None:
        p = b.new("intq_tfl_pool", **{**self.fields(v, b), "x_zero_point": self.offset})
        b.step(v, b.row("tfl_avg_pool", VARIANT[v.x().dtype]), p, p.n * p.oh)


class TflMaxPool(Pool, kw_only=True):
    """MAX_POOL_2D of 16-bit tensors."""

    op: ClassVar[str] = "tfl_max_pool"

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.y(), v.x().dtype)
        clamp_ok(v, self.lo, self.hi, v.y().dtype)

    def lower(self, v: View, b: Builder) -> None:
        p = b.new("intq_tfl_pool", **self.fields(v, b))
        b.step(v, b.row("tfl_max_pool", VARIANT[v.x().dtype]), p, p.n * p.oh)


class Reduction(Op, kw_only=True):
    """Base: over any axes, which may be kept as 1 or dropped."""

    wants_out_shape: ClassVar[bool] = True
    axes: tuple[int, ...]

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.within("axes", self.axes, 0, len(x) - 1)
        v.need(list(self.axes) == sorted(set(self.axes)), "axes must ascend")
        v.need(len(x) <= 6, "the input has more than 6 dimensions")
        kept = tuple(1 if i in self.axes else d for i, d in enumerate(x))
        dropped = tuple(d for i, d in enumerate(x) if i not in self.axes)
        return v.y().shape if v.y().shape == dropped else kept

    def work(self, v: View) -> int:
        return v.x().size

    def batchable(self, v: View) -> bool:
        return 0 not in self.axes

    def walk(self, v: View, b: Builder, p: Any) -> int:
        """Fill dims and strides of an intq_tfl_reduce: kept axes first, then the reduced ones. Returns the number of outputs."""
        shape = b.shape(v.x())
        step = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
        for name, axes in (("outer", [i for i in range(len(shape)) if i not in self.axes]), ("inner", list(self.axes))):
            dims, strides = getattr(p, f"{name}_dims"), getattr(p, f"{name}_strides")
            for k in range(6):
                at = k - (6 - len(axes))
                dims[k], strides[k] = (shape[axes[at]], step[axes[at]]) if at >= 0 else (1, 0)
        return int(np.prod([shape[i] for i in range(len(shape)) if i not in self.axes]))


class TflSum(Reduction, kw_only=True):
    """SUM, and MEAN over axes that are no neighbours or of 16 bits. `as_bytes`: read as unsigned bytes, as LiteRT's reference kernel does."""

    op: ClassVar[str] = "tfl_sum"
    zero_points: ClassVar[tuple[str, ...]] = ("x", "y")
    multiplier: int
    shift: int
    as_bytes: bool = False
    lo: int
    hi: int

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.y(), v.x().dtype)
        v.need(not self.as_bytes or v.x().dtype == "int8", "as_bytes is for int8")
        scale_ok(v, "", self.multiplier, self.shift)
        clamp_ok(v, self.lo, self.hi, v.y().dtype)
        count = int(np.prod([v.x().shape[a] for a in self.axes], dtype=object))
        v.within("elements summed", count, 1, 2**22 if v.x().dtype == "int8" else 2**14)

    def lower(self, v: View, b: Builder) -> None:
        p = b.new("intq_tfl_reduce", multiplier=self.multiplier, shift=self.shift, as_bytes=int(self.as_bytes), lo=self.lo, hi=self.hi,
                  x_zero_point=v.x().zero_point, y_zero_point=v.y().zero_point)  # fmt: skip
        b.step(v, b.row("tfl_sum", VARIANT[v.x().dtype]), p, self.walk(v, b, p), 64)


class TflReduce(Reduction, kw_only=True):
    """REDUCE_MAX and REDUCE_MIN."""

    op: ClassVar[str] = "tfl_reduce"
    kind: str

    def check(self, v: View) -> None:
        v.dtype(v.x(), *VARIANT)
        v.dtype(v.y(), v.x().dtype)
        v.need(self.kind in ("max", "min"), f"kind {self.kind!r} is unknown; known: max, min")

    def lower(self, v: View, b: Builder) -> None:
        p = b.new("intq_tfl_reduce", kind=int(self.kind == "min"))
        b.step(v, b.row("tfl_reduce", VARIANT[v.x().dtype]), p, self.walk(v, b, p), 64)


class TflArg(Op, kw_only=True):
    """ARG_MAX and ARG_MIN: the first position of the extremum, int32."""

    op: ClassVar[str] = "tfl_arg"
    axis: int
    kind: str

    def shape(self, v: View) -> tuple[int, ...]:
        v.within("axis", self.axis, 0, len(v.x().shape) - 1)
        return v.x().shape[: self.axis] + v.x().shape[self.axis + 1 :]

    def check(self, v: View) -> None:
        v.dtype(v.x(), *VARIANT)
        v.dtype(v.y(), "int32")
        v.need(self.kind in ("max", "min"), f"kind {self.kind!r} is unknown; known: max, min")

    def work(self, v: View) -> int:
        return v.x().size

    def batchable(self, v: View) -> bool:
        return self.axis != 0

    def lower(self, v: View, b: Builder) -> None:
        shape = b.shape(v.x())
        inner = int(np.prod(shape[self.axis + 1 :]))
        p = b.new("intq_tfl_arg", length=shape[self.axis], inner=inner, kind=int(self.kind == "min"))
        b.step(v, b.row("tfl_arg", VARIANT[v.x().dtype]), p, b.size(v.y()), 64)
