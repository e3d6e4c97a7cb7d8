"""Add, Sub and Mul of two tensors with broadcasting; one of them may be constant."""

from __future__ import annotations

import numpy as np

from ...errors import InputError
from ...kernels.fixed_point import add_params, requantize_params
from ..ir import Node
from ..quantize import QParam, qparam
from .context import Context, Refused, lowers


def operands(ctx: Context, node: Node) -> tuple[list[str], list[QParam], tuple[int, ...] | None]:
    """The two stored inputs, their parameters, and the order of the output's axes (None: as the first input lies)."""
    a, b = node.inputs
    if ctx.is_constant(a) and ctx.is_constant(b):
        raise Refused("both inputs are constant")
    out = ctx.shape(node.output)
    if not ctx.is_constant(a) and not ctx.is_constant(b):
        va, vb = ctx.view(a), ctx.view(b)
        if (va.factors, va.perm) == (vb.factors, vb.perm) and ctx.shape(a) == ctx.shape(b) == out:
            second = ctx.reshape(vb.tensor, ctx.graph.of(va.tensor).shape)
            return [va.tensor, second], [ctx.param(a), ctx.param(b)], None
    full = [name for name in (a, b) if ctx.shape(name) == out]
    order = ctx.common_order(full, node.output)
    tensors, params = [], []
    for name in (a, b):
        tensor, param = _operand(ctx, node, name, order, len(out))
        tensors.append(tensor)
        params.append(param)
    return tensors, params, order


def _operand(ctx: Context, node: Node, name: str, order: tuple[int, ...], rank: int) -> tuple[str, QParam]:
    shape = ctx.shape(name)
    wide = (1,) * (rank - len(shape)) + shape
    stored = tuple(wide[axis] for axis in order)
    if not ctx.is_constant(name):
        return ctx.arrange(ctx.view(name).reshape(wide), order, stored), ctx.param(name)
    array = ctx.net.constants[name].astype(np.float64)
    if wide[0] != 1 and not ctx.net.whole:
        raise Refused(f"the constant {name!r} varies along the batch", "keep the batch in axis 0")
    if node.output in ctx.net.masked:  # no farther than the hidden scores reach the end of the output's range
        y, (x,) = ctx.param(node.output), (ctx.param(other) for other in ctx.net.activations(node))
        array = np.maximum(array, y.scale * (y.low - y.zero_point) - x.scale * (x.high - x.zero_point))
    if not np.isfinite(array).all():
        raise Refused(f"the constant {name!r} is infinite or not a number", "put finite numbers in its place")
    param = qparam(float(array.min()), float(array.max())) if array.size else QParam(1.0, 0)
    q = param.quantize(array.reshape(wide).transpose(order))
    return ctx.put(f"{node.name}/{name}", q, param.scale, param.zero_point), param


def _place(ctx: Context, node: Node, result: str, order: tuple[int, ...] | None) -> None:
    if order is None:
        ctx.result(node.output, ctx.view(node.inputs[0]).on(result))
    else:
        ctx.place(node.output, result, order)


def _result(ctx: Context, node: Node, tensors: list[str], order: tuple[int, ...] | None) -> str:
    out = ctx.shape(node.output)
    return ctx.produce(node.output, ctx.graph.of(tensors[0]).shape if order is None else tuple(out[axis] for axis in order))


@lowers("Add", "Sub")
def add(ctx: Context, node: Node) -> None:
    tensors, (a, b), order = operands(ctx, node)
    y = ctx.param(node.output)
    try:
        m1, m2, shift = add_params(a.scale, -b.scale if node.op == "Sub" else b.scale, y.scale)
    except InputError as error:
        raise Refused(str(error), "rescale its inputs in the source model") from error
    result = _result(ctx, node, tensors, order)
    ctx.emit("add", tensors, result, m1=m1, m2=m2, shift=shift, **ctx.limits(node))
    _place(ctx, node, result, order)


@lowers("Mul")
def mul(ctx: Context, node: Node) -> None:
    tensors, (a, b), order = operands(ctx, node)
    y = ctx.param(node.output)
    scale = a.scale * b.scale / y.scale
    peak = max(-128 - a.zero_point, 127 - a.zero_point, key=abs) * max(-128 - b.zero_point, 127 - b.zero_point, key=abs)
    rounding = ctx.rounding(np.array([scale]), np.array([abs(peak)]))
    multiplier, shift = (int(v[0]) for v in requantize_params(scale, rounding))
    result = _result(ctx, node, tensors, order)
    ctx.emit("mul", tensors, result, multiplier=multiplier, shift=shift, rounding=rounding, **ctx.limits(node))
    _place(ctx, node, result, order)
