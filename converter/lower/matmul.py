"""Matrix products of two activations (attention, bilinear pooling)."""

from __future__ import annotations

import numpy as np

from ...kernels.fixed_point import requantize_params
from ..ir import Node
from .context import Context, Refused, lowers


@lowers("MatMul")
def matmul(ctx: Context, node: Node) -> None:
    """Two activations: products over the last two axes, the others broadcast; int32 accumulators, one multiplier.

    The kernels take the right side with its last two axes swapped as well; that is used where single bytes would have to change places.
    """
    a, b = node.inputs
    if ctx.is_constant(a) or ctx.is_constant(b):
        raise Refused("one side is constant and no matrix of weights on the right", "transpose the product so that the constant is on the right")
    shape_a, shape_b, out = ctx.shape(a), ctx.shape(b), ctx.shape(node.output)
    if not 3 <= len(shape_a) == len(shape_b) <= 6:
        raise Refused(f"it multiplies shapes {shape_a} and {shape_b}", "give both the same number of axes, the batch first")
    order = tuple(range(len(out)))
    turned = (*order[:-2], order[-1], order[-2])
    adjoint = not ctx.in_runs(b, order) and ctx.in_runs(b, turned)
    tensors = [ctx.stored(a, order), ctx.stored(b, turned if adjoint else order)]
    x, z, y = ctx.param(a), ctx.param(b), ctx.param(node.output)
    multiplier, shift = (int(v[0]) for v in requantize_params(np.array([x.scale * z.scale / y.scale]), "q31_double"))
    result = ctx.produce(node.output, out)
    ctx.emit("tfl_batch_matmul", tensors, result, multiplier=multiplier, shift=shift, rounding="q31_double", adj_b=adjoint, **ctx.limits(node))
    ctx.place(node.output, result, order)
