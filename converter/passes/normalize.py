"""Normalizations over the values of one sample, written with operators that have an integer form. Each rule is `fn(builder)` as in `decompose`."""

from __future__ import annotations

import math

import numpy as np

from ...ops.standardize import MOST
from ..ir import Array
from .decompose import Builder, rule


def reduced(b: Builder, op: str, x: str, kept: tuple[int, ...], axes: list[int]) -> str:
    """A reduction that keeps its axes; they are an input from opset 18 on (ReduceSum: 13)."""
    if b.net.opset >= 18:
        return b.add(op, [x, b.constant("axes", axes)], kept, keepdims=1)
    return b.add(op, [x], kept, keepdims=1, axes=axes)


def standardized(b: Builder, x: str, shape: tuple[int, ...], axes: list[int], epsilon: float) -> str:
    """(x - mean) / sqrt(variance + epsilon), mean and variance along `axes` of a value of `shape`."""
    if math.prod(shape[axis] for axis in axes) > MOST:
        return in_steps(b, x, shape, axes, epsilon)[0]
    return b.add("Standardize", [x], shape, axes=axes, epsilon=float(epsilon))


def in_steps(b: Builder, x: str, shape: tuple[int, ...], axes: list[int], epsilon: float) -> tuple[str, str, str]:
    """The same, and the mean and the factor, for more elements than the operator takes or where the source has names for those two."""
    kept = tuple(1 if a in axes else size for a, size in enumerate(shape))
    mean = reduced(b, "ReduceMean", x, kept, axes)
    centred = b.add("Sub", [x, mean], shape)
    variance = reduced(b, "ReduceMean", b.add("Mul", [centred, centred], shape), kept, axes)
    deviation = b.add("Sqrt", [b.add("Add", [variance, b.constant("epsilon", float(epsilon))], kept)], kept)
    factor = b.add("Reciprocal", [deviation], kept)
    return b.add("Mul", [centred, factor], shape), mean, factor


def affine(b: Builder, x: str, shape: tuple[int, ...], scale: Array, bias: Array | None) -> str:
    """scale * x + bias, constants that broadcast to `shape`."""
    y = b.add("Mul", [x, b.constant("scale", scale)], shape)
    return y if bias is None else b.add("Add", [y, b.constant("bias", bias)], shape)


def parameters(b: Builder) -> list[Array | None] | None:
    """The constant scale and bias (None: absent), or None where one is computed."""
    names = [*b.node.inputs, "", ""][1:3]
    if not b.computed(b.x) or any(name and name not in b.net.constants for name in names):
        return None
    return [b.net.constants[name] if name else None for name in names]


@rule("LayerNormalization")
def layer_normalization(b: Builder) -> bool:
    """Mean and variance along the last axes (Ba et al. 2016, arXiv:1607.06450)."""
    found = parameters(b)
    axis = int(b.node.attrs.get("axis", -1)) % len(b.shape)
    if found is None or found[0] is None or (axis == 0 and not b.net.whole):
        return False
    axes, epsilon = list(range(axis, len(b.shape))), b.node.attrs.get("epsilon", 1e-5)
    if not any(b.node.outputs[1:]):
        return b.done(affine(b, standardized(b, b.x, b.shape, axes, epsilon), b.shape, found[0], found[1]))
    y, *others = in_steps(b, b.x, b.shape, axes, epsilon)
    b.done(affine(b, y, b.shape, found[0], found[1]))
    for inner, outer in zip(others, b.node.outputs[1:], strict=False):  # the mean, and one over the deviation
        for node in b.nodes if outer else []:
            node.inputs = [outer if name == inner else name for name in node.inputs]
            node.outputs = [outer if name == inner else name for name in node.outputs]
    return True


@rule("InstanceNormalization")
def instance_normalization(b: Builder) -> bool:
    """Mean and variance of each channel's image (Ulyanov et al. 2016, arXiv:1607.08022)."""
    found = parameters(b)
    if found is None or found[0] is None or len(b.shape) < 3:
        return False
    y = standardized(b, b.x, b.shape, list(range(2, len(b.shape))), b.node.attrs.get("epsilon", 1e-5))
    scale, bias = (None if v is None else v.reshape(-1, *[1] * (len(b.shape) - 2)) for v in found)
    assert scale is not None
    return b.done(affine(b, y, b.shape, scale, bias))


@rule("GroupNormalization")
def group_normalization(b: Builder) -> bool:
    """Mean and variance of a group of channels (Wu and He 2018, arXiv:1803.08494); scale per channel (opset 21) or per group."""
    found, groups = parameters(b), int(b.node.attrs["num_groups"])
    if found is None or found[0] is None:
        return False
    n, c, *image = b.shape
    split = (n, groups, c // groups * int(np.prod(image)))
    y = b.add("Reshape", [b.x, b.constant("split", [0, groups, -1])], split)
    y = standardized(b, y, split, [2], b.node.attrs.get("epsilon", 1e-5))
    y = b.add("Reshape", [y, b.constant("joined", [0, c, *image])], b.shape)
    scale, bias = (None if v is None else np.repeat(v, c // len(v)).reshape(-1, *[1] * len(image)) for v in found)
    assert scale is not None
    return b.done(affine(b, y, b.shape, scale, bias))


@rule("LogSoftmax")
def log_softmax(b: Builder) -> bool:
    """d - log(sum(exp(d))), d = x - max(x), along one axis."""
    axis = int(b.node.attrs.get("axis", -1)) % len(b.shape)
    if not b.computed(b.x) or (axis == 0 and not b.net.whole):
        return False
    kept = tuple(1 if a == axis else size for a, size in enumerate(b.shape))
    top = reduced(b, "ReduceMax", b.x, kept, [axis])
    below = b.add("Sub", [b.x, top])
    total = b.add("ReduceSum", [b.add("Exp", [below]), b.constant("axes", [axis])], kept, keepdims=1)
    return b.done(b.add("Sub", [below, b.add("Log", [total], kept)]))


@rule("GlobalLpPool")
def global_lp_pool(b: Builder) -> bool:
    """The p-norm of each channel's image, p = 1 or 2."""
    p = int(b.node.attrs.get("p", 2))
    if not b.computed(b.x) or p not in (1, 2):
        return False
    inner = b.add("Abs", [b.x], b.shape) if p == 1 else b.add("Mul", [b.x, b.x], b.shape)
    total = b.add("ReduceSum", [inner, b.constant("axes", list(range(2, len(b.shape))))], keepdims=1)
    return b.done(b.add("Sqrt", [total]) if p == 2 else total)


@rule("AveragePool")
def average_pool(b: Builder) -> bool:
    """Padding that is counted, with the size rounded up: the zeros are put there first, and what hangs over them is not counted."""
    attrs, rank = b.node.attrs, len(b.shape) - 2
    pads = [int(v) for v in attrs.get("pads", [0] * 2 * rank)]
    if not (attrs.get("ceil_mode") and attrs.get("count_include_pad")) or not b.computed(b.x):
        return False
    wide = (*b.shape[:2], *(size + pads[i] + pads[rank + i] for i, size in enumerate(b.shape[2:])))
    x = b.add("Pad", [b.x, b.constant("pads", [0, 0, *pads[:rank], 0, 0, *pads[rank:]])], wide) if any(pads) else b.x
    kept = {key: value for key, value in attrs.items() if key != "count_include_pad"}
    return b.done(b.add("AveragePool", [x], **{**kept, "pads": [0] * 2 * rank}))


@rule("MatMul")
def constant_left(b: Builder) -> bool:
    """W @ x = (x^T @ W^T)^T."""
    left, x = b.node.inputs
    if left not in b.net.constants or not b.computed(x) or b.net.constants[left].ndim != 2 or len(b.net.shape(x)) < 3:
        return False
    weight, shape, out = b.net.constants[left], b.net.shape(x), b.net.shape(b.node.output)
    perm = [*range(len(shape) - 2), len(shape) - 1, len(shape) - 2]
    turned = b.add("Transpose", [x], (*shape[:-2], shape[-1], shape[-2]), perm=perm)
    product = b.add("MatMul", [turned, b.constant("matrix", np.ascontiguousarray(weight.T))], (*out[:-2], out[-1], out[-2]))
    return b.done(b.add("Transpose", [product], perm=perm))
