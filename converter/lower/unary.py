"""Functions of single elements as tables, and softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..ir import Array, Node
from ..onnx.single import evaluate
from ..quantize import FINEST, QParam
from .context import Context, Refused, lowers


@lowers("Unary")
def unary(ctx: Context, node: Node) -> None:
    """`lut8`: the exported function itself, evaluated at the 256 values that its input can have."""
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    view = ctx.view(node.inputs[0])
    if node.inputs[0] in ctx.net.levels and node.output in ctx.net.levels and x == y:  # what makes its input rounds to these levels already
        return ctx.result(node.output, view)

    def function(real: Array) -> Array:
        values = evaluate(ctx.net, node, real.astype(np.float32)).reshape(real.shape)  # a slope [1, 1, 1] would add axes
        return np.asarray(np.nan_to_num(values.astype(np.float64), posinf=3e38, neginf=-3e38))

    if "axis" in node.attrs:
        return per_channel(ctx, node, function)
    result = ctx.table(view.tensor, x, y, (lambda real: real) if ctx.dry else function, node.output)
    ctx.result(node.output, view.on(result))


def per_channel(ctx: Context, node: Node, function: Callable[[Array], Array]) -> None:
    """`lut8_channels`: as above, where the function of one element has numbers for each channel of an axis."""
    name, axis = node.inputs[0], int(node.attrs["axis"])
    x, y, shape = ctx.param(name), ctx.param(node.output), ctx.shape(name)
    order = (*(a for a in range(len(shape)) if a != axis), axis)
    tensor = ctx.stored(name, order)
    tables, which = np.zeros((1, 256), y.dtype), np.zeros(shape[axis], np.int64)
    if not ctx.dry:
        real = x.dequantize(np.arange(256, dtype=np.uint8).view(x.dtype)).reshape(-1, *[1] * (len(shape) - 1))
        given = np.broadcast_to(real, (256, *(size if a == axis else 1 for a, size in enumerate(shape) if a)))
        tables, which = np.unique(y.quantize(function(given)).reshape(256, -1).T, axis=0, return_inverse=True)
        if len(tables) > 256:
            raise Refused("more than 256 functions in one operator", 'set level_channels = false in the recipe')
    result = ctx.produce(node.output, tuple(shape[a] for a in order))
    names = [ctx.put(f"{node.output}/tables", tables), ctx.put(f"{node.output}/which", which.reshape(-1).astype(np.int32))]
    ctx.emit("lut8_channels", [tensor, *names], result)
    ctx.place(node.output, result, order)


def exponentials(scale: float) -> Array:
    """SPEC (7.2): round(2^23 * exp(-d * scale)) for the differences d = 0..255 from the maximum."""
    return np.asarray(np.rint(2.0**23 * np.exp(-np.arange(256) * scale)), np.int32)


@lowers("Softmax")
def softmax(ctx: Context, node: Node) -> None:
    """Along any axis, which is stored last. The scale is a power of two: where the output's is another (a quantized source), the one above it."""
    source = node.inputs[0]
    shape = ctx.shape(source)
    axis = node.attrs.get("axis", -1) % len(shape)
    order = (*(a for a in range(len(shape)) if a != axis), axis)
    if axis == 0 and not ctx.net.whole:
        raise Refused("it normalizes over the batch", "keep the batch in axis 0")
    tensor = ctx.stored(source, order)
    table = ctx.put(f"{node.name}/table", exponentials(ctx.param(source).scale))
    y = ctx.param(node.output)
    bits = int(np.clip(np.floor(-np.log2(y.scale)), 8, FINEST))
    own = QParam(2.0**-bits, -128)
    result = ctx.like(node.output if y == own else f"{node.output}/softmax", own, tuple(shape[a] for a in order))
    ctx.emit("softmax", [tensor, table], result, bits=bits)
    ctx.place(node.output, ctx.rescaled(result, y, node.output), order)
