"""conv2d, dwconv2d and dense."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph import Array
from ...ops import View
from ..source import MULTIPLIER, Source
from .base import clamp_fields, emitter, faster, rounding_constant, rounding_of, wrap32

COLUMNS = 4  # gathered output pixels that conv2d holds


def product(s: Source, v: View, rounding: str, weights: Array, channel_axis: int, channels: int, depth: int) -> dict[str, Any]:
    """Fields of product_<rounding>: the bias takes over the input's zero point and the rounding constant, modulo 2^32."""
    if v.x(1).zero_point != 0:
        s.unsupported(v, f"op {v.node.op} with a zero point of its weights")
    if depth * 2**14 >= 2**31:
        s.unsupported(v, f"op {v.node.op} with sums of {depth} products")
    axes = tuple(i for i in range(weights.ndim) if i != channel_axis)
    bias = v.array(2).astype(np.int64) - v.x().zero_point * weights.astype(np.int64).sum(axis=axes)
    bias = bias + rounding_constant(rounding, v.array(4))
    multiplier = v.array(3).astype(np.int16 if MULTIPLIER.get(rounding) else np.int32)
    return {
        "weights": s.array("weights", weights),
        "bias": s.array("bias", wrap32(bias)),
        "multiplier": s.array("multiplier", multiplier if rounding != "shift" else np.zeros_like(multiplier)),
        "shift": s.array("shift", v.array(4).astype(np.int8)),
        "channels": channels,
        "depth": depth,
        **clamp_fields(v),
    }


def window(v: View) -> dict[str, Any]:
    a: Any = v.node.attrs
    _, h, w, _ = v.x().shape
    _, oh, ow, _ = v.y().shape
    return {
        "h": h, "w": w, "oh": oh, "ow": ow, "stride_h": a.stride[0], "stride_w": a.stride[1],
        "dilation_h": a.dilation[0], "dilation_w": a.dilation[1], "top": a.pads[0], "left": a.pads[1], "x_zero_point": v.x().zero_point,
    }  # fmt: skip


@emitter("dense")
def dense(s: Source, v: View) -> None:
    rounding = faster(v, rounding_of(s, v), v.array(4))
    w = v.array(1)
    s.use("matmul", rounding)
    layer = s.struct(f"product_{rounding}", product(s, v, rounding, w, 0, *w.shape))
    rows = v.x().size // w.shape[1]
    s.call(f"matmul_{rounding}({layer}, {s.ref(v.node.inputs[0])}, {rows}, {s.ref(v.node.outputs[0])}, {w.shape[0]});")


@emitter("conv2d")
def conv2d(s: Source, v: View) -> None:
    convolution(s, v, v.array(1), getattr(v.node.attrs, "groups", 1))


def convolution(s: Source, v: View, w: Array, groups: int) -> None:
    """Weights [O,KH,KW,C/groups]. Without a window's reach it is one matrix product over the pixels."""
    rounding = faster(v, rounding_of(s, v), v.array(4))
    if v.y().shape[0] != 1:
        s.unsupported(v, f"op {v.node.op} with a batch")
    oc, kh, kw, _ = w.shape
    depth = int(np.prod(w.shape[1:]))
    fields = product(s, v, rounding, w, 0, oc // groups, depth)
    shape = window(v)
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    if (kh, kw, groups, shape["stride_h"], shape["stride_w"]) == (1, 1, 1, 1, 1) and v.x().shape[1:3] == v.y().shape[1:3]:
        s.use("matmul", rounding)
        layer = s.struct(f"product_{rounding}", fields)
        s.call(f"matmul_{rounding}({layer}, {x}, {shape['oh']} * {shape['ow']}, {y}, {oc});")
        return
    s.use("conv2d", rounding)
    layer = s.struct(f"conv2d_{rounding}_layer", {"product": fields, **shape, "c": v.x().shape[3], "kh": kh, "kw": kw, "groups": groups})
    s.call(f"conv2d_{rounding}({layer}, {x}, {y}, {s.temporary(COLUMNS * depth, 'columns')});")


@emitter("dwconv2d")
def dwconv2d(s: Source, v: View) -> None:
    """With several outputs per input channel it is a convolution of as many groups as there are input channels."""
    w = v.array(1)
    kh, kw, oc = w.shape
    c = v.x().shape[3]
    if oc != c:
        return convolution(s, v, np.ascontiguousarray(w.transpose(2, 0, 1))[..., None], c)
    rounding = faster(v, rounding_of(s, v), v.array(4))
    if v.y().shape[0] != 1:
        s.unsupported(v, "op dwconv2d with a batch")
    s.max_taps = max(s.max_taps, kh * kw)
    s.use("dwconv2d", rounding)
    layer = s.struct(f"dwconv2d_{rounding}_layer", {"product": product(s, v, rounding, w, 2, oc, kh * kw), **window(v), "kh": kh, "kw": kw})
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    s.call(f"dwconv2d_{rounding}({layer}, {x}, {y}, {s.temporary(c, 'border')});")
