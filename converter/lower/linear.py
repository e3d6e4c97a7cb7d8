"""Linear (Gemm, MatMul with constant weights) as dense."""

from __future__ import annotations

import math

import numpy as np

from ...ops.sparse import density
from ..ir import Array, Node
from ..quantize import QWeight, quantize_bias
from .context import Context, lowers
from .conv import layer_constants, peaks
from .view import View

BLOCK = (1, 4)  # what sparse kernels skip together: outputs by inputs
BROKEN = 1.5  # times as many blocks to walk are worth moving the input
FEW = 16  # rows of inputs up to which codes are read faster than bytes (docs/lowbit.md)


def flattened(view: View) -> Array | None:
    """For a value [1, K] that lies contiguous in any order: the source index of each stored element."""
    if math.prod(view.shape[:-1]) != 1 or math.prod(view.factors) != view.shape[-1]:
        return None
    source = np.arange(view.shape[-1]).reshape([view.factors[p] for p in view.perm])
    return np.asarray(source.transpose(np.argsort(view.perm)).reshape(-1))


def in_blocks(q: Array, index: Array) -> bool:
    """Whether zeros of q[N, K] lie in blocks that another order of the columns would break."""
    if 2 * np.count_nonzero(q) > q.size:
        return False
    return density(q[:, index], BLOCK) > BROKEN * density(q, BLOCK)


def coded(ctx: Context, node: Node, weight: QWeight) -> None:
    """Codes per group; a flattened image lies as the source has it, for a group is a run of the source's columns."""
    assert weight.codes is not None
    codes, _, group = weight.codes
    shape, out = ctx.shape(node.inputs[0]), ctx.shape(node.output)
    x, y = ctx.param(node.inputs[0]), ctx.param(node.output)
    bias = quantize_bias(weight.bias, x.scale, weight.scale)
    arrays = {"codes": codes.codes, "table": codes.table, "multipliers": codes.multipliers, "bias": bias}
    names = [ctx.put(f"{node.name}/{key}", array) for key, array in arrays.items()]
    most = peaks(ctx, node, weight, bias.astype(np.int64))
    multiplier, shift, rounding = ctx.requantizer(node.name, x.scale * weight.scale / y.scale, most, node.output)
    result = ctx.produce(node.output, out)
    tensor = ctx.stored(node.inputs[0], tuple(range(len(shape))))
    ctx.emit("dense_codes", [tensor, *names, multiplier, shift], result, group=group, rounding=rounding, **ctx.limits(node))
    ctx.place(node.output, result, tuple(range(len(out))))


@lowers("Linear")
def linear(ctx: Context, node: Node) -> None:
    """x[..., K], weight[N, K]. A flattened image is not transposed: the columns of the weight are, unless that breaks its blocks of zeros."""
    x, view = node.inputs[0], ctx.view(node.inputs[0])
    shape, out = ctx.shape(x), ctx.shape(node.output)
    weight = ctx.weight(node)
    if weight.codes is not None and (weight.q.dtype != np.int8 or math.prod(out[:-1]) <= FEW):
        return coded(ctx, node, weight)
    q, index = weight.q, flattened(view)
    if index is not None and not in_blocks(q, index):
        tensor, q = ctx.reshape(view.tensor, shape), np.ascontiguousarray(q[:, index])
    else:
        tensor = ctx.stored(x, tuple(range(len(shape))))
    names, rounding = layer_constants(ctx, node, weight, q)
    result = ctx.produce(node.output, out)
    ctx.emit("dense", [tensor, *names], result, rounding=rounding, **ctx.limits(node))
    ctx.place(node.output, result, tuple(range(len(out))))
