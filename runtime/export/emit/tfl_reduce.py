"""Reductions over any axes, and positions of extrema, of imported models."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import View
from ...ops.move import strides
from ..source import CTYPES, Source
from .base import clamp_fields, emitter

Axes = list[tuple[int, int]]


def merged(shape: tuple[int, ...], axes: list[int]) -> Axes:
    """(length, stride) of those axes, at most three: ones dropped, neighbours in memory joined."""
    step, found = strides(shape), Axes()
    for i in axes:
        if shape[i] == 1:
            continue
        if found and found[-1][1] == step[i] * shape[i]:
            found[-1] = (found[-1][0] * shape[i], step[i])
        else:
            found.append((shape[i], step[i]))
    return [(1, 0)] * (3 - len(found)) + found


def walk(v: View, axes: tuple[int, ...]) -> dict[str, str]:
    """Fields of reduce_shape. Six dimensions hold at most three runs of kept and three of reduced axes."""
    fields = {}
    shape = v.x().shape
    for name, chosen in (("outer", [i for i in range(len(shape)) if i not in axes]), ("inner", list(axes))):
        pairs = merged(shape, chosen)
        fields[name] = "{" + ", ".join(str(n) for n, _ in pairs) + "}"
        fields[f"{name}_stride"] = "{" + ", ".join(str(n) for _, n in pairs) + "}"
    return fields


@emitter("tfl_sum")
def tfl_sum(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    x = "uint8_t" if a.as_bytes else CTYPES[v.x().dtype]
    name = "bytes" if a.as_bytes else v.x().dtype
    s.use("tfl_sum", type=x, name=name)
    clamp = {"zero_point": v.y().zero_point, "lo": 0, "hi": 255} if a.as_bytes else clamp_fields(v)
    fields = {"shape": walk(v, a.axes), "x_zero_point": v.x().zero_point, "multiplier": a.multiplier, "shift": a.shift, **clamp}
    layer = s.struct(f"tfl_sum_{name}_layer", fields)
    given, to = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    s.call(f"tfl_sum_{name}({layer}, (const {x} *){given}, ({x} *){to});" if a.as_bytes else f"tfl_sum_{name}({layer}, {given}, {to});")


@emitter("tfl_reduce")
def tfl_reduce(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    name = f"{a.kind}_{v.x().dtype}"
    s.use("tfl_reduce", type=CTYPES[v.x().dtype], name=name, compare=">" if a.kind == "max" else "<")
    layer = s.struct("reduce_shape", walk(v, a.axes))
    s.call(f"tfl_reduce_{name}({layer}, {s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])});")


@emitter("tfl_arg")
def tfl_arg(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    x, y = v.x(), v.y()
    name = f"{a.kind}_{x.dtype}" + ("" if y.dtype == "int32" else f"_{y.dtype}")
    s.use("tfl_arg", type=CTYPES[x.dtype], y=CTYPES[y.dtype], name=name, compare=">" if a.kind == "max" else "<")
    outer, inner = int(np.prod(x.shape[: a.axis])), int(np.prod(x.shape[a.axis + 1 :]))
    s.call(f"tfl_arg_{name}({s.ref(v.node.inputs[0])}, {s.ref(v.node.outputs[0])}, {outer}, {x.shape[a.axis]}, {inner});")
