"""Binary layers and the 16-bit streams between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import View
from ..source import Source
from .base import clamp_fields, emitter, images, rounding_constant, rounding_of


def shape(s: Source, v: View) -> dict[str, Any]:
    a: Any = v.node.attrs
    w = v.array(1)
    _, h, width, nbytes = v.x().shape
    _, oh, ow, _ = v.y().shape
    return {
        "weights": s.array("weights", w), "h": h, "w": width, "oh": oh, "ow": ow, "oc": w.shape[0], "kh": w.shape[1], "kw": w.shape[2],
        "bytes": nbytes, "channels": a.channels, "stride_h": a.stride[0], "stride_w": a.stride[1], "dilation_h": a.dilation[0],
        "dilation_w": a.dilation[1], "top": a.pads[0], "left": a.pads[1], "pad_value": a.pad_value,
    }  # fmt: skip


def column(s: Source, v: View) -> str:
    """Scratch for the bits that one output pixel sees."""
    return f"(uint8_t *){s.temporary(v.array(1)[0].nbytes, 'column')}"


@emitter("bconv2d")
def bconv2d(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    fields = {"shape": shape(s, v), "fraction": a.fraction, **clamp_fields(v)}
    if a.rounding == "i64_15":
        s.use("bconv2d_s16")
        m = v.array(3).astype(np.int64)
        reduced = np.where(m < 0x7FFF0000, (m + 2**15) >> 16, 0x7FFF).astype(np.int16)
        fields |= {"bias": s.array("bias", v.array(2)), "multiplier": s.array("multiplier", reduced)}
        fields |= {"shift": s.array("shift", (15 - v.array(4)).astype(np.int8))}
        n = v.x().shape[0]
        more = f" + n * {v.y().size // n}" if n > 1 else ""
        residual = s.ref(v.node.inputs[5]) + more if len(v.node.inputs) == 6 else "NULL"
        layer = s.struct("bconv2d_s16_layer", fields)
        images(s, v, lambda x, y: f"bconv2d_s16({layer}, {x}, {residual}, {y}, {column(s, v)});")
        return
    rounding = rounding_of(s, v)
    s.use("bconv2d", rounding)
    bias = v.array(2).astype(np.int64) + rounding_constant(rounding, v.array(4))  # proven to fit with every sum, and 0 is among them or near
    fields |= {"bias": s.array("bias", bias.astype(np.int32)), "multiplier": s.array("multiplier", v.array(3))}
    fields |= {"shift": s.array("shift", v.array(4).astype(np.int8))}
    layer = s.struct(f"bconv2d_{rounding}_layer", fields)
    images(s, v, lambda x, y: f"bconv2d_{rounding}({layer}, {x}, {y}, {column(s, v)});")


@emitter("bconv2d_bits")
def bconv2d_bits(s: Source, v: View) -> None:
    s.use("bconv2d_bits")
    layer = s.struct("binary_shape", shape(s, v))
    threshold, flip = s.array("threshold", v.array(2)), s.array("flip", v.array(3).astype(np.uint8))
    images(s, v, lambda x, y: f"bconv2d_bits({layer}, {threshold}, {flip}, {x}, {y}, {v.y().shape[-1]}, {column(s, v)});")


@emitter("bsign")
def bsign(s: Source, v: View) -> None:
    kernel = "bsign_s8" if v.x().dtype == "int8" else "bsign_s16"
    s.use(kernel)
    c = v.x().shape[-1]
    threshold, flip = s.array("threshold", v.array(1)), s.array("flip", v.array(2).astype(np.uint8))
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    s.call(f"{kernel}({threshold}, {flip}, {x}, {y}, {v.x().size // c}, {c}, {v.y().shape[-1]});")


def elementwise(s: Source, v: View, *numbers: int) -> None:
    """A call of the kernel that the op is named like: its tensors, their size, then numbers."""
    s.use(v.node.op)
    tensors = [s.ref(name) for name in (*v.node.inputs, *v.node.outputs)]
    s.call(f"{v.node.op}({', '.join([*tensors, str(v.y().size), *map(str, numbers)])});")


@emitter("add16")
def add16(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    elementwise(s, v, a.lo, a.hi)


@emitter("rescale16")
def rescale16(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    elementwise(s, v, a.multiplier, a.shift, v.y().zero_point, a.lo, a.hi)
