"""The registry of emitters, and the requantization parameters that several of them write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...graph import Array
from ...ops import View
from ..source import Source

Emitter = Callable[[Source, View], None]
EMITTERS: dict[str, Emitter] = {}
EXPORTED_ROUNDINGS = ("q15", "shift", "q31_single", "q31_double")


def emitter(*ops: str) -> Callable[[Emitter], Emitter]:
    """Register a function as the emitter of ops."""

    def register(function: Emitter) -> Emitter:
        for op in ops:
            EMITTERS[op] = function
        return function

    return register


def rounding_of(s: Source, v: View) -> str:
    """The node's rounding; UnsupportedError where C lacks it."""
    rounding: str = v.node.attrs.rounding  # type: ignore[attr-defined]
    if rounding not in EXPORTED_ROUNDINGS:
        s.unsupported(v, f"op {v.node.op} with rounding {rounding}")
    return rounding


def faster(v: View, rounding: str, shift: Array) -> str:
    """The variant of a rounding for what this layer's shifts and proven accumulators allow."""
    if rounding == "q15" and (shift <= 0).all():
        return "q15_right"
    if rounding == "q31_single" and (shift <= -2).all():
        return "q31_single_right"
    if rounding == "q31_double" and (shift <= -1).all():
        bounds = v.node.attrs.bounds(v)  # type: ignore[attr-defined]
        if bounds is not None and max(-int(np.min(bounds.lo)), int(np.max(bounds.hi))) < 2**30:
            return "q31_double_right"
    return rounding


def rounding_constant(rounding: str, shift: Array) -> Array:
    """What q15 and shift add before their shift to the right (SPEC 3.2 and 3.3), int64."""
    right = np.maximum(-shift.astype(np.int64), 0)
    return (1 << right) >> 1 if rounding in ("q15", "q15_right", "shift") else np.zeros_like(right)


def wrap32(a: Array) -> Array:
    """Modulo 2^32, as int32."""
    return (np.asarray(a, np.int64) & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def clamp_fields(v: View) -> dict[str, Any]:
    a: Any = v.node.attrs
    return {"zero_point": v.y().zero_point, "lo": a.lo, "hi": a.hi}


def images(s: Source, v: View, call: Callable[[str, str], str], count: int | None = None) -> None:
    """A call for each sample of a batch: `call` makes it from the expressions of its input and output."""
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    n = v.x().shape[0] if count is None else count
    if n == 1:
        s.call(call(x, y))
        return
    s.call(f"for (int32_t n = 0; n < {n}; n++) " + call(f"{x} + n * {v.x().size // n}", f"{y} + n * {v.y().size // n}"))
