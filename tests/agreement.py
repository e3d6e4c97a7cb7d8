"""An already quantized ONNX model beside the integer graph made from it: how many integers of each layer agree.

Isolated: every layer is fed the source engine's own integers, so that a difference of one step is the layer's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from intq.converter.compare import layout_of, to_stored
from intq.converter.ir import Array
from intq.converter.onnx.clean import clean
from intq.converter.onnx.load import load
from intq.converter.onnx.read import read
from intq.converter.passes import run as run_passes
from intq.converter.quantize import QParam
from intq.kernel_api import function, have_numba
from intq.model import Model
from intq.ops import Op
from intq.ops import View as NodeView


@dataclass(frozen=True)
class Agreement:
    """Shares of equal integers, and of those at most one step apart, of the layer that computes `value`."""

    value: str
    op: str
    equal: float
    within_one: float


def agreement(source: str | Path | onnx.ModelProto, model: Model, x: Array, integers: Mapping[str, Array]) -> list[Agreement]:
    """`integers`: what the source engine computes for input `x`, by name of the 8-bit value."""
    names: dict[str, str] = {}
    net = run_passes(read(clean(load(source)), aliases=names))
    ctx = layout_of(net, model.graph)
    known: dict[str, Array] = dict(model.graph.constants)
    given: dict[str, Array] = {}
    for name, array in integers.items():
        value = names.get(name, name)
        if value in ctx.views and value in ctx.params:
            shifted = (array.astype(np.int64) - (128 if array.dtype == np.uint8 else 0)).astype(np.int8)
            view = ctx.views[value]
            given.setdefault(view.tensor, to_stored(view, shifted, model.graph.tensors[view.tensor].shape))
    port = model.inputs[0]
    tensor = model.graph.tensors[port.tensor]
    exact = QParam(float(np.asarray(tensor.scale)), tensor.zero_point).quantize(to_stored(ctx.views[port.name], x, tensor.shape))
    known[port.tensor] = given.get(port.tensor, exact)
    assert given, "none of the integers belongs to a layer of the model"
    rows = []
    for node in model.graph.nodes:
        op, output = node.attrs, node.outputs[0]
        assert isinstance(op, Op)
        kwargs = op.kwargs(NodeView(model.graph, node))
        if op.wants_out_shape:
            kwargs["out_shape"] = (len(x), *kwargs["out_shape"][1:])
        known[output] = np.ascontiguousarray(function(op.op, "numba" if have_numba() else "reference")(*[known[n] for n in node.inputs], **kwargs))
        if output in given:
            distance = np.abs(known[output].astype(np.int64) - given[output])
            rows.append(Agreement(output, node.op, float((distance == 0).mean()), float((distance <= 1).mean())))
            known[output] = given[output]
    return rows
