"""add and mul with broadcasting, tables, softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...build import broadcast_strides, merge
from ...ops import View
from ...ops.elementwise import Softmax
from ..source import CTYPES, Source
from .base import clamp_fields, emitter, rounding_constant, rounding_of


def offset(variables: list[str], strides: list[int]) -> str:
    """`a + i * 64 + j` without the terms that vanish."""
    return "".join(f" + {i} * {n}" for i, n in zip(variables, strides, strict=True) if n)


def binary(s: Source, v: View, function: str, layer: str) -> None:
    """Loops over the axes that broadcasting leaves; `function` does one innermost run, of a layer unless that is empty."""
    y = v.y().shape
    axes, strides = merge(y, [broadcast_strides(v.x(i).shape, y) for i in (0, 1)])
    out = broadcast_strides(tuple(axes), tuple(axes))
    outer = [i for i in range(5) if axes[i] > 1]
    names = ["i", "j", "k", "l", "m"][: len(outer)]
    a, b = (s.ref(v.node.inputs[i]) + offset(names, [strides[i][d] for d in outer]) for i in (0, 1))
    to = s.ref(v.node.outputs[0]) + offset(names, [out[d] for d in outer])
    loops = "".join(f"for (int32_t {name} = 0; {name} < {axes[d]}; {name}++) " for name, d in zip(names, outer, strict=True))
    first = f"{layer}, " if layer else ""
    s.call(f"{loops}{function}({first}{a}, {strides[0][5]}, {b}, {strides[1][5]}, {to}, {axes[5]});")


@emitter("add")
def add(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("add")
    bias = (1 << (a.shift - 1)) - a.m1 * v.x(0).zero_point - a.m2 * v.x(1).zero_point
    binary(s, v, "add", s.struct("add_layer", {"m1": a.m1, "m2": a.m2, "shift": a.shift, "offset": bias, **clamp_fields(v)}))


@emitter("mul")
def mul(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rounding = rounding_of(s, v)
    s.use("mul", rounding)
    fields = {
        "a_zero_point": v.x(0).zero_point, "b_zero_point": v.x(1).zero_point, "multiplier": a.multiplier, "shift": a.shift,
        "rounding": int(rounding_constant(rounding, np.array([a.shift]))[0]), **clamp_fields(v),
    }  # fmt: skip
    binary(s, v, f"mul_{rounding}", s.struct(f"mul_{rounding}_layer", fields))


@emitter("lut8")
def lut8(s: Source, v: View) -> None:
    s.use("lut8")
    table = s.array("table", v.array(1).view(np.uint8))
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    s.call(f"lut8({table}, (const uint8_t *){x}, (uint8_t *){y}, {v.x().size});")


@emitter("lut8_channels")
def lut8_channels(s: Source, v: View) -> None:
    s.use("lut8_channels")
    tables, which = s.array("tables", v.array(1).view(np.uint8)), s.array("which", v.array(2).astype(np.uint8))
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    channels = v.x().shape[-1]
    s.call(f"lut8_channels({tables}, {which}, (const uint8_t *){x}, (uint8_t *){y}, {v.x().size // channels}, {channels});")


@emitter("tfl_lut")
def tfl_lut(s: Source, v: View) -> None:
    sizes = [np.dtype(t.dtype).itemsize for t in (v.x(), v.y())]
    if sizes == [1, 1]:
        return lut8(s, v)
    bits, name = f"uint{8 * sizes[0]}_t", f"{8 * sizes[0]}_{v.y().dtype}"
    s.use("tfl_lut", bits=bits, y=CTYPES[v.y().dtype], name=name)
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    s.call(f"tfl_lut_{name}({s.array('table', v.array(1))}, (const {bits} *){x}, {y}, {v.x().size});")


@emitter("softmax")
def softmax(s: Source, v: View) -> None:
    assert isinstance(v.node.attrs, Softmax)
    s.use("softmax")
    cols = v.x().shape[-1]
    table = s.array("table", v.array(1))
    s.call(f"softmax({table}, {v.node.attrs.bits}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])}, {v.x().size // cols}, {cols});")
