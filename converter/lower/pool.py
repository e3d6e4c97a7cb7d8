"""Pooling, and the reductions that are pooling: average, sum and maximum over windows or whole axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir import Node
from ..quantize import QParam
from .context import Context, Refused, lowers


def geometry(ctx: Context, node: Node) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int], tuple[int, ...], tuple[int, ...]]:
    """Kernel, stride and pads for two image axes, and the stored shapes of input and output. The end pads follow the output's size
    (`ceil_mode` lets the last window hang over the edge, and a window that does not fit reads nothing)."""
    shape, out = ctx.shape(node.inputs[0]), ctx.shape(node.output)
    rank = len(shape) - 2
    if rank not in (1, 2):
        raise Refused(f"it pools along {rank} image axes", "pool along one or two axes at a time")
    kernel, stride = list(node.attrs["kernel_shape"]), list(node.attrs.get("strides", [1] * rank))
    pads, dilations = list(node.attrs.get("pads", [0] * 2 * rank)), node.attrs.get("dilations", [1] * rank)
    if any(d != 1 for d in dilations):
        raise Refused(f"it is dilated by {dilations}", "pool without dilation")
    begin, end = pads[:rank], []
    for axis in range(rank):
        reach = (out[2 + axis] - 1) * stride[axis] + kernel[axis] - shape[2 + axis] - begin[axis]
        end.append(max(reach, pads[rank + axis]) if node.attrs.get("ceil_mode") else pads[rank + axis])
    image, target = list(shape[2:]), list(out[2:])
    if rank == 1:
        for values, fill in ((kernel, 1), (stride, 1), (begin, 0), (end, 0), (image, 1), (target, 1)):
            values.insert(0, fill)
    return (
        (kernel[0], kernel[1]),
        (stride[0], stride[1]),
        (begin[0], begin[1], end[0], end[1]),
        (shape[0], *image, shape[1]),
        (shape[0], *target, out[1]),
    )


@lowers("MaxPool")
def max_pool(ctx: Context, node: Node) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise Refused("its indices are used", "upsample with Resize instead of MaxUnpool")
    kernel, stride, pads, shape, out = geometry(ctx, node)
    tensor = ctx.rescaled(ctx.stored(node.inputs[0], shape=shape), ctx.param(node.output))
    result = ctx.produce(node.output, out)
    ctx.emit("max_pool", [tensor], result, kernel=kernel, stride=stride, pads=pads, **ctx.limits(node))
    ctx.place(node.output, result)


@lowers("AveragePool")
def average_pool(ctx: Context, node: Node) -> None:
    kernel, stride, pads, shape, out = geometry(ctx, node)
    include = bool(node.attrs.get("count_include_pad", 0))
    rank = len(ctx.shape(node.inputs[0])) - 2
    own = list(node.attrs.get("pads", [0] * 2 * rank))
    if include and list(pads[4 - rank :]) != own[rank:]:
        raise Refused("it counts the padding and rounds its size up (ceil_mode)", "set ceil_mode=0")
    divisors = _divisors(kernel, stride, pads, shape, out, include)
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    tensor = ctx.stored(node.inputs[0], shape=shape)
    peak = np.full(len(divisors), 255.0 * kernel[0] * kernel[1])
    multiplier, shift, rounding = ctx.requantizer(node.name, x.scale / y.scale / np.array(divisors, np.float64), peak)
    result = ctx.produce(node.output, out)
    fields: dict[str, Any] = {
        "kernel": kernel,
        "stride": stride,
        "pads": pads,
        "divisors": divisors,
        "count_include_pad": include,
    }
    ctx.emit("avg_pool", [tensor, multiplier, shift], result, rounding=rounding, **fields, **ctx.limits(node))
    ctx.place(node.output, result)


def _divisors(
    kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, ...], shape: tuple[int, ...], out: tuple[int, ...], include: bool
) -> tuple[int, ...]:
    """The distinct numbers of elements that windows count, ascending."""
    counts = []
    for axis in range(2):
        start = np.arange(out[1 + axis]) * stride[axis] - pads[axis]
        low, high = (-pads[axis], shape[1 + axis] + pads[2 + axis]) if include else (0, shape[1 + axis])
        counts.append(np.minimum(start + kernel[axis], high) - np.maximum(start, low))
    found = sorted({int(a) * int(b) for a in set(counts[0]) for b in set(counts[1])})
    if found[0] <= 0:
        raise Refused("a window lies wholly in the padding", "use smaller pads")
    return tuple(found)


def reduced_axes(ctx: Context, node: Node) -> list[int]:
    rank = len(ctx.shape(node.inputs[0]))
    if node.op.startswith("Global"):
        return list(range(2, rank))
    axes = sorted(axis % rank for axis in ctx.ints(node, 1, "axes", []))
    if not axes and not node.attrs.get("noop_with_empty_axes"):
        axes = list(range(rank))
    if 0 in axes and not ctx.net.whole:
        raise Refused("it reduces the batch", "reduce the other axes only")
    return axes


@lowers("GlobalAveragePool", "ReduceMean", "ReduceSum")
def mean(ctx: Context, node: Node) -> None:
    source, axes = node.inputs[0], reduced_axes(ctx, node)
    if not axes:
        ctx.result(node.output, ctx.view_for(source, node.output))
        return
    shape = ctx.shape(source)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    order = ctx.natural(source)
    where = sorted(order.index(axis) for axis in axes)
    if where != list(range(where[0], where[0] + len(where))):  # the kernel reduces neighbours
        order = (*(axis for axis in range(len(shape)) if axis not in axes), *axes)
        where = [order.index(axis) for axis in axes]
    tensor = ctx.stored(source, order)
    count = math.prod(shape[axis] for axis in axes)
    x, y = ctx.param(source), ctx.param(node.output)
    scale = x.scale / y.scale / (1 if node.op == "ReduceSum" else count)
    multiplier, shift, rounding = ctx.requantizer(node.name, np.array([scale]), np.array([255.0 * count]))
    result = ctx.produce(node.output, tuple(kept[axis] for axis in order))
    ctx.emit("mean", [tensor, multiplier, shift], result, axes=tuple(where), rounding=rounding, **ctx.limits(node))
    ctx.place(node.output, result, order, kept)
    ctx.result(node.output, ctx.view(node.output).reshape(ctx.shape(node.output)))


@lowers("GlobalMaxPool", "ReduceMax")
def maximum(ctx: Context, node: Node) -> None:
    """Maximum over whole axes: one window over them, side by side at the end of the image."""
    source, axes = node.inputs[0], reduced_axes(ctx, node)
    shape = ctx.shape(source)
    first = [] if ctx.net.whole else [0]
    rest = [axis for axis in range(len(first), len(shape)) if axis not in axes]
    count, others = math.prod(shape[axis] for axis in axes), math.prod(shape[axis] for axis in rest)
    order = (*first, *axes, *rest)
    tensor = ctx.rescaled(ctx.stored(source, order, (1, count, 1, others)), ctx.param(node.output))
    result = ctx.produce(node.output, (1, 1, 1, others))
    ctx.emit("max_pool", [tensor], result, kernel=(count, 1), stride=(count, 1), pads=(0, 0, 0, 0), **ctx.limits(node))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    ctx.place(node.output, result, order, kept)
    ctx.result(node.output, ctx.view(node.output).reshape(ctx.shape(node.output)))


@lowers("ArgMax", "ArgMin")
def arg(ctx: Context, node: Node) -> None:
    """The first position of the extremum along one axis, int32; a graph output, since nothing computes with positions."""
    source = node.inputs[0]
    shape = ctx.shape(source)
    axis = node.attrs.get("axis", 0) % len(shape)
    if (axis == 0 and not ctx.net.whole) or node.attrs.get("select_last_index"):
        raise Refused("it looks along the batch, or for the last of equal elements", "use another axis and select_last_index=0")
    order = ctx.common_order([source], source)
    where = order.index(axis)
    tensor = ctx.stored(source, order)
    kept = [a for a in order if a != axis]
    result = ctx.like(node.output, QParam(1.0, 0, "int32"), tuple(shape[a] for a in kept))
    ctx.emit("tfl_arg", [tensor], result, axis=where, kind="max" if node.op == "ArgMax" else "min")
    wide = tuple(1 if a == axis else size for a, size in enumerate(shape))
    ctx.place(node.output, result, order, wide)
    ctx.result(node.output, ctx.view(node.output).reshape(ctx.shape(node.output)))
