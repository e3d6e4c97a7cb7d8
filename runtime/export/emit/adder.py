"""Convolution without multiplication."""

from __future__ import annotations

import numpy as np

from ...ops import View
from ..source import Source
from .base import emitter, faster, images, rounding_constant, rounding_of
from .product import finish_fields, window


@emitter("adder2d")
def adder2d(s: Source, v: View) -> None:
    w = v.array(1)
    oc, kh, kw, c = w.shape
    rounding = faster(v, rounding_of(s, v), v.array(4))
    s.use("adder2d", rounding)
    bias = v.array(2).astype(np.int64) + rounding_constant(rounding, v.array(4))
    fields = {"weights": s.array("weights", w), **finish_fields(s, v, rounding, bias, oc, kh * kw * c)}
    layer = s.struct(f"adder2d_{rounding}_layer", {"product": fields, "shape": {**window(v), "c": c, "kh": kh, "kw": kw, "groups": 1}})
    column = s.temporary(kh * kw * c, "column")
    images(s, v, lambda x, y: f"adder2d_{rounding}({layer}, {x}, {y}, {column});")
