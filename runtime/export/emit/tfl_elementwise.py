"""Elementwise arithmetic of imported TensorFlow Lite models: two inputs with broadcasting, rescaling and casts."""

from __future__ import annotations

from typing import Any

from ...ops import View
from ..source import CTYPES, Source
from .base import clamp_fields, emitter
from .elementwise import binary

INTEGER = {
    "add": "(uint32_t)*a + (uint32_t)*b", "sub": "(uint32_t)*a - (uint32_t)*b", "mul": "(uint32_t)*a * (uint32_t)*b",
    "squared_difference": "((uint32_t)*a - (uint32_t)*b) * ((uint32_t)*a - (uint32_t)*b)",
    "maximum": "*a > *b ? *a : *b", "minimum": "*a < *b ? *a : *b",
}  # fmt: skip


def emit(s: Source, v: View, *names: str, zero_points: bool = True) -> None:
    """A kernel of the op's name for its type, with these attributes as fields of its layer."""
    op, dtype = v.node.op, v.x().dtype
    s.use(op, type=CTYPES[dtype], name=dtype)
    given = {"a_zero_point": v.x(0).zero_point, "b_zero_point": v.x(1).zero_point} if zero_points else {}
    fields = {**given, **{n: getattr(v.node.attrs, n) for n in names}, **clamp_fields(v)}
    if not zero_points:
        del fields["zero_point"]
    binary(s, v, f"{op}_{dtype}", s.struct(f"{op}_{dtype}_layer", fields))


@emitter("tfl_add")
def tfl_add(s: Source, v: View) -> None:
    emit(s, v, "left", "m1", "s1", "m2", "s2", "sign", "multiplier", "shift")


@emitter("tfl_add_pot")
def tfl_add_pot(s: Source, v: View) -> None:
    emit(s, v, "shift_a", "shift_b", "sign", zero_points=False)


@emitter("tfl_mul")
def tfl_mul(s: Source, v: View) -> None:
    emit(s, v, "multiplier", "shift")


@emitter("tfl_squared_difference")
def tfl_squared_difference(s: Source, v: View) -> None:
    emit(s, v, "m1", "s1", "m2", "s2", "multiplier", "shift")


@emitter("tfl_prelu")
def tfl_prelu(s: Source, v: View) -> None:
    emit(s, v, "m1", "s1", "m2", "s2")


@emitter("tfl_integer")
def tfl_integer(s: Source, v: View) -> None:
    kind: str = v.node.attrs.kind  # type: ignore[attr-defined]
    name = f"{kind}_{v.x().dtype}"
    s.use("tfl_integer", type=CTYPES[v.x().dtype], name=name, value=INTEGER[kind])
    binary(s, v, name, "")


@emitter("tfl_rescale")
def tfl_rescale(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    name = f"{v.x().dtype}_{v.y().dtype}"
    s.use("tfl_rescale", x=CTYPES[v.x().dtype], y=CTYPES[v.y().dtype], name=name)
    fields = {"x_zero_point": v.x().zero_point, "multiplier": a.multiplier, "shift": a.shift, **clamp_fields(v)}
    layer = s.struct(f"tfl_rescale_{name}_layer", fields)
    s.call(f"tfl_rescale_{name}({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])}, {v.x().size});")


@emitter("tfl_cast")
def tfl_cast(s: Source, v: View) -> None:
    dtype = v.y().dtype
    s.use("tfl_cast", y=CTYPES[dtype], bits="int64_t" if dtype == "int64" else dtype.replace("int", "uint") + "_t", name=dtype)
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    s.call(f"tfl_cast_{dtype}({x}, {y}, {v.x().size}, {v.node.attrs.offset});")  # type: ignore[attr-defined]
