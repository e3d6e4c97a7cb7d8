"""Operators that move or repeat elements: Concat, Slice, Split, Gather, Tile, Expand, Pad, nearest Resize."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir import Array, Node
from ..onnx.single import evaluate
from . import view as views
from .context import Context, Refused, lowers
from .view import View


@lowers("Concat")
def concat(ctx: Context, node: Node) -> None:
    """Inputs at another scale than the output's are rescaled by a table."""
    out = ctx.shape(node.output)
    axis = node.attrs["axis"] % len(out)
    if axis == 0 and not ctx.net.whole:
        raise Refused("it joins batches", "concatenate along another axis")
    order, y = ctx.common_order(node.inputs, node.output), ctx.param(node.output)
    tensors = []
    for name in node.inputs:
        if ctx.is_constant(name):
            stored = ctx.net.constants[name].transpose(order)
            tensors.append(ctx.put(f"{node.name}/{name}", y.quantize(stored), y.scale, y.zero_point))
        else:
            tensors.append(ctx.rescaled(ctx.stored(name, order), y))
    result = ctx.produce(node.output, tuple(out[a] for a in order))
    ctx.emit("concat", tensors, result, axis=order.index(axis))
    ctx.place(node.output, result, order)


def take(ctx: Context, node: Node, source: str, result: str, picks: dict[int, Array]) -> None:
    """result = source with the given indices along the given axes: slices where they are regular, gathers where not."""
    shape = list(ctx.shape(source))
    order = ctx.common_order([source], source)
    if not ctx.lies(source, order) and take_where_it_lies(ctx, source, result, picks):
        return
    tensor = ctx.rescaled(ctx.stored(source, order), ctx.param(result))
    if 0 in picks and not ctx.net.whole and not np.array_equal(picks[0], np.arange(shape[0])):
        raise Refused("it selects within the batch", "keep the batch in axis 0")
    picks = {axis: index for axis, index in picks.items() if not np.array_equal(index, np.arange(shape[axis]))}
    regular = {axis: step for axis, index in picks.items() if (step := _step(index)) is not None}
    if regular:
        begin, steps = [0] * len(shape), [1] * len(shape)
        for axis, step in regular.items():
            begin[order.index(axis)], steps[order.index(axis)] = int(picks[axis][0]), step
            shape[axis] = len(picks[axis])
        cut = ctx.produce(result, tuple(shape[a] for a in order))
        ctx.emit("slice", [tensor], cut, begin=tuple(begin), step=tuple(steps))
        tensor = cut
    for axis, index in picks.items():
        if axis not in regular:
            shape[axis] = len(index)
            gathered = ctx.produce(result, tuple(shape[a] for a in order))
            where = ctx.put(f"{node.name}/index", index.astype(np.int32))
            ctx.emit("gather", [tensor, where], gathered, axis=order.index(axis))
            tensor = gathered
    ctx.place(result, tensor, order, tuple(shape))
    ctx.result(result, ctx.view(result).reshape(ctx.shape(result)))


def take_where_it_lies(ctx: Context, source: str, result: str, picks: dict[int, Array]) -> bool:
    """A slice of the stored bytes, so that only what is taken moves into another order: along an axis that is a single factor of them."""
    found = views.groups(ctx.view(source)) if len(picks) == 1 else None
    ((axis, index), *_) = picks.items()
    step = _step(index)
    if found is None or len(found[1][axis]) != 1 or step is None or ctx.net.whole or ctx.too_many(found[0].factors):
        return False
    view, where = found[0], found[0].perm[found[1][axis][0]]
    kept = [len(index) if i == where else size for i, size in enumerate(view.factors)]
    tensor = ctx.reshape(ctx.rescaled(view.tensor, ctx.param(result)), (1, *view.factors))
    cut = ctx.produce(result, (1, *kept))
    begin, steps = ([at if i == where else default for i in range(len(kept))] for at, default in ((int(index[0]), 0), (step, 1)))
    ctx.emit("slice", [tensor], cut, begin=(0, *begin), step=(1, *steps))
    shape = tuple(len(index) if i == axis else size for i, size in enumerate(view.shape))
    ctx.result(result, views.without_ones(View(cut, tuple(kept), view.perm, shape)).reshape(ctx.shape(result)))
    return True


def _step(index: Array) -> int | None:
    """The step of an arithmetic progression (1 for a single index), or None."""
    if len(index) == 1:
        return 1
    steps = np.diff(index)
    return int(steps[0]) if steps[0] != 0 and np.all(steps == steps[0]) else None


@lowers("Slice")
def slice_(ctx: Context, node: Node) -> None:
    shape = ctx.shape(node.inputs[0])
    starts, ends = ctx.ints(node, 1, "starts"), ctx.ints(node, 2, "ends")
    axes = ctx.ints(node, 3, "axes", list(range(len(starts))))
    steps = ctx.ints(node, 4, "steps", [1] * len(starts))
    picks = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = shape[axis % len(shape)]
        # As NumPy slices, but that an end below -size means "before the first element".
        low = None if step < 0 and end < -size else end
        picks[axis % len(shape)] = np.arange(size)[start:low:step]
    take(ctx, node, node.inputs[0], node.output, picks)


@lowers("Split")
def split(ctx: Context, node: Node) -> None:
    shape = ctx.shape(node.inputs[0])
    axis, start = node.attrs.get("axis", 0) % len(shape), 0
    for name in node.outputs:
        size = ctx.shape(name)[axis] if name in ctx.net.values else 0
        if name:
            take(ctx, node, node.inputs[0], name, {axis: np.arange(start, start + size)})
        start += size


@lowers("Gather")
def gather(ctx: Context, node: Node) -> None:
    if ctx.is_constant(node.inputs[0]):
        raise Refused("it looks a computed index up in a table (an embedding)", "feed the embedded vectors as the input")
    shape = ctx.shape(node.inputs[0])
    axis = node.attrs.get("axis", 0) % len(shape)
    index = ctx.constant(node.inputs[1], "the index").reshape(-1).astype(np.int64)
    take(ctx, node, node.inputs[0], node.output, {axis: np.where(index < 0, index + shape[axis], index)})


@lowers("Tile")
def tile(ctx: Context, node: Node) -> None:
    shape, repeats = ctx.shape(node.inputs[0]), ctx.ints(node, 1, "repeats")
    if repeats[0] != 1 and not ctx.net.whole:
        raise Refused("it repeats the batch", "keep the batch in axis 0")
    take(ctx, node, node.inputs[0], node.output, {a: np.tile(np.arange(shape[a]), r) for a, r in enumerate(repeats) if r != 1})


@lowers("Expand")
def expand(ctx: Context, node: Node) -> None:
    """Broadcasting written out: an axis of one element is read again and again."""
    shape, out = ctx.shape(node.inputs[0]), ctx.shape(node.output)
    if len(shape) != len(out):
        raise Refused("it adds axes in front of the batch", "keep the batch in axis 0")
    take(ctx, node, node.inputs[0], node.output, {a: np.zeros(n, np.int64) for a, n in enumerate(out) if n != shape[a]})


@lowers("Pad")
def pad(ctx: Context, node: Node) -> None:
    """Constant padding with the value's integer; reflect, edge and wrap select elements."""
    shape = ctx.shape(node.inputs[0])
    rank = len(shape)
    amounts = ctx.ints(node, 1, "pads")
    axes = [axis % rank for axis in ctx.ints(node, 3, "axes", list(range(rank)))]
    before, after = [0] * rank, [0] * rank
    for place, axis in enumerate(axes):
        before[axis], after[axis] = amounts[place], amounts[len(axes) + place]
    mode = node.attrs.get("mode", "constant")
    if mode != "constant" or min(before + after) < 0:
        if mode == "constant" and max(before + after) > 0:
            raise Refused("it pads and crops at once", "use Pad for the one and Slice for the other")
        numpy_mode = {"reflect": "reflect", "edge": "edge", "wrap": "wrap", "constant": "edge"}[mode]
        picks = {a: _positions(shape[a], before[a], after[a], numpy_mode) for a in range(rank) if before[a] or after[a]}
        take(ctx, node, node.inputs[0], node.output, picks)
        return
    value = 0.0
    if len(node.inputs) > 2 and node.inputs[2]:
        value = float(ctx.constant(node.inputs[2], "the value").reshape(-1)[0])
    if (before[0] or after[0]) and not ctx.net.whole:
        raise Refused("it pads the batch", "keep the batch in axis 0")
    y, order = ctx.param(node.output), ctx.common_order([node.inputs[0]], node.inputs[0])
    tensor = ctx.rescaled(ctx.stored(node.inputs[0], order), y)
    result = ctx.produce(node.output, tuple(ctx.shape(node.output)[a] for a in order))
    sides: dict[str, Any] = {"before": tuple(before[a] for a in order), "after": tuple(after[a] for a in order)}
    ctx.emit("pad", [tensor], result, value=int(y.quantize(value)), **sides)
    ctx.place(node.output, result, order)


def _positions(size: int, before: int, after: int, mode: str) -> Array:
    index = np.pad(np.arange(size), (max(before, 0), max(after, 0)), mode=mode)  # type: ignore[call-overload]
    return np.asarray(index[max(-before, 0) : len(index) - max(-after, 0)])


@lowers("Resize")
def resize(ctx: Context, node: Node) -> None:
    """Nearest: which row and column each output reads is asked of the operator itself, fed with numbered rows."""
    mode = node.attrs.get("mode", "nearest")
    if mode != "nearest":
        raise Refused(f"its mode is {mode}", "use mode='nearest', or linear with whole factors")
    shape, out = ctx.shape(node.inputs[0]), ctx.shape(node.output)
    if len(shape) != len(out) or len(shape) > 5 or (shape[0] != out[0] and not ctx.net.whole):
        raise Refused("it resizes the batch", "keep the batch in axis 0")
    picks = {}
    for axis in range(len(shape)):
        if out[axis] != shape[axis]:
            ramp = np.arange(shape[axis], dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(len(shape))])
            picks[axis] = evaluate(ctx.net, node, np.broadcast_to(ramp, shape))
            picks[axis] = np.rint(np.moveaxis(picks[axis], axis, 0).reshape(out[axis], -1)[:, 0]).astype(np.int64)
    take(ctx, node, node.inputs[0], node.output, picks)
