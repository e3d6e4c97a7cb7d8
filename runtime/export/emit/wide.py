"""Products in plain C: 16-bit inputs, weights with a zero point, 64-bit accumulators."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph import Array
from ...ops import View
from ..source import CTYPES, Source
from .base import clamp_fields, emitter, images, rounding_constant, rounding_of

SCALES = {"i64_15": "scale15", "q31_double": "scale31", "float64": "scale_float64"}  # how wide accumulators are rescaled


def direct(s: Source, v: View, w: Array, groups: int, image: tuple[int, ...], out: tuple[int, ...]) -> None:
    """A convolution without packing: weights [O,KH,KW,C/groups], image and out (n, height, width)."""
    a: Any = v.node.attrs
    wide = v.node.op == "tfl_conv2d" or a.rounding == "i64_15"
    (h, width), (oh, ow) = image[1:3], out[1:3]
    bias, shift = v.array(2).astype(np.int64), v.array(4)
    multiplier = v.array(3)
    if wide:
        words = {"acc": "int64_t", "scale": SCALES[a.rounding], "wide": "int64_t" if a.rounding == "float64" else "int32_t"}
        s.use("direct_wide_scale", **words)
        if a.rounding == "i64_15":  # SPEC 3.6 keeps 15 of the multiplier's 31 bits
            m = multiplier.astype(np.int64)
            multiplier, shift = np.where(m < 0x7FFF0000, (m + 2**15) >> 16, 0x7FFF), 15 - shift
        multiplier = multiplier.astype(np.int64 if a.rounding == "float64" else np.int32)
        kind = f"wide_{words['scale']}"
    else:
        rounding = rounding_of(s, v)
        words = {"acc": "int32_t", "rounding": rounding, "wide": "int32_t"}
        s.use("direct_scale", **words)
        bias = (bias + rounding_constant(rounding, shift)).astype(np.int32)
        kind = rounding
    types = {"x": CTYPES[v.x().dtype], "weight": CTYPES[str(w.dtype)], "y": CTYPES[v.y().dtype]}
    kind = f"{kind}_{v.x().dtype}_{w.dtype}"
    s.use("direct", **words, kind=kind, finish=f"direct_{words.get('scale', words.get('rounding'))}", **types)
    stride, dilation, pads = (getattr(a, name, default) for name, default in (("stride", (1, 1)), ("dilation", (1, 1)), ("pads", (0, 0, 0, 0))))
    fields = {
        "weights": s.array("weights", w), "bias": s.array("bias", bias), "multiplier": s.array("multiplier", multiplier),
        "shift": s.array("shift", shift.astype(np.int16)), "h": h, "w": width, "c": w.shape[3] * groups, "oh": oh, "ow": ow, "oc": w.shape[0],
        "kh": w.shape[1], "kw": w.shape[2], "groups": groups, "stride_h": stride[0], "stride_w": stride[1], "dilation_h": dilation[0],
        "dilation_w": dilation[1], "top": pads[0], "left": pads[1], "x_zero_point": v.x().zero_point, "w_zero_point": v.x(1).zero_point,
        **clamp_fields(v),
    }  # fmt: skip
    layer = s.struct(f"direct_{kind}_layer", fields)
    images(s, v, lambda x, y: f"direct_{kind}({layer}, {x}, {y});", image[0])


@emitter("tfl_conv2d")
def tfl_conv2d(s: Source, v: View) -> None:
    direct(s, v, v.array(1), v.node.attrs.groups, v.x().shape[:3], v.y().shape[:3])  # type: ignore[attr-defined]
