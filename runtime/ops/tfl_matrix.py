"""Resizing, matrix products and gathering of imported models (kernels/SPEC_tflite.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import RANGES
from .base import Op, View, clamp_ok
from .tfl_elementwise import VARIANT

if TYPE_CHECKING:
    from ..build import Builder

BLOCK = 6 + 64  # rows and columns that kernels of batch_matmul copy out of their operands at a time, each as deep as 64-byte vectors reach


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
        b.scratch_bytes = max(b.scratch_bytes, BLOCK * (-(-depth // 64) * 64))
        least = min(rows, 64)  # a panel of the right side is packed for the rows that a thread takes together
        b.step(v, b.row("tfl_batch_matmul", VARIANT[v.x().dtype]), p, int(np.prod(batch)) * rows, least, list(v.node.inputs))


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
        b.step(v, b.row("tfl_gather", "any"), p, batch * outer, reads=list(v.node.inputs))
