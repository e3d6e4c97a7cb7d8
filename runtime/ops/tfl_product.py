"""Convolution and fully connected layers of imported models with 64-bit accumulators (kernels/SPEC_tflite.md, T25)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from . import conv16
from .base import Bounds, Op, View, clamp_ok
from .product import Pair, conv_fields, conv_shape, reach
from .tfl_elementwise import VARIANT

if TYPE_CHECKING:
    from ..build import Builder

ROUNDINGS = {"i64_15": (0, 2**47, -31, 14), "q31_double": (1, 2**31, -31, 30), "float64": (2, 2**53, -1100, 0)}  # number, limit, shifts


class TflConv2d(Op, kw_only=True):
    """x[N,H,W,C] int8 or int16, w[O,KH,KW,C/groups] int8 or int16, bias[O] int64, multiplier[O] int64, shift[O] int32 -> [N,OH,OW,O].

    Depthwise layers have as many groups as channels; fully connected ones an image of one pixel per row. The multiplier of `float64` is the
    53-bit mantissa of the scale and shift its exponent.
    """

    op: ClassVar[str] = "tfl_conv2d"
    zero_points: ClassVar[tuple[str, ...]] = ("x", "w", "y")
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1
    rounding: str
    lo: int
    hi: int

    def arity(self, v: View) -> None:
        v.count(5)

    def shape(self, v: View) -> tuple[int, ...]:
        return conv_shape(v, self.stride, self.dilation, self.pads, self.groups)

    def check(self, v: View) -> None:
        v.dtype(v.x(), "int8", "int16")
        v.dtype(v.x(1), "int8", v.x().dtype)
        v.dtype(v.y(), v.x().dtype)
        v.need(self.rounding in ROUNDINGS, f"rounding {self.rounding!r} is unknown; known: {', '.join(ROUNDINGS)}")
        channels = v.y().shape[-1]
        bias = v.constant(2, "int64", (channels,))
        v.need(bool(((bias > -(2**60)) & (bias < 2**60)).all()), "a bias is beyond 2^60")
        multiplier, shift = v.constant(3, "int64", (channels,)), v.constant(4, "int32", (channels,))
        most = 2**53 if self.rounding == "float64" else 2**31 - 1
        v.need(bool(((multiplier >= 0) & (multiplier <= most)).all()), f"a multiplier is outside 0..{most}")
        _, _, least_shift, most_shift = ROUNDINGS[self.rounding]
        v.need(bool(((shift >= least_shift) & (shift <= most_shift)).all()), f"a shift is outside {least_shift}..{most_shift}")
        clamp_ok(v, self.lo, self.hi, v.y().dtype)

    def bounds(self, v: View) -> Bounds:
        w = v.array(1).astype(np.int64).reshape(v.y().shape[-1], -1) - v.x(1).zero_point
        (lo, hi), bias, shift = reach(v, w), v.array(2), v.array(4).astype(np.int64)
        left = np.maximum(shift, 0) if self.rounding == "q31_double" else np.zeros_like(shift)
        return Bounds(v.node.name, lo + bias, hi + bias, np.int64(ROUNDINGS[self.rounding][1]) >> left)

    def parameters(self, v: View) -> int:
        return v.x(1).size

    def macs(self, v: View) -> int:
        return v.y().size * int(np.prod(v.x(1).shape[1:], dtype=object))

    def lower(self, v: View, b: Builder) -> None:
        weights, out = v.array(1), b.shape(v.y())
        shapes = conv_fields(b.shape(v.x()), out, weights.shape[1:], self.stride, self.dilation, self.pads)
        if conv16.fits(self, v):
            conv16.lower(self, v, b, shapes)
            return
        fields = {
            **shapes, "groups": self.groups, "w_size": weights.dtype.itemsize, "rounding": ROUNDINGS[self.rounding][0],
            "x_zero_point": v.x().zero_point, "w_zero_point": v.x(1).zero_point, "y_zero_point": v.y().zero_point, "lo": self.lo, "hi": self.hi,
        }  # fmt: skip
        p = b.new("intq_tfl_conv2d", **fields, weights=b.constant(weights, "uint8_t *"), bias=b.constant(v.array(2), "int64_t *"),
                  multiplier=b.constant(v.array(3), "int64_t *"), shift=b.constant(v.array(4), "int32_t *"))  # fmt: skip
        b.step(v, b.row("tfl_conv2d", VARIANT[v.x().dtype]), p, out[0] * out[1], reads=[v.node.inputs[0]])
