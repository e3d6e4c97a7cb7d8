"""Data movement (SPEC 8): no arithmetic, so inputs and outputs share scale and zero point. All become strided copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import DTYPES, RANGES
from .base import MAX_DIM, Op, View

if TYPE_CHECKING:
    from ..build import Builder


def strides(shape: tuple[int, ...]) -> list[int]:
    """Element strides of a dense array."""
    out = [1] * len(shape)
    for i in range(len(shape) - 2, -1, -1):
        out[i] = out[i + 1] * shape[i + 1]
    return out


class Move(Op, kw_only=True):
    def check(self, v: View) -> None:
        for name in (*v.node.inputs, *v.node.outputs):
            t = v.graph.tensors[name]
            v.dtype(t, *DTYPES)
            v.need(t.dtype == v.y().dtype, f"tensor {t.name!r} is {t.dtype}, the output {v.y().dtype}")
            v.need(len(t.shape) <= 6, f"tensor {t.name!r} has more than 6 dimensions")


class Reshape(Move, kw_only=True):
    """The same bytes under another shape; no step at all."""

    op: ClassVar[str] = "reshape"
    wants_out_shape: ClassVar[bool] = True

    def shape(self, v: View) -> tuple[int, ...]:
        v.need(v.x().size == v.y().size, f"{list(v.x().shape)} does not reshape to {list(v.y().shape)}")
        return v.y().shape

    def lower(self, v: View, b: Builder) -> None:
        b.alias(v.node.outputs[0], v.node.inputs[0])


class Concat(Move, kw_only=True):
    """1 to 4096 inputs, one after the other along `axis`."""

    op: ClassVar[str] = "concat"
    axis: int

    def arity(self, v: View) -> None:
        v.need(1 <= len(v.node.inputs) <= 4096 and len(v.node.outputs) == 1, "takes 1 to 4096 inputs and has 1 output")

    def shape(self, v: View) -> tuple[int, ...]:
        shapes = [v.x(i).shape for i in range(len(v.node.inputs))]
        v.within("axis", self.axis, 0, len(shapes[0]) - 1)
        rest = [s[: self.axis] + s[self.axis + 1 :] for s in shapes]
        same = all(r == rest[0] and len(s) == len(shapes[0]) for r, s in zip(rest, shapes, strict=True))
        v.need(same, f"shapes {[list(s) for s in shapes]} do not fit")
        return (*shapes[0][: self.axis], sum(s[self.axis] for s in shapes), *shapes[0][self.axis + 1 :])

    def batchable(self, v: View) -> bool:
        return self.axis != 0 and not any(v.is_constant(i) for i in range(len(v.node.inputs)))

    def lower(self, v: View, b: Builder) -> None:
        ys, at = strides(b.shape(v.y())), 0
        for i in range(len(v.node.inputs)):
            shape = b.shape(v.x(i))
            b.copy(v, v.node.inputs[i], shape, strides(shape), ys, y_offset=at * ys[self.axis])
            at += shape[self.axis]


class Pad(Move, kw_only=True):
    """`before` and `after` elements of `value` around each axis."""

    op: ClassVar[str] = "pad"
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.need(len(self.before) == len(self.after) == len(x), "before and after need one entry per dimension")
        v.within("before, after", self.before + self.after, 0, 2**20)
        return tuple(d + a + c for d, a, c in zip(x, self.before, self.after, strict=True))

    def check(self, v: View) -> None:
        super().check(v)
        v.within("value", self.value, *RANGES[v.x().dtype])

    def batchable(self, v: View) -> bool:
        return self.before[0] == self.after[0] == 0

    def lower(self, v: View, b: Builder) -> None:
        shape, ys = b.shape(v.x()), strides(b.shape(v.y()))
        b.fill(v, self.value)
        b.copy(v, v.node.inputs[0], shape, strides(shape), ys, y_offset=sum(p * s for p, s in zip(self.before, ys, strict=True)))


class Slice(Move, kw_only=True):
    """Element i of an axis is x[begin + i * step]; the size is the output's. Steps may be negative, or 0 to repeat one element."""

    op: ClassVar[str] = "slice"
    wants_out_shape: ClassVar[bool] = True
    begin: tuple[int, ...]
    step: tuple[int, ...]

    def shape(self, v: View) -> tuple[int, ...]:
        x, y = v.x().shape, v.y().shape
        v.need(len(self.begin) == len(self.step) == len(x) == len(y), "begin, step and output need one entry per dimension")
        v.within("step", self.step, -MAX_DIM, MAX_DIM)
        for b, s, d, n in zip(self.begin, self.step, x, y, strict=True):
            v.need(n > 0 and 0 <= b < d and 0 <= b + (n - 1) * s < d, f"begin {list(self.begin)}, step {list(self.step)} leave the input {list(x)}")
        return y

    def batchable(self, v: View) -> bool:
        return self.begin[0] == 0 and self.step[0] == 1

    def lower(self, v: View, b: Builder) -> None:
        xs, y = strides(b.shape(v.x())), b.shape(v.y())
        offset = sum(at * s for at, s in zip(self.begin, xs, strict=True))
        b.copy(v, v.node.inputs[0], y, [s * t for s, t in zip(xs, self.step, strict=True)], strides(y), x_offset=offset)


class Transpose(Move, kw_only=True):
    """Axis i of the output is axis perm[i] of the input."""

    op: ClassVar[str] = "transpose"
    perm: tuple[int, ...]

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.need(sorted(self.perm) == list(range(len(x))), f"perm {list(self.perm)} is no permutation of {len(x)} axes")
        return tuple(x[p] for p in self.perm)

    def batchable(self, v: View) -> bool:
        return self.perm[0] == 0

    def lower(self, v: View, b: Builder) -> None:
        xs, y = strides(b.shape(v.x())), b.shape(v.y())
        b.copy(v, v.node.inputs[0], y, [xs[p] for p in self.perm], strides(y))


class Gather(Move, kw_only=True):
    """x, index[n] int32: positions along one axis, constant."""

    op: ClassVar[str] = "gather"
    axis: int

    def arity(self, v: View) -> None:
        v.count(2)

    def shape(self, v: View) -> tuple[int, ...]:
        x = v.x().shape
        v.within("axis", self.axis, 0, len(x) - 1)
        return (*x[: self.axis], v.x(1).size, *x[self.axis + 1 :])

    def check(self, v: View) -> None:
        v.dtype(v.x(), *DTYPES)
        v.need(v.x().dtype == v.y().dtype, "input and output dtypes differ")
        index_ok(v, 1, v.x().shape[self.axis])

    def batchable(self, v: View) -> bool:
        return self.axis != 0

    def lower(self, v: View, b: Builder) -> None:
        b.gather(v, v.node.inputs[0], v.node.outputs[0], b.shape(v.x()), self.axis, v.array(1))


class ResizeNearest(Move, kw_only=True):
    """x[N,H,W,C], rows[OH] int32, cols[OW] int32: y[n,i,j] = x[n, rows[i], cols[j]]."""

    op: ClassVar[str] = "resize_nearest"

    def arity(self, v: View) -> None:
        v.count(3)

    def shape(self, v: View) -> tuple[int, ...]:
        v.need(len(v.x().shape) == 4, "input must have 4 dimensions")
        return v.x().shape[0], v.x(1).size, v.x(2).size, v.x().shape[3]

    def check(self, v: View) -> None:
        v.dtype(v.x(), *DTYPES)
        v.need(v.x().dtype == v.y().dtype, "input and output dtypes differ")
        index_ok(v, 1, v.x().shape[1])
        index_ok(v, 2, v.x().shape[2])

    def lower(self, v: View, b: Builder) -> None:
        n, _, w, c = b.shape(v.x())
        rows, cols = v.array(1), v.array(2)
        middle = b.temporary(v, n * len(rows) * w * c)
        b.gather(v, v.node.inputs[0], middle, b.shape(v.x()), 1, rows)
        b.gather(v, middle, v.node.outputs[0], (n, len(rows), w, c), 2, cols)


def index_ok(v: View, i: int, size: int) -> None:
    index = v.array(i)
    v.need(index.dtype == np.int32 and index.ndim == 1 and index.size > 0, f"input {i} must be a list of int32")
    v.need(bool((index >= 0).all() and (index < size).all()), f"input {i} has an index outside 0..{size - 1}")
