"""Kernels for the common case of tfl_conv2d: int16 activations of zero point 0, int8 weights, rounding i64_15 (kernels/SPEC.md, 3.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..build import Builder
    from ..graph import Array
    from .base import View
    from .tfl_product import TflConv2d

MOST_TAPS = 512  # of a depthwise kernel: their addresses lie in the scratch
INPUT = 2**15  # the largest absolute value of an input


def fits(op: TflConv2d, v: View) -> bool:
    plain = v.x().dtype == "int16" and v.x(1).dtype == "int8" and op.rounding == "i64_15"
    return plain and v.x().zero_point == 0 and v.x(1).zero_point == 0


def lower(op: TflConv2d, v: View, b: Builder, fields: dict[str, int]) -> None:
    """fields: of ops.product.conv_fields."""
    weights = v.array(1)
    reach = np.abs(weights.astype(np.int64)).sum(axis=(1, 2, 3)) * INPUT
    depthwise = op.groups == fields["c"] == fields["oc"] and op.groups > 1 and weights[0].size <= MOST_TAPS
    if depthwise and int(reach.max()) < 2**31:
        row, p = b.row("dwconv16", "any"), b.new("intq_dwconv16", **fields)
        p.weights = b.constant(weights[..., 0].transpose(1, 2, 0), "int8_t *")
    else:
        row, p = b.row("conv16", "any"), b.new("intq_conv16")
        for name, value in {**fields, "c": 2 * fields["c"], "groups": op.groups, "threads": b.threads}.items():
            setattr(p.conv, name, value)
        p.conv.weights = b.constant(weights.astype("<i2").view(np.int8), "int8_t *")
        p.conv.bias = b.constant(np.zeros(len(weights), np.int32), "int32_t *")  # what conv2d folds zero points into
    requantize(op, v, b, p.rq, reach)
    b.prepare(row, p)
    b.step(v, row, p, p.units, reads=[v.node.inputs[0]])


def requantize(op: TflConv2d, v: View, b: Builder, rq: Any, reach: Array) -> None:
    """Fill an intq_requant16. reach[O]: the largest absolute sums."""
    bias, multiplier, shift = (v.array(i).astype(np.int64) for i in (2, 3, 4))
    right, reduced = 15 - shift, np.minimum((multiplier + 2**15) >> 16, 2**15 - 1)
    rq.bias = b.constant(bias, "int64_t *")
    rq.multiplier, rq.shift = (b.constant(a.astype(np.int32), "int32_t *") for a in (reduced, right))
    if int((np.abs(bias) + reach).max()) < 2**31:
        rq.bias32 = b.constant(bias.astype(np.int32), "int32_t *")
    rq.zero_point = v.y().zero_point
    rq.least, rq.most = op.lo - rq.zero_point, op.hi - rq.zero_point
