"""Products with constant weights: conv2d, dwconv2d, dense (SPEC 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..graph import RANGES, Array
from .base import MAX_DIM, Bounds, Op, View, clamp_ok, requantize_bounds, requantize_ok

if TYPE_CHECKING:
    from ..build import Builder

Pair = tuple[int, int]


def window_shape(v: View, kernel: Pair, stride: Pair, dilation: Pair, pads: tuple[int, int, int, int]) -> Pair:
    """Output height and width of a sliding window over input 0 (NHWC)."""
    shape = v.x().shape
    v.need(len(shape) == 4, f"input must have 4 dimensions, has shape {list(shape)}")
    v.within("stride", stride, 1, 2**15)
    v.within("dilation", dilation, 1, 2**15)
    v.within("pads", pads, 0, 2**15)
    v.within("kernel", kernel, 1, 2**15)
    out = []
    for i in (0, 1):
        room = shape[1 + i] + pads[i] + pads[i + 2] - ((kernel[i] - 1) * dilation[i] + 1)
        v.need(room >= 0, f"kernel {list(kernel)} with dilation {list(dilation)} is larger than the padded input {list(shape)}")
        out.append(room // stride[i] + 1)
    return out[0], out[1]


def conv_shape(v: View, stride: Pair, dilation: Pair, pads: tuple[int, int, int, int], groups: int) -> tuple[int, ...]:
    """Output shape of a convolution of input 0 (NHWC) with the constant weights [O,KH,KW,C/groups] that input 1 is."""
    x, w = v.x().shape, v.array(1).shape
    v.need(len(w) == 4, f"weights must have 4 dimensions, have shape {list(w)}")
    oh, ow = window_shape(v, (w[1], w[2]), stride, dilation, pads)
    v.within("groups", groups, 1, MAX_DIM)
    fits = w[0] > 0 and w[3] > 0 and w[0] % groups == 0 and w[3] * groups == x[3]
    v.need(fits, f"weights {list(w)} do not fit {groups} groups of {x[3]} channels")
    return x[0], oh, ow, w[0]


def conv_fields(
    image: tuple[int, ...], out: tuple[int, ...], kernel: tuple[int, ...], stride: Pair = (1, 1), dilation: Pair = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> dict[str, int]:  # fmt: skip
    """The fields of C params that every convolution has. image, out: [N,H,W,C] with the plan's batch."""
    (n, h, w, c), (_, oh, ow, oc) = image, out
    return {
        "n": n, "h": h, "w": w, "c": c, "oh": oh, "ow": ow, "oc": oc, "kh": kernel[0], "kw": kernel[1], "stride_h": stride[0],
        "stride_w": stride[1], "dilation_h": dilation[0], "dilation_w": dilation[1], "pad_top": pads[0], "pad_left": pads[1],
    }  # fmt: skip


def reach(v: View, w: Array) -> tuple[Array, Array]:
    """(lowest, highest) sum of each row of weights w[O, K] (zero point off, int64) with inputs from the whole range of their dtype. Padding is
    the input's zero point, so within it."""
    least, most = (e - v.x().zero_point for e in RANGES[v.x().dtype])
    positive, negative = np.maximum(w, 0).sum(axis=1), np.minimum(w, 0).sum(axis=1)
    return positive * least + negative * most, positive * most + negative * least


class Product(Op, kw_only=True):
    """Shared by the three: requantization attributes, checks and bounds. Subclasses say where the output channel of a weight is."""

    zero_points: ClassVar[tuple[str, ...]] = ("x", "w", "y")
    channel_axis: ClassVar[int] = 0
    rounding: str = "q15"
    lo: int = -128
    hi: int = 127

    def arity(self, v: View) -> None:
        v.count(5)

    def check(self, v: View) -> None:
        wide = self.rounding == "i64_15"
        v.dtype(v.x(), "int16" if wide else "int8")
        v.dtype(v.y(), "int16" if wide else "int8")
        v.dtype(v.x(1), "int8")
        channels = v.y().shape[-1]
        v.constant(2, "int64" if wide else "int32", (channels,))
        requantize_ok(v, self.rounding, v.constant(3, "int32", (channels,)), v.constant(4, "int32", (channels,)))
        clamp_ok(v, self.lo, self.hi, "int16" if wide else "int8")

    def bounds(self, v: View) -> Bounds:
        """Exact worst case per channel: each weight times the end of the input range that hurts."""
        w = np.moveaxis(v.array(1).astype(np.int64) - v.x(1).zero_point, self.channel_axis, 0).reshape(v.y().shape[-1], -1)
        (lo, hi), bias = reach(v, w), v.array(2).astype(np.int64)
        return requantize_bounds(v.node.name, self.rounding, lo + bias, hi + bias, v.array(4))

    def parameters(self, v: View) -> int:
        return v.x(1).size

    def macs(self, v: View) -> int:
        return v.y().size * int(np.prod(v.x(1).shape, dtype=object)) // max(v.y().shape[-1], 1)


class Conv2d(Product, kw_only=True):
    """x[N,H,W,C], w[O,KH,KW,C/groups], bias[O], multiplier[O], shift[O] -> [N,OH,OW,O]. pads: top, left, bottom, right."""

    op: ClassVar[str] = "conv2d"
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1

    def shape(self, v: View) -> tuple[int, ...]:
        return conv_shape(v, self.stride, self.dilation, self.pads, self.groups)

    def lower(self, v: View, b: Builder) -> None:
        w = v.array(1)
        b.product(v, self, w, self.groups, conv_fields(b.shape(v.x()), b.shape(v.y()), w.shape[1:], self.stride, self.dilation, self.pads))


class Dense(Product, kw_only=True):
    """x[...,K], w[N,K], bias[N], multiplier[N], shift[N] -> [...,N]."""

    op: ClassVar[str] = "dense"

    def shape(self, v: View) -> tuple[int, ...]:
        x, w = v.x().shape, v.array(1).shape
        v.need(len(w) == 2 and len(x) >= 1 and w[1] == x[-1] and w[0] > 0 and w[1] > 0, f"weights {list(w)} do not fit input {list(x)}")
        return (*x[:-1], w[0])

    def lower(self, v: View, b: Builder) -> None:
        w = v.array(1)
        x = b.shape(v.x())
        rows = int(np.prod(x[:-1]))
        b.product(v, self, w, 1, conv_fields((rows, 1, 1, x[-1]), (rows, 1, 1, w.shape[0]), (1, 1)))


class DwConv2d(Product, kw_only=True):
    """x[N,H,W,C], w[KH,KW,C*m], bias, multiplier, shift -> [N,OH,OW,C*m]; output channel c*m + j reads input channel c."""

    op: ClassVar[str] = "dwconv2d"
    channel_axis: ClassVar[int] = 2
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)

    def shape(self, v: View) -> tuple[int, ...]:
        x, w = v.x().shape, v.array(1).shape
        v.need(len(w) == 3, f"weights must have 3 dimensions, have shape {list(w)}")
        oh, ow = window_shape(v, (w[0], w[1]), self.stride, self.dilation, self.pads)
        v.need(x[3] > 0 and w[2] > 0 and w[2] % x[3] == 0, f"weights {list(w)} do not fit {x[3]} channels")
        return x[0], oh, ow, w[2]

    def lower(self, v: View, b: Builder) -> None:
        b.depthwise(v, self, conv_fields(b.shape(v.x()), b.shape(v.y()), v.x(1).shape, self.stride, self.dilation, self.pads))
