"""Convolution without multiplication: the negative L1 distance of inputs and weights (kernels/SPEC_lowbit.md, L5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import RANGES
from .base import Bounds, View, requantize_bounds
from .product import Pair, Product, conv_fields, conv_shape

if TYPE_CHECKING:
    from ..build import Builder


class Adder2d(Product, kw_only=True):
    """x[N,H,W,C], w[O,KH,KW,C] at the scale and zero point of x, bias[O], multiplier[O], shift[O] -> [N,OH,OW,O]."""

    op: ClassVar[str] = "adder2d"
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    def shape(self, v: View) -> tuple[int, ...]:
        return conv_shape(v, self.stride, self.dilation, self.pads, 1)

    def check(self, v: View) -> None:
        super().check(v)
        v.need(self.rounding != "i64_15", "rounding i64_15 makes int16")
        v.need(v.x(1).zero_point == v.x().zero_point, "inputs and weights have different zero points")

    def bounds(self, v: View) -> Bounds:
        least, most = RANGES["int8"]
        w, bias = v.array(1).astype(np.int64).reshape(v.y().shape[-1], -1), v.array(2).astype(np.int64)
        return requantize_bounds(v.node.name, self.rounding, bias - np.maximum(w - least, most - w).sum(axis=1), bias, v.array(4))

    def lower(self, v: View, b: Builder) -> None:
        row = b.row("adder2d", "any")
        p = b.new("intq_adder2d")
        fields = conv_fields(b.shape(v.x()), b.shape(v.y()), v.x(1).shape[1:], self.stride, self.dilation, self.pads)
        for name, value in {**fields, "groups": 1, "x_zero_point": v.x().zero_point}.items():
            setattr(p.conv, name, value)
        p.conv.weights = b.constant(v.array(1), "int8_t *")
        p.conv.finish = b.finish(self.rounding)
        p.conv.bias = b.requant(p.conv.rq, v, self, v.array(2), v.array(3), v.array(4))
        b.prepare(row, p)
        b.step(v, row, p, p.units, reads=[v.node.inputs[0]])
