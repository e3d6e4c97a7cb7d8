"""Joining and cutting: CONCATENATION, SPLIT, SPLIT_V, PACK, UNPACK, SLICE and STRIDED_SLICE."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from .importer import Importer, Refusal
from .move import Shape, ints, same_type
from .reader import OperatorInfo
from .rescale import round_away


def concatenation(im: Importer, op: OperatorInfo) -> None:
    """uint8 inputs of other scales are rescaled in float32 by LiteRT, value by value: a table (T24)."""
    y = op.outputs[0]
    shapes = [im.shape(i) for i in op.inputs]
    if not shapes or op.option("FusedActivationFunction"):
        raise Refusal("it has no inputs, or an activation")
    rank = len(shapes[0])
    axis = op.option("Axis") + (rank if op.option("Axis") < 0 else 0)
    if not 0 <= axis < rank or any(s[:axis] + s[axis + 1 :] != shapes[0][:axis] + shapes[0][axis + 1 :] for s in shapes):
        raise Refusal(f"axis {axis} of {shapes}")
    parts = []
    for n, i in enumerate(op.inputs):
        same_type(im, i, y)
        part = im.x(i)
        same = not im.quantized(i) or (im.scale(i) == im.scale(y) and im.zero_point(i) == im.zero_point(y))
        if not same:
            if im.info(i).dtype != "uint8":
                raise Refusal(f"input {n} has another scale than the output")
            part = rescaled(im, i, y, im.add(y, f"/part{n}", im.shape(i)))
        parts.append(part)
    shape = (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])
    im.emit("concat", parts, im.output(op, shape=shape), axis=axis)


def rescaled(im: Importer, x: int, y: int, out: str) -> str:
    scale = np.float32(im.scale(x)) * (np.float32(1) / np.float32(im.scale(y)))
    zx, zy = im.zero_point(x) + 128, im.zero_point(y) + 128
    bias = np.float32(-zx) * scale
    im.tabulate(x, y, lambda v: round_away(v.astype(np.float32) * scale + bias).astype(np.int64) + zy, out)
    return out


def cut(im: Importer, op: OperatorInfo, k: int, begin: list[int], step: list[int], shape: Shape, final: Shape) -> None:
    """Output k as a strided box of the data operand."""
    x = op.inputs[1] if op.name == "SPLIT" else op.inputs[0]
    same_type(im, x, op.outputs[k])
    if 0 in shape:
        raise Refusal("an output is empty")
    out = im.output(op, k, shape=final)
    box = out if final == shape else im.add(op.outputs[k], "/box", shape)
    im.emit("slice", [im.x(x)], box, begin=tuple(begin), step=tuple(step))
    if box != out:
        im.emit("reshape", [box], out)


def split_sizes(im: Importer, op: OperatorInfo, x: int, axis: int, sizes: list[int]) -> None:
    shape = im.shape(x)
    if not -len(shape) <= axis < len(shape):
        raise Refusal(f"axis {axis} of {shape}")
    axis %= len(shape)
    if sum(sizes) != shape[axis] or len(sizes) != len(op.outputs) or min(sizes, default=1) < 1:
        raise Refusal(f"sizes {sizes} along axis {axis} of {shape}")
    at = 0
    for k, size in enumerate(sizes):
        begin = [0] * len(shape)
        begin[axis] = at
        part = (*shape[:axis], size, *shape[axis + 1 :])
        cut(im, op, k, begin, [1] * len(shape), part, part)
        at += size


def split(im: Importer, op: OperatorInfo) -> None:
    axis, n = ints(im, op.inputs[0])[0], len(op.outputs)
    shape = im.shape(op.inputs[1])
    if not -len(shape) <= axis < len(shape) or n < 1 or shape[axis] % n:
        raise Refusal(f"axis {axis} of {shape} in {n}")
    split_sizes(im, op, op.inputs[1], axis, [shape[axis] // n] * n)


def split_v(im: Importer, op: OperatorInfo) -> None:
    sizes, axis = ints(im, op.inputs[1]), ints(im, op.inputs[2])[0]
    shape = im.shape(op.inputs[0])
    if sizes.count(-1) == 1 and -len(shape) <= axis < len(shape):
        sizes[sizes.index(-1)] = shape[axis] - (sum(sizes) + 1)
    split_sizes(im, op, op.inputs[0], axis, sizes)


def pack(im: Importer, op: OperatorInfo) -> None:
    shapes = {im.shape(i) for i in op.inputs}
    if len(shapes) != 1:
        raise Refusal(f"shapes {shapes}")
    shape = shapes.pop()
    axis = op.option("Axis") + (len(shape) + 1 if op.option("Axis") < 0 else 0)
    if not 0 <= axis <= len(shape):
        raise Refusal(f"axis {axis} of {shape}")
    wide = (*shape[:axis], 1, *shape[axis:])
    for i in op.inputs:
        same_type(im, i, op.outputs[0])
    parts = [im.reshape(im.x(i), wide, f"{op.name}/{op.index}/{n}") for n, i in enumerate(op.inputs)]
    im.emit("concat", parts, im.output(op, shape=(*shape[:axis], len(parts), *shape[axis:])), axis=axis)


def unpack(im: Importer, op: OperatorInfo) -> None:
    shape = im.shape(op.inputs[0])
    axis = op.option("Axis") + (len(shape) if op.option("Axis") < 0 else 0)
    if not 0 <= axis < len(shape) or shape[axis] != len(op.outputs):
        raise Refusal(f"axis {axis} of {shape}")
    for k in range(shape[axis]):
        begin = [0] * len(shape)
        begin[axis] = k
        box = (*shape[:axis], 1, *shape[axis + 1 :])
        cut(im, op, k, begin, [1] * len(shape), box, shape[:axis] + shape[axis + 1 :])


def slice(im: Importer, op: OperatorInfo) -> None:
    shape, begin, size = im.shape(op.inputs[0]), ints(im, op.inputs[1]), ints(im, op.inputs[2])
    if len(begin) != len(shape) or len(size) != len(shape):
        raise Refusal(f"begin {begin}, size {size} of {shape}")
    sizes = tuple(d - b if s == -1 else s for d, b, s in zip(shape, begin, size, strict=True))
    if any(b < 0 or s < 0 or b + s > d for b, s, d in zip(begin, sizes, shape, strict=True)):
        raise Refusal(f"begin {begin}, size {size} of {shape}")
    cut(im, op, 0, begin, [1] * len(shape), sizes, sizes)


def strided_index(op: OperatorInfo, shape: Shape, begin: Any, end: Any, strides: Any) -> tuple[list[int], list[int], Shape, Shape]:
    """(begin, step, box shape, final shape) of STRIDED_SLICE with all its masks."""
    masks = {m: op.option(f"{m}Mask") for m in ("Begin", "End", "Ellipsis", "NewAxis", "ShrinkAxis")}
    begin, end, strides = ([int(v) for v in a.reshape(-1)] for a in (begin, end, strides))
    n = len(begin)
    if len(end) != n or len(strides) != n or 0 in strides:
        raise Refusal(f"begin {begin}, end {end}, strides {strides} of {shape}")
    has = lambda m, i: bool(masks[m] >> i & 1)  # noqa: E731
    spread = len(shape) - sum(1 for i in range(n) if not has("NewAxis", i) and not has("Ellipsis", i))
    starts: list[int] = []
    steps: list[int] = []
    box: list[int] = []
    final: list[int] = []

    def whole() -> None:
        d = shape[len(starts)]
        starts.append(0)
        steps.append(1)
        box.append(d)
        final.append(d)

    for i in range(n):
        if has("Ellipsis", i):
            for _ in range(max(spread, 0)):
                whole()
            spread = 0
            continue
        if has("NewAxis", i):
            final.append(1)
            continue
        if len(starts) >= len(shape):
            raise Refusal(f"more positions than axes of {shape}")
        d = shape[len(starts)]
        if has("ShrinkAxis", i):
            at = begin[i] + (d if begin[i] < 0 else 0)
            if not 0 <= at < d:
                raise Refusal(f"position {begin[i]} of {d}")
            starts.append(at)
            steps.append(1)
            box.append(1)
            continue
        stop = end[i] + begin[i] if op.option("Offset", False) else end[i]
        first, last, step = builtins.slice(None if has("Begin", i) else begin[i], None if has("End", i) else stop, strides[i]).indices(d)
        starts.append(first)
        steps.append(step)
        box.append(len(range(first, last, step)))
        final.append(box[-1])
    while len(starts) < len(shape):
        whole()
    return starts, steps, tuple(box), tuple(final)


def strided_slice(im: Importer, op: OperatorInfo) -> None:
    shape = im.shape(op.inputs[0])
    begin, step, box, final = strided_index(op, shape, *(im.value(i) for i in op.inputs[1:4]))
    cut(im, op, 0, begin, step, box, final)


def reverse_v2(im: Importer, op: OperatorInfo) -> None:
    """Backwards along the given axes: a box with negative steps."""
    shape = im.shape(op.inputs[0])
    axes = [int(a) for a in im.value(op.inputs[1]).reshape(-1)]
    if any(not -len(shape) <= a < len(shape) for a in axes):
        raise Refusal(f"axes {axes} of {shape}")
    turned = {a % len(shape) for a in axes}
    begin = [d - 1 if i in turned else 0 for i, d in enumerate(shape)]
    cut(im, op, 0, begin, [-1 if i in turned else 1 for i in range(len(shape))], shape, shape)
