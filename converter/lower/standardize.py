"""Standardization: the part of a layer, instance or group normalization that has no constants."""

from __future__ import annotations

import math

from ...kernels.fixed_point import q31_params
from ...ops.standardize import MOST_EPSILON
from ..ir import Node
from .context import Context, lowers
from .pool import neighbours


@lowers("Standardize")
def standardize(ctx: Context, node: Node) -> None:
    source, axes = node.inputs[0], node.attrs["axes"]
    count = math.prod(ctx.shape(source)[axis] for axis in axes)
    order, where = neighbours(ctx, source, axes)
    x, y = ctx.param(source), ctx.param(node.output)
    multiplier, shift = q31_params(1 / y.scale)
    epsilon = min(round(node.attrs["epsilon"] * (count / x.scale) ** 2), MOST_EPSILON)
    result = ctx.produce(node.output, tuple(ctx.shape(source)[axis] for axis in order))
    fields = {"axes": tuple(where), "multiplier": multiplier, "shift": shift, "epsilon": epsilon, **ctx.limits(node)}
    ctx.emit("standardize", [ctx.stored(source, order)], result, **fields)
    ctx.place(node.output, result, order)
