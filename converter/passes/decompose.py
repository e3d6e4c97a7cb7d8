"""Operators without an integer kernel of their own, written with those that have one. Functions `fn(builder)`, tried in turn.

Each expression is exact in float; what it costs in integers is one rounding per node it is made of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ir import Array, Float, Node, Value
from ..onnx.single import evaluate

Rule = Callable[["Builder"], bool]
RULES: dict[str, list[Rule]] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        for op in ops:
            RULES.setdefault(op, []).append(function)
        return function

    return register


class Builder:
    """Collects the nodes that replace one node; `done` names the value that takes its place."""

    def __init__(self, net: Float, node: Node) -> None:
        self.net, self.node, self.nodes = net, node, list[Node]()

    @property
    def x(self) -> str:
        return self.node.inputs[0]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.net.shape(self.x)

    def constant(self, label: str, value: Array | float | list[int]) -> str:
        array = np.asarray(value, np.int64) if isinstance(value, list) else np.asarray(value)
        return self.net.constant(f"{self.node.name}/{label}", array.astype(np.float32) if array.dtype.kind == "f" else array)

    def add(self, op: str, inputs: list[str], shape: tuple[int, ...] | None = None, **attrs: object) -> str:
        """Append a node; `shape` defaults to that of the source's output."""
        label = f"{self.node.name}/{op}{len(self.nodes)}"
        output = self.net.fresh(f"{self.node.output}/{op}{len(self.nodes)}")
        self.net.values[output] = Value(shape or self.net.shape(self.node.output))
        self.nodes.append(Node(label, op, inputs, [output], dict(attrs)))
        return output

    def done(self, name: str) -> bool:
        self.nodes[-1].outputs = [self.node.output if output == name else output for output in self.nodes[-1].outputs]
        self.nodes[-1].name = self.node.name
        return True

    def computed(self, *names: str) -> bool:
        return all(name and name not in self.net.constants for name in names)

    def ints(self, position: int, attribute: str, default: list[int]) -> list[int] | None:
        if attribute in self.node.attrs:
            return [int(v) for v in self.node.attrs[attribute]]
        if len(self.node.inputs) > position and self.node.inputs[position]:
            array = self.net.constants.get(self.node.inputs[position])
            return None if array is None else [int(v) for v in array.reshape(-1)]
        return default


def decompose(net: Float) -> None:
    result: list[Node] = []
    for node in net.nodes:
        for applies in RULES.get(node.op, []):
            builder = Builder(net, node)
            if applies(builder):
                result += builder.nodes
                break
        else:
            result.append(node)
    net.nodes = result


@rule("Sum", "Max", "Min")
def many(b: Builder) -> bool:
    """Pairs in turn; max(a, b) = b + relu(a - b), min(a, b) = a - relu(a - b)."""
    names = b.node.inputs
    numbers = all(name not in b.net.constants or b.net.constants[name].size == 1 for name in names)
    if len(names) < 2 or (b.node.op != "Sum" and numbers and sum(b.computed(name) for name in names) < 2):
        return False  # one tensor and numbers: a table
    total = names[0]
    for other in names[1:]:
        shape = tuple(np.broadcast_shapes(b.net.shape(total), b.net.shape(other)))
        if b.node.op == "Sum":
            total = b.add("Add", [total, other], shape)
        else:
            above = b.add("Relu", [b.add("Sub", [total, other], shape)], shape)
            total = b.add("Add", [other, above], shape) if b.node.op == "Max" else b.add("Sub", [total, above], shape)
    return b.done(total)


@rule("Div")
def divide(b: Builder) -> bool:
    """a / b = a * (1 / b), the reciprocal by a table; a constant is inverted here."""
    divisor = b.net.constants.get(b.node.inputs[1])
    if divisor is not None:
        axes = sum(size != 1 for size in divisor.shape)
        if (axes < 2 and not b.net.whole) or divisor.size == 1 or not np.all(divisor) or divisor.dtype.kind != "f":
            return False  # a number, or one number per channel
        return b.done(b.add("Mul", [b.node.inputs[0], b.constant("inverse", 1 / divisor)]))
    if not b.computed(*b.node.inputs):
        return False
    inverse = b.add("Reciprocal", [b.node.inputs[1]], b.net.shape(b.node.inputs[1]))
    return b.done(b.add("Mul", [b.node.inputs[0], inverse]))


@rule("Where")
def where(b: Builder) -> bool:
    """A constant mask: x * m + y * (1 - m), for x or y constant."""
    mask, x, y = b.node.inputs
    if b.computed(mask) or b.computed(x, y) or b.net.constants[mask].size == 1:
        return False
    m = b.net.constants[mask].astype(np.float32)
    if b.computed(x):
        kept, other = b.add("Mul", [x, b.constant("mask", m)]), np.where(m, np.float32(0), b.net.constants[y])
    else:
        kept, other = b.add("Mul", [y, b.constant("mask", 1 - m)]), np.where(m, b.net.constants[x], np.float32(0))
    return b.done(b.add("Add", [kept, b.constant("other", other)]))


@rule("PRelu")
def prelu(b: Builder) -> bool:
    """relu(x) + slope * min(x, 0); a single slope is a table already."""
    if not b.computed(b.x) or b.computed(b.node.inputs[1]) or b.net.constants[b.node.inputs[1]].size == 1:
        return False
    positive = b.add("Relu", [b.x])
    negative = b.add("Min", [b.x, b.constant("zero", 0.0)])
    return b.done(b.add("Add", [positive, b.add("Mul", [negative, b.node.inputs[1]])]))


@rule("ReduceMin")
def reduce_min(b: Builder) -> bool:
    """min(x) = -max(-x)"""
    negative = b.add("Neg", [b.x], b.shape)
    attrs = {key: value for key, value in b.node.attrs.items() if key in ("keepdims", "axes", "noop_with_empty_axes")}
    return b.done(b.add("Neg", [b.add("ReduceMax", [negative, *b.node.inputs[1:]], **attrs)]))


@rule("ReduceL2", "ReduceSumSquare", "ReduceL1")
def reduce_norm(b: Builder) -> bool:
    every = list(range(len(b.shape)))
    axes = b.ints(1, "axes", every)
    if axes is None or (not axes and b.node.attrs.get("noop_with_empty_axes")):
        return False
    axes = axes or every
    inner = b.add("Abs", [b.x], b.shape) if b.node.op == "ReduceL1" else b.add("Mul", [b.x, b.x], b.shape)
    total = b.add("ReduceSum", [inner, b.constant("axes", axes)], keepdims=b.node.attrs.get("keepdims", 1))
    return b.done(b.add("Sqrt", [total]) if b.node.op == "ReduceL2" else total)


@rule("LpNormalization")
def lp_normalization(b: Builder) -> bool:
    """x / ||x||_p along one axis, p = 1 or 2."""
    axis = b.node.attrs.get("axis", -1) % len(b.shape)
    kept = tuple(1 if a == axis else size for a, size in enumerate(b.shape))
    square = b.node.attrs.get("p", 2) == 2
    inner = b.add("Mul", [b.x, b.x]) if square else b.add("Abs", [b.x])
    total = b.add("ReduceSum", [inner, b.constant("axes", [axis])], kept, keepdims=1)
    norm = b.add("Sqrt", [total], kept) if square else total
    safe = b.add("Max", [norm, b.constant("tiny", 1e-12)], kept)  # a vector of zeros stays one
    return b.done(b.add("Mul", [b.x, b.add("Div", [b.add("Sign", [norm], kept), safe], kept)]))


@rule("MatMul")
def batched_matmul(b: Builder) -> bool:
    """A constant right side that is a vector, or a stack of matrices along one axis (attention heads): a linear layer for each."""
    x, right = b.node.inputs
    if not b.computed(x) or right not in b.net.constants or b.net.constants[right].ndim == 2:
        return False
    weight, out = b.net.constants[right], b.net.shape(b.node.output)
    if len(b.shape) == 1 and weight.ndim == 3:  # a vector times every matrix is a vector times all their columns
        row = b.add("Reshape", [x, b.constant("row", [1, *b.shape])], (1, *b.shape))
        columns = np.moveaxis(weight, 0, 1).reshape(weight.shape[1], -1)
        product = b.add("MatMul", [row, b.constant("columns", columns)], (1, columns.shape[1]))
        return b.done(b.add("Reshape", [product, b.constant("shape", list(out))]))
    if weight.ndim == 1:
        product = b.add("MatMul", [x, b.constant("column", weight[:, None])], (*out, 1))
        return b.done(b.add("Reshape", [product, b.constant("shape", [0, *out[1:]])]))
    axes = [axis for axis, size in enumerate(weight.shape[:-2]) if size > 1]
    if len(axes) > 1 or weight.ndim != len(out) or len(b.shape) != len(out) or (axes == [0] and not b.net.whole):
        return False
    if not axes:
        return b.done(b.add("MatMul", [x, b.constant("matrix", weight.reshape(weight.shape[-2:]))]))
    axis, count = axes[0], weight.shape[axes[0]]
    one = tuple(1 if a == axis else size for a, size in enumerate(b.shape))
    parts = []
    for i, matrix in enumerate(weight.reshape(count, *weight.shape[-2:])):
        part = x
        if b.shape[axis] > 1:
            limits = [b.constant(label, [value]) for label, value in (("start", i), ("end", i + 1), ("axis", axis))]
            part = b.add("Slice", [x, *limits], one)
        parts.append(b.add("MatMul", [part, b.constant("matrix", matrix)], tuple(1 if a == axis else size for a, size in enumerate(out))))
    return b.done(b.add("Concat", parts, axis=axis))


@rule("Gemm")
def gemm(b: Builder) -> bool:
    """A transposed left side, or a matrix added: alpha * A^T @ B, then + beta * C. Other forms are linear layers as they are."""
    a, weight, added = [*b.node.inputs, ""][:3]
    matrix = b.net.constants.get(added)
    if not b.computed(a) or weight not in b.net.constants or (added and matrix is None):
        return False
    separate = matrix is not None and matrix.ndim > 1 and matrix.shape[0] != 1
    if not b.node.attrs.get("transA") and not separate:
        return False
    if b.node.attrs.get("transA"):
        a = b.add("Transpose", [a], b.shape[::-1], perm=[1, 0])
    attrs = {key: value for key, value in b.node.attrs.items() if key != "transA"}
    if matrix is None or not separate:
        return b.done(b.add("Gemm", [a, weight, *([added] if added else [])], **attrs))
    product = b.add("Gemm", [a, weight], **attrs)
    return b.done(b.add("Add", [product, b.constant("matrix", matrix * attrs.get("beta", 1.0))]))


@rule("LRN")
def lrn(b: Builder) -> bool:
    """x * (bias + alpha / size * (sum of squares over `size` channels)) ^ -beta; the sum is a 1x1 convolution with a band of ones."""
    channels, size = b.shape[1], b.node.attrs["size"]
    before, after = (size - 1) // 2, size - 1 - (size - 1) // 2
    offset = np.arange(channels)[None, :] - np.arange(channels)[:, None]
    band = ((offset >= -before) & (offset <= after)).astype(np.float32) * (b.node.attrs.get("alpha", 1e-4) / size)
    weight = b.constant("band", band.reshape(channels, channels, *[1] * (len(b.shape) - 2)))
    bias = b.constant("bias", np.full(channels, b.node.attrs.get("bias", 1.0)))
    total = b.add("Conv", [b.add("Mul", [b.x, b.x]), weight, bias])
    return b.done(b.add("Mul", [b.x, b.add("Pow", [total, b.constant("beta", -float(b.node.attrs.get("beta", 0.75)))])]))


@rule("Resize")
def resize(b: Builder) -> bool:
    """Linear and cubic interpolation are matrices along one axis after the other: the operator applied to the unit vectors."""
    if b.node.attrs.get("mode", "nearest") == "nearest" or not b.computed(b.x):
        return False
    if np.any(evaluate(b.net, b.node, np.zeros(b.shape, np.float32))):
        return False  # it puts a constant outside the image
    out, current, name = b.net.shape(b.node.output), list(b.shape), b.x
    axes = [axis for axis in range(len(out)) if out[axis] != current[axis]]
    if not axes or min(axes) == 0 or len(out) != len(current):
        return False
    for axis in axes:
        matrix = np.stack([_column(b, axis, index) for index in range(current[axis])], axis=1)  # [out, in]
        perm = [a for a in range(len(out)) if a != axis] + [axis]
        turned = b.add("Transpose", [name], tuple(current[a] for a in perm), perm=perm)
        current[axis] = out[axis]
        inputs = [turned, b.constant(f"matrix{axis}", matrix), b.constant(f"zero{axis}", np.zeros(out[axis]))]
        product = b.add("Linear", inputs, tuple(current[a] for a in perm))
        name = b.add("Transpose", [product], tuple(current), perm=[int(v) for v in np.argsort(perm)])
    return b.done(name)


def _column(b: Builder, axis: int, index: int) -> Array:
    """What the operator makes of an image that is 1 at one position of an axis and constant along the others."""
    unit = np.zeros(b.shape[axis], np.float32)
    unit[index] = 1
    image = np.broadcast_to(unit.reshape([-1 if a == axis else 1 for a in range(len(b.shape))]), b.shape)
    return np.moveaxis(evaluate(b.net, b.node, np.ascontiguousarray(image)), axis, 0).reshape(b.net.shape(b.node.output)[axis], -1)[:, 0]
