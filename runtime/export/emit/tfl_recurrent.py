"""SVDF and LSTM layers of imported models; their state is an input and an output of the node."""

from __future__ import annotations

from typing import Any

from ...ops import View
from ..source import Source
from .base import emitter


def pointers(s: Source, v: View, inputs: int) -> str:
    return ", ".join(s.ref(n) for n in (*v.node.inputs[:inputs], *v.node.outputs))


@emitter("tfl_svdf")
def tfl_svdf(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("tfl_svdf")
    fields = {
        "feature": s.array("feature", v.array(2)), "time": s.array("time", v.array(3)), "bias": s.array("bias", v.array(4)),
        "batch": v.x().shape[0], "inputs": v.x().shape[1], "units": v.y().shape[1], "memory": v.x(3).shape[1], "rank": a.rank,
        "m1": a.m1, "s1": a.s1, "m2": a.m2, "s2": a.s2, "x_zero_point": v.x().zero_point, "zero_point": v.y().zero_point,
    }  # fmt: skip
    s.call(f"tfl_svdf({s.struct('tfl_svdf_layer', fields)}, {pointers(s, v, 2)});")


@emitter("tfl_lstm")
def tfl_lstm(s: Source, v: View) -> None:
    a: Any = v.node.attrs
    s.use("tfl_lstm")
    steps, batch, inputs, cells, outputs = a.sizes(v)
    names = ("time_major", "cifg", "use_peephole", "use_norm", "use_projection", "cell_shift", "cell_clip", "output_clip", "hidden_multiplier",
             "hidden_shift", "hidden_zero_point", "projection_multiplier", "projection_shift")  # fmt: skip
    skipped = {"peephole": a.use_peephole, "norm": a.use_norm, "norm_bias": a.use_norm, "projection": a.use_projection}
    skipped["projection_bias"] = a.use_projection
    arrays = {name: s.array(name, array) if skipped.get(name, True) else "NULL" for name, array in a.constants(v).items()}
    sizes = {"steps": steps, "batch": batch, "inputs": inputs, "cells": cells, "outputs": outputs, "zero_point": a.y_zero}
    layer = s.struct("tfl_lstm_layer", {**arrays, **sizes, **{n: int(getattr(a, n)) for n in names}})
    s.call(f"tfl_lstm({layer}, {pointers(s, v, 3)}, {s.temporary(10 * cells, 'gates')});")
