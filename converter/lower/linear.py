"""Linear (Gemm, MatMul with constant weights) as dense."""

from __future__ import annotations

import math

import numpy as np

from ..ir import Array, Node
from .context import Context, lowers
from .conv import layer_constants
from .view import View


def flattened(view: View) -> Array | None:
    """For a value [1, K] that lies contiguous in any order: the source index of each stored element."""
    if math.prod(view.shape[:-1]) != 1 or math.prod(view.factors) != view.shape[-1]:
        return None
    source = np.arange(view.shape[-1]).reshape([view.factors[p] for p in view.perm])
    return np.asarray(source.transpose(np.argsort(view.perm)).reshape(-1))


@lowers("Linear")
def linear(ctx: Context, node: Node) -> None:
    """x[..., K], weight[N, K]. A flattened image is not transposed: the columns of the weight are."""
    x, view = node.inputs[0], ctx.view(node.inputs[0])
    shape, out = ctx.shape(x), ctx.shape(node.output)
    weight = ctx.weight(node)
    q, index = weight.q, flattened(view)
    if index is not None:
        tensor, q = ctx.reshape(view.tensor, shape), np.ascontiguousarray(q[:, index])
    else:
        tensor = ctx.stored(x, tuple(range(len(shape))))
    names, rounding = layer_constants(ctx, node, weight, q)
    result = ctx.produce(node.output, out)
    ctx.emit("dense", [tensor, *names], result, rounding=rounding, **ctx.limits(node))
    ctx.place(node.output, result, tuple(range(len(out))))
