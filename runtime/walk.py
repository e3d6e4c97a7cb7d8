"""Runs a graph in Python, node by node, over the reference or the Numba functions: the definition of what a plan computes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

from .graph import Array, Graph, Node
from .kernel_api import function
from .ops import Op, View

Observer = Callable[[Node, list[Array]], None]


def walk(graph: Graph, values: dict[str, Array], backend: str, observe: Observer | None = None) -> dict[str, Array]:
    """All tensors by name, from the values of inputs and state. Shapes follow the inputs, so axis 0 may be any batch."""
    known: dict[str, Array] = {**graph.constants, **values}
    batch = times(graph, values)
    for node in graph.nodes:
        op = node.attrs
        assert isinstance(op, Op)
        v = View(graph, node)
        kwargs = op.kwargs(v)
        if op.wants_out_shape and batch != 1:
            kwargs["out_shape"] = (batch * kwargs["out_shape"][0], *kwargs["out_shape"][1:])
        result = function(op.op, backend)(*[known[name] for name in node.inputs], **kwargs)
        outputs = list(result) if isinstance(result, tuple) else [result]
        for name, array in zip(node.outputs, outputs, strict=True):
            known[name] = np.ascontiguousarray(array)
        if observe:
            observe(node, [known[name] for name in node.outputs])
    return known


def times(graph: Graph, values: dict[str, Array]) -> int:
    """How many times axis 0 of the inputs is what the graph says."""
    name, array = next(iter(values.items()), ("", None))
    shape = graph.tensors[name].shape if array is not None else ()
    return 1 if array is None or not shape or not shape[0] else int(array.shape[0]) // shape[0]


class NodeProfile(msgspec.Struct, frozen=True):
    """One row of Session.profile: a node, its kernel, time in nanoseconds, multiply-accumulates, bytes read and written."""

    node: str
    op: str
    kernel: str
    ns: int
    macs: int
    bytes: int
