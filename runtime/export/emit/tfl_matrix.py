"""Resizing, matrix products and gathering of imported models."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops import View
from ..source import CTYPES, Source
from .base import clamp_fields, emitter, images


@emitter("tfl_resize_bilinear")
def tfl_resize_bilinear(s: Source, v: View) -> None:
    dtype = v.x().dtype
    s.use("tfl_resize_bilinear", type=CTYPES[dtype], name=dtype)
    (_, _, w, c), (_, oh, ow, _) = v.x().shape, v.y().shape
    rows, cols = s.array("rows", v.array(1)), s.array("cols", v.array(2))
    images(s, v, lambda x, y: f"tfl_resize_bilinear_{dtype}({x}, {y}, {rows}, {cols}, {w}, {c}, {oh}, {ow});")


@emitter("tfl_batch_matmul")
def tfl_batch_matmul(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    rows, depth, cols, batch = a.sizes(v)
    wide = v.x().dtype == "int16"
    name = f"{v.x(0).dtype}_{v.x(1).dtype}"
    words = {"acc": "int64_t", "rescale": "scale15_32"} if wide else {"acc": "int32_t", "rescale": "scale31"}
    s.use("tfl_batch_matmul", a=CTYPES[v.x(0).dtype], b=CTYPES[v.x(1).dtype], name=name, **words)
    multiplier, shift = a.multiplier, a.shift
    if wide:  # SPEC 3.8 keeps 15 of the multiplier's 31 bits
        multiplier, shift = (multiplier + 2**15) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF, 15 - shift
    fields = {
        "rows": rows, "depth": depth, "cols": cols, "a_row": 1 if a.adj_a else depth, "a_step": rows if a.adj_a else 1,
        "b_col": depth if a.adj_b else 1, "b_step": 1 if a.adj_b else cols, "a_zero_point": v.x(0).zero_point, "b_zero_point": v.x(1).zero_point,
        "multiplier": multiplier, "shift": shift, **clamp_fields(v),
    }  # fmt: skip
    layer = s.struct(f"tfl_batch_matmul_{name}_layer", fields)
    offsets: list[list[tuple[str, int]]] = [[], [], []]
    shapes = [v.x(0).shape[:-2], v.x(1).shape[:-2], batch]
    sizes = [rows * depth, depth * cols, rows * cols]
    loops = ""
    for k, name_k in zip(range(len(batch)), "ijkl", strict=False):
        if batch[k] == 1:
            continue
        loops += f"for (int32_t {name_k} = 0; {name_k} < {batch[k]}; {name_k}++) "
        for i, shape in enumerate(shapes):
            at = k - len(batch) + len(shape)
            if at >= 0 and shape[at] > 1:
                offsets[i].append((name_k, int(np.prod(shape[at + 1 :])) * sizes[i]))
    names = (*v.node.inputs, v.node.outputs[0])
    terms = [s.ref(n) + "".join(f" + {i} * {step}" for i, step in o) for n, o in zip(names, offsets, strict=True)]
    s.call(f"{loops}tfl_batch_matmul_{name}({layer}, {', '.join(terms)});")


@emitter("tfl_gather")
def tfl_gather(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("tfl_gather")
    x, index = v.x(0).shape, v.x(1).shape
    batch, outer = int(np.prod(x[: a.batch_dims])), int(np.prod(x[a.batch_dims : a.axis]))
    count, size = int(np.prod(index[a.batch_dims :])), int(np.prod(x[a.axis + 1 :])) * np.dtype(v.x().dtype).itemsize
    pointers = ", ".join((*(s.ref(n) for n in v.node.inputs), s.ref(v.node.outputs[0])))
    s.call(f"tfl_gather({pointers}, {batch}, {outer}, {x[a.axis]}, {count}, {size});")
