"""Pooling and means."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import View
from ...ops.pool import split
from ..source import CTYPES, Source
from .base import clamp_fields, emitter, images, rounding_constant, rounding_of


def shape(v: View) -> dict[str, int]:
    a: Any = v.node.attrs
    _, h, w, c = v.x().shape
    _, oh, ow, _ = v.y().shape
    pads = getattr(a, "pads", (0, 0, 0, 0))
    return {
        "h": h, "w": w, "c": c, "oh": oh, "ow": ow, "kh": a.kernel[0], "kw": a.kernel[1],
        "stride_h": a.stride[0], "stride_w": a.stride[1], "top": pads[0], "left": pads[1],
    }  # fmt: skip


@emitter("max_pool", "tfl_max_pool")
def max_pool(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    dtype = v.x().dtype
    s.use("max_pool", name=dtype, type=CTYPES[dtype])
    layer = s.struct("pool_shape", shape(v))
    images(s, v, lambda x, y: f"max_pool_{dtype}({layer}, {x}, {y}, {a.lo}, {a.hi});")


@emitter("tfl_avg_pool")
def tfl_avg_pool(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    dtype = v.x().dtype
    s.use("tfl_avg_pool", name=dtype, type=CTYPES[dtype])
    layer = s.struct(f"tfl_avg_pool_{dtype}_layer", {"shape": shape(v), "offset": a.offset, "lo": a.lo, "hi": a.hi})
    images(s, v, lambda x, y: f"tfl_avg_pool_{dtype}({layer}, {x}, {y});")


@emitter("avg_pool")
def avg_pool(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rounding = rounding_of(s, v)
    s.use("avg_pool", rounding, name="int8", type="int8_t")
    fields = {
        "shape": shape(v),
        "divisors": s.array("divisors", np.array(a.divisors, np.int32)),
        "bias": s.array("bias", rounding_constant(rounding, v.array(2)).astype(np.int32)),
        "multiplier": s.array("multiplier", v.array(1)),
        "shift": s.array("shift", v.array(2).astype(np.int8)),
        "window_elements": a.kernel[0] * a.kernel[1] if a.count_include_pad else 0,
        "x_zero_point": v.x().zero_point,
        **clamp_fields(v),
    }
    layer = s.struct(f"avg_pool_{rounding}_layer", fields)
    images(s, v, lambda x, y: f"avg_pool_{rounding}({layer}, {x}, {y});")


@emitter("avg_pool16")
def avg_pool16(s: Source, v: View) -> None:
    s.use("avg_pool16")
    layer = s.struct("pool_shape", shape(v))
    images(s, v, lambda x, y: f"avg_pool16({layer}, {x}, {y});")


@emitter("mean")
def mean(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rounding = rounding_of(s, v)
    s.use("mean", rounding)
    outer, reduce, inner = split(a.axes, v.x().shape)
    bias = int(rounding_constant(rounding, v.array(2))[0]) - reduce * v.x().zero_point
    fields = {"outer": outer, "reduce": reduce, "inner": inner, "bias": bias, "multiplier": int(v.array(1)[0]), "shift": int(v.array(2)[0])}
    layer = s.struct(f"mean_{rounding}_layer", {**fields, **clamp_fields(v)})
    s.call(f"mean_{rounding}({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])});")


@emitter("standardize")
def standardize(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("standardize")
    outer, reduce, inner = split(a.axes, v.x().shape)
    fields = {"outer": outer, "reduce": reduce, "inner": inner, "epsilon": f"INT64_C({a.epsilon})", "multiplier": a.multiplier, "shift": a.shift}
    layer = s.struct("standardize_layer", {**fields, **clamp_fields(v)})
    s.call(f"standardize({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])});")
