"""Dense layers with weights of four bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import View
from ..source import MULTIPLIER, Source
from .base import clamp_fields, emitter, faster, rounding_constant, rounding_of, wrap32


@emitter("dense_codes")
def dense_codes(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rounding = faster(v, rounding_of(s, v), v.array(6))
    s.use("dense_codes", rounding)
    depth = v.x().shape[-1]
    if min(a.group, depth) * 2**14 >= 2**31:
        s.unsupported(v, f"op dense_codes with groups of {a.group}")
    bias = v.array(4).astype(np.int64) - v.x().zero_point * a.weights(v).sum(axis=1) + rounding_constant(rounding, v.array(6))
    fields = {
        "codes": s.array("codes", v.array(1)), "multipliers": s.array("multipliers", v.array(3)), "codebook": s.array("codebook", v.array(2)),
        "bias": s.array("bias", wrap32(bias)),
        "multiplier": s.array("multiplier", v.array(5).astype(np.int16 if MULTIPLIER.get(rounding) else np.int32)),
        "shift": s.array("shift", v.array(6).astype(np.int8)), "channels": v.y().shape[-1], "depth": depth, "group": a.group, **clamp_fields(v),
    }  # fmt: skip
    layer = s.struct(f"dense_codes_{rounding}_layer", fields)
    s.call(f"dense_codes_{rounding}({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])}, {v.x().size // depth});")
