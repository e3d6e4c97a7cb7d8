"""Layers with 16-bit activations, where a recipe asks for them (`activations = "int16"`).

A convolution, linear layer or addition whose input or output is int16 runs in 16 bits (the products of TensorFlow Lite's 16x8 scheme: a 64-bit
accumulator, one rounding, SPEC_tflite T6 and T25). What it takes or gives in int8 is widened by a table, exactly, or narrowed by one
rounding. Every other operator reads int16 values narrowed to int8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...kernels.fixed_point import q31_params, requantize_params
from ..ir import Array, Node
from ..quantize import QParam, QWeight
from ..ranges import narrow_name, wide_capable
from .context import LOWERINGS, Context
from .conv import window
from .view import View

INNER = 64  # steps of an int16 value per step of the int8 value that it becomes: no rounding but the last one counts
SPREAD = 128  # of an int8 value per step: 255 of them fit


def is_wide(ctx: Context, name: str) -> bool:
    return narrow_name(name) in ctx.params


def wide_name(name: str) -> str:
    return f"{name}/int16"


def produce(ctx: Context, name: str, shape: tuple[int, ...]) -> str:
    """The tensor of an int16 value, or of what an int8 value is rounded from."""
    return ctx.like(name if is_wide(ctx, name) else wide_name(name), ctx.param(name), shape)


def lower_node(ctx: Context, node: Node) -> None:
    """Through the node's own lowering, with 16-bit activations turned into what it takes."""
    wide = [name for name in ctx.net.activations(node) if is_wide(ctx, name)]
    if not wide and not is_wide(ctx, node.output):
        LOWERINGS[node.op](ctx, node)
    elif wide_capable(ctx.net, node):
        layer(ctx, node)
    else:
        with replaced(ctx, {name: narrowed(ctx, name) for name in wide}):
            LOWERINGS[node.op](ctx, node)


@contextmanager
def replaced(ctx: Context, other: dict[str, tuple[View, QParam]]) -> Iterator[None]:
    """Within, the values in `other` lie elsewhere and have other parameters."""
    before = {name: (ctx.views[name], ctx.params[name]) for name in other}
    set_all(ctx, other)
    try:
        yield
    finally:
        set_all(ctx, before)


def set_all(ctx: Context, values: dict[str, tuple[View, QParam]]) -> None:
    for name, (view, param) in values.items():
        ctx.views[name], ctx.params[name] = view, param


def narrowed(ctx: Context, name: str) -> tuple[View, QParam]:
    """An int16 value in int8; rounded once for all its readers."""
    key = narrow_name(name)
    param = ctx.params[key]
    if key not in ctx.other_views:
        view = ctx.view(name)
        with ctx.under(ctx.net.producers()[name]):  # its time counts for the layer that was given 16 bits
            ctx.other_views[key] = view.on(rescaled(ctx, view.tensor, ctx.param(name), param, key))
    return ctx.other_views[key], param


def rescaled(ctx: Context, tensor: str, x: QParam, y: QParam, name: str) -> str:
    """int16 of zero point 0 to int8."""
    fraction, exponent = math.frexp(x.scale / y.scale)
    multiplier, shift = min(round(fraction * 2**15), 2**15 - 1), 15 - exponent
    if not 1 <= shift <= 30:
        multiplier, shift = (0, 1) if shift > 30 else (2**15 - 1, 1)
    result = ctx.like(name, y, ctx.graph.of(tensor).shape)
    ctx.emit("rescale16", [tensor], result, helper=True, multiplier=multiplier, shift=shift, lo=y.low, hi=y.high)
    return result


def widened(ctx: Context, name: str) -> tuple[View, QParam]:
    """An int8 value in int16, exactly."""
    x, view, key = ctx.param(name), ctx.view(name), wide_name(name)
    param = QParam(x.scale / SPREAD, 0, "int16")
    if key not in ctx.other_views:
        table = SPREAD * (np.arange(256, dtype=np.uint8).view(x.dtype).astype(np.int64) - x.zero_point)
        result = ctx.like(key, param, ctx.graph.of(view.tensor).shape)
        ctx.emit("tfl_lut", [view.tensor, ctx.put(f"{name}/widen", np.clip(table, -32768, 32767).astype(np.int16))], result, helper=True)
        ctx.other_views[key] = view.on(result)
    return ctx.other_views[key], param


def layer(ctx: Context, node: Node) -> None:
    """In 16 bits, from what int8 inputs become to what an int8 output comes from."""
    name = node.output
    inputs = {x: widened(ctx, x) for x in ctx.net.activations(node) if not is_wide(ctx, x)}
    y = ctx.param(name)
    inner = y if is_wide(ctx, name) else QParam(y.scale / INNER, 0, "int16")
    with replaced(ctx, inputs):
        ctx.params[name] = inner
        try:
            LAYERS[node.op](ctx, node)
        finally:
            ctx.params[name] = y
    if not is_wide(ctx, name):
        view = ctx.view(name)
        ctx.views[name] = view.on(rescaled(ctx, view.tensor, inner, y, name))


def constants(ctx: Context, node: Node, weight: QWeight, stored: Array) -> list[str]:
    """Weights, bias, multiplier and shift as `tfl_conv2d` takes them."""
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    bias = np.rint(weight.bias / (x.scale * weight.scale)).clip(-(2.0**46), 2.0**46).astype(np.int64)
    multiplier, shift = requantize_params(x.scale * weight.scale / y.scale, "i64_15")
    return [
        ctx.put(f"{node.name}/weight", stored, tuple(float(s) for s in weight.scale), weight.zero_point),
        ctx.put(f"{node.name}/bias", bias),
        ctx.put(f"{node.name}/multiplier", multiplier.astype(np.int64)),
        ctx.put(f"{node.name}/shift", np.minimum(shift, 14)),
    ]


def conv(ctx: Context, node: Node) -> None:
    x, weight = node.inputs[0], ctx.weight(node)
    w = window(ctx, node, weight.q)
    batch, channels = ctx.shape(x)[0], ctx.shape(x)[1] * (int(np.prod(ctx.shape(x)[2:])) // int(np.prod(w.image)))
    tensor = ctx.stored(x, w.order, (batch, *w.image, channels))
    result = produce(ctx, node.output, (batch, *w.target, len(w.q)))
    fields: dict[str, Any] = {"stride": tuple(w.stride), "dilation": tuple(w.dilation), "pads": (*w.begin, *w.end)}
    names = constants(ctx, node, weight, w.q.transpose(0, 2, 3, 1))
    ctx.emit("tfl_conv2d", [tensor, *names], result, groups=w.groups, rounding="i64_15", **fields, **ctx.limits(node))
    ctx.place(node.output, result)


def linear(ctx: Context, node: Node) -> None:
    x, out, weight = node.inputs[0], ctx.shape(node.output), ctx.weight(node)
    rows, plain = math.prod(out[:-1]), tuple(range(len(ctx.shape(x))))
    tensor = ctx.stored(x, plain, (rows, 1, 1, ctx.shape(x)[-1]))
    result = produce(ctx, node.output, (rows, 1, 1, out[-1]))
    names = constants(ctx, node, weight, weight.q[:, None, None, :])
    ctx.emit("tfl_conv2d", [tensor, *names], result, rounding="i64_15", **ctx.limits(node))
    ctx.place(node.output, ctx.reshape(result, out), tuple(range(len(out))))


def add(ctx: Context, node: Node) -> None:
    """(T6) with zero points 0: both operands at twice the larger scale, 15 bits up, then to the output's."""
    order = ctx.natural(node.output)
    a, b = (ctx.stored(name, order) for name in node.inputs)
    scales = [ctx.param(name).scale for name in node.inputs]
    twice = 2 * max(scales)
    (m1, s1), (m2, s2) = (q31_params(scale / twice) for scale in scales)
    multiplier, shift = q31_params(twice / (2**15 * ctx.param(node.output).scale))
    result = produce(ctx, node.output, tuple(ctx.shape(node.output)[axis] for axis in order))
    fields: dict[str, Any] = {"left": 15, "m1": m1, "s1": s1, "m2": m2, "s2": s2, "multiplier": multiplier, "shift": shift}
    ctx.emit("tfl_add", [a, b], result, sign=-1 if node.op == "Sub" else 1, **fields, **ctx.limits(node))
    ctx.place(node.output, result, order)


LAYERS = {"Conv": conv, "Linear": linear, "Add": add, "Sub": add}

