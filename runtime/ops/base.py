"""What an op of the graph is: typed attributes, a shape rule, checks, bounds, and how it becomes C steps.

Adding an op is adding a class in a file of this folder (found by import), a function of its name in kernels/ref.py, a kernel and its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import msgspec
import numpy as np

from ..errors import FormatError
from ..graph import RANGES, Array, Attrs, Graph, Node, Tensor

if TYPE_CHECKING:
    from ..build import Builder

REGISTRY: dict[str, type[Op]] = {}
MAX_DIM = 2**24
INT32_MAX = 2**31 - 1


class Bound(msgspec.Struct, frozen=True):
    """The proven range of one channel's accumulator, rounding constant included, and the magnitude it must stay below."""

    node: str
    channel: int
    lo: int
    hi: int
    limit: int


class Bounds(msgspec.Struct, frozen=True):
    """The bounds of a node's channels as int64 arrays: lo, hi with the rounding constant, and the limits they must stay below."""

    node: str
    lo: Array
    hi: Array
    limit: Array

    def unsafe(self) -> int | None:
        """The first channel that could leave its limit, or None."""
        bad = np.maximum(-self.lo, self.hi) >= self.limit
        return int(bad.argmax()) if bad.any() else None

    def row(self, i: int) -> Bound:
        return Bound(self.node, i, int(self.lo[i]), int(self.hi[i]), int(self.limit[i]))


class View:
    """One node within its graph: its tensors and constants by position, and failures that name the place."""

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node

    def x(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.node.inputs[i]]

    def y(self, i: int = 0) -> Tensor:
        return self.graph.tensors[self.node.outputs[i]]

    def array(self, i: int) -> Array:
        name = self.node.inputs[i]
        if name not in self.graph.constants:
            self.fail(f"input {i} ({name!r}) must be a constant")
        return self.graph.constants[name]

    def is_constant(self, i: int) -> bool:
        return self.node.inputs[i] in self.graph.constants

    def fail(self, reason: str) -> NoReturn:
        raise FormatError(f"node {self.node.name!r} ({self.node.op}): {reason}")

    def need(self, condition: bool, reason: str) -> None:
        if not condition:
            self.fail(reason)

    def count(self, inputs: int, outputs: int = 1) -> None:
        self.need(len(self.node.inputs) == inputs, f"takes {inputs} inputs, has {len(self.node.inputs)}")
        self.need(len(self.node.outputs) == outputs, f"has {outputs} outputs, not {len(self.node.outputs)}")

    def dtype(self, tensor: Tensor, *allowed: str) -> None:
        self.need(tensor.dtype in allowed, f"tensor {tensor.name!r} is {tensor.dtype}; allowed: {', '.join(allowed)}")

    def within(self, what: str, value: int | Sequence[int], lo: int, hi: int) -> None:
        values = (value,) if isinstance(value, int) else value
        self.need(all(lo <= v <= hi for v in values), f"{what} {value} is not within {lo}..{hi}")

    def constant(self, i: int, dtype: str, shape: tuple[int, ...]) -> Array:
        """A constant input, checked for dtype and shape."""
        a = self.array(i)
        self.need(str(a.dtype) == dtype and a.shape == shape, f"input {i} must be {dtype}{list(shape)}, is {a.dtype}{list(a.shape)}")
        return a


class Op(Attrs, kw_only=True):
    """Base of all ops. A subclass sets `op`, and `zero_points`: names of the zero points its reference takes, inputs then output."""

    op: ClassVar[str] = ""
    zero_points: ClassVar[tuple[str, ...]] = ()
    wants_out_shape: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__dict__.get("op"):
            REGISTRY[cls.op] = cls

    def arity(self, v: View) -> None:
        """Check the numbers of inputs and outputs; runs before anything else."""
        v.count(1)

    def shape(self, v: View) -> tuple[int, ...]:
        """Shape of the first output, from the inputs and attributes; fails where they do not fit."""
        raise FormatError(f"{self.op} has no shape rule")

    def check(self, v: View) -> None:
        """Everything that a kernel relies on besides shapes: dtypes, ranges, constants."""

    def bounds(self, v: View) -> Bounds | None:
        """Proven accumulator ranges, one per channel; None where nothing accumulates."""
        return None

    def parameters(self, v: View) -> int:
        """Weights that it holds, whatever their bits."""
        return 0

    def macs(self, v: View) -> int:
        """Multiply-accumulates of one sample."""
        return 0

    def work(self, v: View) -> int:
        """An upper limit of elementary steps, which `max_macs` bounds."""
        return max(self.macs(v), v.y().size)

    def batchable(self, v: View) -> bool:
        """Whether axis 0 may grow from 1 to any batch without changing a sample's result."""
        return True

    def kwargs(self, v: View) -> dict[str, Any]:
        """Keyword arguments of the reference and Numba functions."""
        found: dict[str, Any] = msgspec.structs.asdict(self)
        for i, name in enumerate(self.zero_points[:-1]):
            found[f"{name}_zero_point"] = v.x(i).zero_point
        if self.zero_points:
            found[f"{self.zero_points[-1]}_zero_point"] = v.y().zero_point
        if self.wants_out_shape:
            found["out_shape"] = v.y().shape
        return found

    def lower(self, v: View, b: Builder) -> None:
        """Append the C steps to the plan being built."""
        raise FormatError(f"{self.op} has no C kernel")


def clamp_ok(v: View, lo: int, hi: int, dtype: str = "int8") -> None:
    least, most = RANGES[dtype]
    v.need(least <= lo <= hi <= most, f"clamp [{lo}, {hi}] is not an interval within {dtype}")


def requantize_ok(v: View, rounding: str, multiplier: Array, shift: Array) -> None:
    """Ranges of multiplier and shift that every kernel relies on (SPEC 3)."""
    m, s = multiplier.astype(np.int64), shift.astype(np.int64)
    rules = {
        "q15": (2**14, 2**15 - 1, -31, 25),
        "shift": (-(2**31), 2**31 - 1, -31, 0),
        "q31_single": (0, 2**31 - 1, -31, 30),
        "q31_double": (0, 2**31 - 1, -31, 30),
        "i64_15": (0, 2**31 - 1, -31, 14),
    }
    v.need(rounding in rules, f"rounding {rounding!r} is unknown; known: {', '.join(rules)}")
    m_lo, m_hi, s_lo, s_hi = rules[rounding]
    v.need(bool(((m >= m_lo) & (m <= m_hi)).all()), f"a multiplier is outside {m_lo}..{m_hi} ({rounding})")
    v.need(bool(((s >= s_lo) & (s <= s_hi)).all()), f"a shift is outside {s_lo}..{s_hi} ({rounding})")


def requantize_bounds(name: str, rounding: str, lo: Array, hi: Array, shift: Array) -> Bounds:
    """Bounds of accumulators lo..hi (with bias, int64) under a rounding: its constant added, its left shift taken off the limit."""
    e = shift.astype(np.int64)
    right, left = np.maximum(-e, 0), np.maximum(e, 0)
    r = (np.int64(1) << right) >> 1 if rounding in ("q15", "shift") else np.zeros_like(right)
    limit = np.full(len(e), 2**47, np.int64) if rounding == "i64_15" else np.int64(1) << (31 - left)
    return Bounds(name, lo, hi + r, limit)
