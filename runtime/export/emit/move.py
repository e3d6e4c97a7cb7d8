"""Data movement: loops around memcpy, written out with the layer's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...build import merge
from ...ops import View
from ...ops.move import strides
from ..source import Source
from .base import emitter, images


def at(base: str, start: int, terms: list[str]) -> str:
    return " + ".join([base, *([str(start)] if start else []), *terms])


def copy(s: Source, v: View, source: str, dims: tuple[int, ...], xs: list[int], ys: list[int], x0: int = 0, y0: int = 0) -> None:
    """y[y0 + sum i * ys] = x[x0 + sum i * xs] over `dims`; innermost dense runs are one memcpy."""
    axes, (xs, ys) = merge(dims, [xs, ys])
    run = 1
    if xs[5] == ys[5] == 1:
        run, axes[5] = axes[5], 1
    outer = [i for i in range(6) if axes[i] > 1]
    names = ["i", "j", "k", "l", "m", "n"][: len(outer)]
    x = at(s.ref(source), x0, [f"{n} * {xs[d]}" for n, d in zip(names, outer, strict=True) if xs[d]])
    y = at(s.ref(v.node.outputs[0]), y0, [f"{n} * {ys[d]}" for n, d in zip(names, outer, strict=True) if ys[d]])
    loops = "".join(f"for (int32_t {n} = 0; {n} < {axes[d]}; {n}++) " for n, d in zip(names, outer, strict=True))
    size = run * np.dtype(v.y().dtype).itemsize
    s.call(f"{loops}*({y}) = *({x});" if run == 1 else f"{loops}memcpy({y}, {x}, {size});")


@emitter("reshape")
def reshape(s: Source, v: View) -> None:
    """The same bytes: the output is another name of the input, unless both are ports."""
    if s.root(v.node.outputs[0]) != s.root(v.node.inputs[0]):
        s.call(f"memcpy({s.ref(v.node.outputs[0])}, {s.ref(v.node.inputs[0])}, {v.y().nbytes});")


@emitter("concat")
def concat(s: Source, v: View) -> None:
    axis = v.node.attrs.axis  # type: ignore[attr-defined]
    ys, start = strides(v.y().shape), 0
    for i, name in enumerate(v.node.inputs):
        shape = v.x(i).shape
        copy(s, v, name, shape, strides(shape), ys, y0=start * ys[axis])
        start += shape[axis]


@emitter("pad")
def pad(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    y, size = s.ref(v.node.outputs[0]), v.y().size
    if np.dtype(v.y().dtype).itemsize == 1:
        s.call(f"memset({y}, {a.value}, {size});")
    else:
        s.call(f"for (int32_t i = 0; i < {size}; i++) {y}[i] = {a.value};")
    ys = strides(v.y().shape)
    copy(s, v, v.node.inputs[0], v.x().shape, strides(v.x().shape), ys, y0=sum(p * n for p, n in zip(a.before, ys, strict=True)))


@emitter("slice")
def slice_(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    xs = strides(v.x().shape)
    start = sum(b * n for b, n in zip(a.begin, xs, strict=True))
    copy(s, v, v.node.inputs[0], v.y().shape, [n * t for n, t in zip(xs, a.step, strict=True)], strides(v.y().shape), x0=start)


@emitter("transpose")
def transpose(s: Source, v: View) -> None:
    xs = strides(v.x().shape)
    copy(s, v, v.node.inputs[0], v.y().shape, [xs[p] for p in v.node.attrs.perm], strides(v.y().shape))  # type: ignore[attr-defined]


@emitter("gather")
def gather(s: Source, v: View) -> None:
    axis, shape = v.node.attrs.axis, v.x().shape  # type: ignore[attr-defined]
    outer, inner = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    index = s.array("index", v.array(1))
    n = v.x(1).size
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    size = inner * np.dtype(v.y().dtype).itemsize
    s.call(
        f"for (int32_t i = 0; i < {outer}; i++) for (int32_t j = 0; j < {n}; j++) "
        f"memcpy({y} + (i * {n} + j) * {inner}, {x} + (i * {shape[axis]} + {index}[j]) * {inner}, {size});"
    )


@emitter("resize_nearest")
def resize_nearest(s: Source, v: View) -> None:
    _, _, w, c = v.x().shape
    rows, cols = s.array("rows", v.array(1)), s.array("cols", v.array(2))
    oh, ow = v.x(1).size, v.x(2).size
    size = c * np.dtype(v.y().dtype).itemsize
    loops = f"for (int32_t i = 0; i < {oh}; i++) for (int32_t j = 0; j < {ow}; j++) "
    images(s, v, lambda x, y: f"{loops}memcpy({y} + (i * {ow} + j) * {c}, {x} + ({rows}[i] * {w} + {cols}[j]) * {c}, {size});")
