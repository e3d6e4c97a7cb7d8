"""Pooling and means."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import View
from ..source import Source
from .base import clamp_fields, emitter, rounding_constant, rounding_of


def shape(s: Source, v: View) -> dict[str, int]:
    a: Any = v.node.attrs
    n, h, w, c = v.x().shape
    if n != 1:
        s.unsupported(v, f"op {v.node.op} with a batch")
    if v.x().dtype != "int8":
        s.unsupported(v, f"op {v.node.op} of {v.x().dtype}")
    _, oh, ow, _ = v.y().shape
    return {
        "h": h, "w": w, "c": c, "oh": oh, "ow": ow, "kh": a.kernel[0], "kw": a.kernel[1],
        "stride_h": a.stride[0], "stride_w": a.stride[1], "top": a.pads[0], "left": a.pads[1],
    }  # fmt: skip


@emitter("max_pool", "tfl_max_pool")
def max_pool(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("max_pool")
    layer = s.struct("pool_shape", shape(s, v))
    s.call(f"max_pool({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])}, {a.lo}, {a.hi});")


@emitter("tfl_avg_pool")
def tfl_avg_pool(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("tfl_avg_pool")
    layer = s.struct("tfl_avg_pool_layer", {"shape": shape(s, v), "offset": a.offset, "lo": a.lo, "hi": a.hi})
    s.call(f"tfl_avg_pool({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])});")


@emitter("avg_pool")
def avg_pool(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rounding = rounding_of(s, v)
    s.use("avg_pool", rounding)
    fields = {
        "shape": shape(s, v),
        "divisors": s.array("divisors", np.array(a.divisors, np.int32)),
        "bias": s.array("bias", rounding_constant(rounding, v.array(2)).astype(np.int32)),
        "multiplier": s.array("multiplier", v.array(1)),
        "shift": s.array("shift", v.array(2).astype(np.int8)),
        "window_elements": a.kernel[0] * a.kernel[1] if a.count_include_pad else 0,
        "x_zero_point": v.x().zero_point,
        **clamp_fields(v),
    }
    layer = s.struct(f"avg_pool_{rounding}_layer", fields)
    s.call(f"avg_pool_{rounding}({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])});")


@emitter("mean")
def mean(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rounding = rounding_of(s, v)
    s.use("mean", rounding)
    outer, reduce, inner = a.split(v.x().shape)
    bias = int(rounding_constant(rounding, v.array(2))[0]) - reduce * v.x().zero_point
    fields = {"outer": outer, "reduce": reduce, "inner": inner, "bias": bias, "multiplier": int(v.array(1)[0]), "shift": int(v.array(2)[0])}
    layer = s.struct(f"mean_{rounding}_layer", {**fields, **clamp_fields(v)})
    s.call(f"mean_{rounding}({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])});")
