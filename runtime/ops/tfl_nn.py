"""Pooling, reductions, normalizations, resizing and matrix products of imported models (kernels/SPEC_tflite.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..graph import RANGES
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
    op: ClassVar[str] = "tfl_l2_normalization"
    zero_point: int

    def check(self, v: View) -> None:
        super().check(v)
        v.within("zero_point", self.zero_point, -128, 127)
        v.need(v.x().shape[-1] <= 2**15, "the last axis has more than 2^15 elements")

    def lower(self, v: View, b: Builder) -> None:
        rows, cols = self.rows(v, b)
        p = b.new("intq_tfl_rows", cols=cols, x_zero_point=self.zero_point)
        b.step(v, b.row("tfl_l2_normalization", "s8"), p, rows, max(1, 4096 // cols))


class TflResizeBilinear(Op, kw_only=True):
    """RESIZE_BILINEAR; rows[OH,3] and cols[OW,3] hold first line, second line, weight of the second in 1/1024."""

    op: ClassVar[str] = "tfl_resize_bilinear"

    def arity(self, v: View) -> None:
        v.count(3)

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.need(len(x) == 4 and len(v.x(1).shape) == 2 == len(v.x(2).shape), "input must have 4 dimensions, the line tables 2")
        return x[0], v.x(1).shape[0], v.x(2).shape[0], x[3]

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.y(), v.x().dtype)
        for i, size in ((1, v.x().shape[1]), (2, v.x().shape[2])):
            lines = v.constant(i, "int32", (v.y().shape[i], 3))
            v.need(bool((lines[:, :2] >= 0).all() and (lines[:, :2] < size).all()), f"input {i} has a line outside 0..{size - 1}")
            v.need(bool((np.abs(lines[:, 2].astype(np.int64)) <= 2**20).all()), f"input {i} has a weight outside of +-2^20")

    def lower(self, v: View, b: Builder) -> None:
        n, h, w, c = b.shape(v.x())
        rows, cols = (b.constant(v.array(i), "int32_t *") for i in (1, 2))
        p = b.new("intq_tfl_resize", n=n, h=h, w=w, c=c, oh=v.y().shape[1], ow=v.y().shape[2], rows=rows, cols=cols)
        b.step(v, b.row("tfl_resize_bilinear", VARIANT[v.x().dtype]), p, n * v.y().shape[1], reads=[v.node.inputs[0]])


class TflBatchMatmul(Op, kw_only=True):
    """BATCH_MATMUL: matrix products over the last two axes, the others broadcast."""

    op: ClassVar[str] = "tfl_batch_matmul"
    zero_points: ClassVar[tuple[str, ...]] = ("a", "b", "y")
    adj_a: bool = False
    adj_b: bool = False
    multiplier: int
    shift: int
    rounding: str
    lo: int
    hi: int

    def arity(self, v: View) -> None:
        v.count(2)

    def sizes(self, v: View) -> tuple[int, int, int, tuple[int, ...]]:
        """(rows, depth, columns, batch dimensions)."""
        a, b = v.x(0).shape, v.x(1).shape
        v.need(2 <= len(a) <= 6 and 2 <= len(b) <= 6, "operands must have 2 to 6 dimensions")
        rows, depth = (a[-1], a[-2]) if self.adj_a else (a[-2], a[-1])
        depth_b, cols = (b[-1], b[-2]) if self.adj_b else (b[-2], b[-1])
        v.need(depth == depth_b, f"shapes {list(a)} and {list(b)} do not multiply")
        try:
            return rows, depth, cols, tuple(np.broadcast_shapes(a[:-2], b[:-2]))
        except ValueError:
            v.fail(f"shapes {list(a)} and {list(b)} do not broadcast")

    def shape(self, v: View) -> tuple[int, ...]:
        rows, _, cols, batch = self.sizes(v)
        return (*batch, rows, cols)

    def check(self, v: View) -> None:
        v.dtype(v.x(0), "int8", "int16")
        v.dtype(v.x(1), "int8", v.x(0).dtype)
        v.dtype(v.y(), v.x().dtype)
        clamp_ok(v, self.lo, self.hi, v.y().dtype)
        wide = v.x().dtype == "int16"
        v.need(self.rounding == ("i64_15" if wide else "q31_double"), f"rounding {self.rounding!r} does not belong to {v.x().dtype}")
        v.within("multiplier", self.multiplier, 0, 2**31 - 1)
        v.within("shift", self.shift, -31, 14 if wide else 30)
        depth = self.sizes(v)[1]
        reach = [max(abs(e - v.x(i).zero_point) for e in RANGES[v.x(i).dtype]) for i in (0, 1)]
        limit = 2**47 if wide else 2 ** (31 - max(self.shift, 0))
        v.need(depth * reach[0] * reach[1] < limit, f"a sum of {depth} products may leave its accumulator")

    def macs(self, v: View) -> int:
        return v.y().size * self.sizes(v)[1]

    def batchable(self, v: View) -> bool:
        ranks = {len(v.x(i).shape) for i in (0, 1)}
        return min(ranks) > 2 and len(ranks) == 1 and not v.is_constant(0) and not v.is_constant(1)

    def lower(self, v: View, b: Builder) -> None:
        rows, depth, cols, _ = self.sizes(v)
        batch = b.shape(v.y())[:-2]
        p = b.new("intq_tfl_matmul", rows=rows, depth=depth, cols=cols, adj_a=int(self.adj_a), adj_b=int(self.adj_b),
                  b_size=np.dtype(v.x(1).dtype).itemsize, multiplier=self.multiplier, shift=self.shift, lo=self.lo, hi=self.hi,
                  a_zero_point=v.x(0).zero_point, b_zero_point=v.x(1).zero_point, y_zero_point=v.y().zero_point)  # fmt: skip
        for k in range(4):
            p.batch[k] = batch[k - (4 - len(batch))] if k >= 4 - len(batch) else 1
            for i, strides in ((0, p.stride_a), (1, p.stride_b)):
                shape = b.shape(v.x(i))
                at = k - 4 + len(shape) - 2
                strides[k] = int(np.prod(shape[at + 1 :])) if at >= 0 and shape[at] > 1 else 0
        b.step(v, b.row("tfl_batch_matmul", VARIANT[v.x().dtype]), p, int(np.prod(batch)) * rows)


class TflGather(Op, kw_only=True):
    """GATHER with positions made while running."""

    op: ClassVar[str] = "tfl_gather"
    axis: int
    batch_dims: int = 0

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        x, index = v.x(0).shape, v.x(1).shape
        v.within("axis", self.axis, 0, len(x) - 1)
        v.within("batch_dims", self.batch_dims, 0, min(self.axis, len(index)))
        v.need(x[: self.batch_dims] == index[: self.batch_dims], f"shapes {list(x)} and {list(index)} differ in the batch")
        return x[: self.axis] + index[self.batch_dims :] + x[self.axis + 1 :]

    def check(self, v: View) -> None:
        v.dtype(v.x(0), *VARIANT)
        v.dtype(v.x(1), "int32")
        v.dtype(v.y(), v.x().dtype)

    def batchable(self, v: View) -> bool:
        return False

    def lower(self, v: View, b: Builder) -> None:
        x, index = b.shape(v.x(0)), b.shape(v.x(1))
        batch = int(np.prod(x[: self.batch_dims]))
        outer, inner = int(np.prod(x[self.batch_dims : self.axis])), int(np.prod(x[self.axis + 1 :])) * np.dtype(v.x().dtype).itemsize
        p = b.new("intq_tfl_gather", outer=outer, axis=x[self.axis], count=int(np.prod(index[self.batch_dims :])), inner_bytes=inner)
        b.step(v, b.row("tfl_gather", "any"), p, batch * outer)
