"""Pooling, and the reductions that are pooling: average, sum and maximum over windows or whole axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir import Node
from ..quantize import QParam
from .context import Context, Refused, lowers


@dataclass(frozen=True)
class Geometry:
    """A pooling along two image axes: the order the input is stored in, and the stored shapes (batch, height, width, the rest)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    order: tuple[int, ...]
    shape: tuple[int, ...]
    out: tuple[int, ...]


def geometry(ctx: Context, node: Node) -> Geometry:
    """The end pads follow the output's size (`ceil_mode` lets the last window hang over the edge, and a window that does not fit reads
    nothing). Of three image axes all but one must be left alone; these go with the channels."""
    shape, out = ctx.shape(node.inputs[0]), ctx.shape(node.output)
    rank = len(shape) - 2
    kernel, stride = list(node.attrs["kernel_shape"]), list(node.attrs.get("strides", [1] * rank))
    pads, dilations = list(node.attrs.get("pads", [0] * 2 * rank)), node.attrs.get("dilations", [1] * rank)
    busy = [a for a in range(rank) if kernel[a] != 1 or stride[a] != 1 or pads[a] or pads[rank + a]]
    if rank > 2 and len(busy) > 1:
        raise Refused(f"it pools along {len(busy)} of {rank} image axes", "pool along one or two axes at a time")
    if any(d != 1 for d in dilations):
        raise Refused(f"it is dilated by {dilations}", "pool without dilation")
    axes = list(range(rank)) if rank <= 2 else busy or [0]
    rest = [1, *(2 + a for a in range(rank) if a not in axes)]
    begin, end = [pads[a] for a in axes], []
    for a in axes:
        reach = (out[2 + a] - 1) * stride[a] + kernel[a] - shape[2 + a] - pads[a]
        end.append(max(reach, pads[rank + a]) if node.attrs.get("ceil_mode") else pads[rank + a])
    image, target = [shape[2 + a] for a in axes], [out[2 + a] for a in axes]
    kernel, stride = [kernel[a] for a in axes], [stride[a] for a in axes]
    if len(axes) == 1:
        for values, fill in ((kernel, 1), (stride, 1), (begin, 0), (end, 0), (image, 1), (target, 1)):
            values.insert(0, fill)
    others = math.prod(shape[a] for a in rest)
    return Geometry(
        kernel=(kernel[0], kernel[1]),
        stride=(stride[0], stride[1]),
        pads=(begin[0], begin[1], end[0], end[1]),
        order=(0, *(2 + a for a in axes), *rest),
        shape=(shape[0], *image, others),
        out=(shape[0], *target, others),
    )


@lowers("MaxPool")
def max_pool(ctx: Context, node: Node) -> None:
    if len(node.outputs) > 1 and node.outputs[1]:
        raise Refused("its indices are used", "upsample with Resize instead of MaxUnpool")
    g = geometry(ctx, node)
    tensor = ctx.rescaled(ctx.stored(node.inputs[0], g.order, g.shape), ctx.param(node.output))
    result = ctx.produce(node.output, g.out)
    ctx.emit("max_pool", [tensor], result, kernel=g.kernel, stride=g.stride, pads=g.pads, **ctx.limits(node))
    ctx.place(node.output, result, g.order)


@lowers("AveragePool")
def average_pool(ctx: Context, node: Node) -> None:
    g = geometry(ctx, node)
    include = bool(node.attrs.get("count_include_pad", 0))
    hangs = any(end > own for end, own in zip(g.pads[2:], _own_ends(node, g), strict=True))
    if include and hangs:
        raise Refused("it counts the padding and rounds its size up (ceil_mode)", "set ceil_mode=0")
    divisors = _divisors(g.kernel, g.stride, g.pads, g.shape, g.out, include)
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    tensor = ctx.stored(node.inputs[0], g.order, g.shape)
    peak = np.full(len(divisors), 255.0 * g.kernel[0] * g.kernel[1])
    multiplier, shift, rounding = ctx.requantizer(node.name, x.scale / y.scale / np.array(divisors, np.float64), peak)
    result = ctx.produce(node.output, g.out)
    fields: dict[str, Any] = {"kernel": g.kernel, "stride": g.stride, "pads": g.pads, "divisors": divisors, "count_include_pad": include}
    ctx.emit("avg_pool", [tensor, multiplier, shift], result, rounding=rounding, **fields, **ctx.limits(node))
    ctx.place(node.output, result, g.order)


def _own_ends(node: Node, g: Geometry) -> tuple[int, int]:
    """The end pads that the source gives, for the two axes of the geometry."""
    rank = len(node.attrs["kernel_shape"])
    ends = list(node.attrs.get("pads", [0] * 2 * rank))[rank:]
    picked = [ends[axis - 2] for axis in g.order[1 : 1 + min(rank, 2 if rank < 3 else 1)]]
    return (0, picked[0]) if len(picked) == 1 else (picked[0], picked[1])


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


def neighbours(ctx: Context, source: str, axes: list[int]) -> tuple[tuple[int, ...], list[int]]:
    """An order to store a value in, in which the axes are neighbours, as the kernels want them, and where they are then.

    It is the natural order or the source's where the axes are neighbours in it, of these the one that the value lies in already.
    """
    rank = len(ctx.shape(source))
    fit = [order for order in (ctx.natural(source), tuple(range(rank))) if together(order, axes)]
    fit.append((*(axis for axis in range(rank) if axis not in axes), *axes))
    order = next((order for order in fit if ctx.lies(source, order)), fit[0])
    return order, sorted(order.index(axis) for axis in axes)


def together(order: tuple[int, ...], axes: list[int]) -> bool:
    where = sorted(order.index(axis) for axis in axes)
    return where == list(range(where[0], where[0] + len(where)))


@lowers("GlobalAveragePool", "ReduceMean", "ReduceSum")
def mean(ctx: Context, node: Node) -> None:
    source, axes = node.inputs[0], reduced_axes(ctx, node)
    if not axes:
        ctx.result(node.output, ctx.view_for(source, node.output))
        return
    shape = ctx.shape(source)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    order, where = neighbours(ctx, source, axes)
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
