"""Softmax, its logarithm and L2 normalization of imported models, over the last axis."""

from __future__ import annotations

from typing import Any

from ...ops import View
from ..source import CTYPES, Source
from .base import emitter


def rows(s: Source, v: View, function: str, *more: str) -> None:
    cols = v.x().shape[-1]
    first = "".join(f"{m}, " for m in more)
    s.call(f"{function}({first}{s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])}, {v.x().size // cols}, {cols});")


@emitter("tfl_softmax")
def tfl_softmax(s: Source, v: View) -> None:
    dtype = v.y().dtype
    limits = {"bits": dtype.removeprefix("int"), "least": f"{dtype.upper()}_MIN", "most": f"{dtype.upper()}_MAX"}
    s.use("tfl_softmax", name=dtype, y=CTYPES[dtype], **limits)
    rows(s, v, f"tfl_softmax_{dtype}", s.array("table", v.array(1)))


@emitter("tfl_softmax16")
def tfl_softmax16(s: Source, v: View) -> None:
    s.use("tfl_softmax16")
    rows(s, v, "tfl_softmax16", s.array("exponentials", v.array(1)), s.array("inverses", v.array(2)))


@emitter("tfl_log_softmax")
def tfl_log_softmax(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("tfl_log_softmax")
    fields = {
        "table": s.array("table", v.array(1)), "differences": s.array("differences", v.array(2)),
        "radius": a.radius, "multiplier": a.multiplier, "shift": a.shift,
    }  # fmt: skip
    rows(s, v, "tfl_log_softmax", s.struct("tfl_log_softmax_layer", fields))


@emitter("tfl_l2_normalization")
def tfl_l2_normalization(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("tfl_l2_normalization")
    rows(s, v, "tfl_l2_normalization", str(a.zero_point), str(int(a.early)))
