"""The integers that a tensor of a graph can hold, as far as clamps and tables prove it."""

from __future__ import annotations

import numpy as np

from ..graph import RANGES, Graph, Node

SAME = {"reshape", "transpose", "slice", "gather", "resize_nearest", "max_pool"}  # ops whose outputs are elements of their first input
CLAMPED = {"conv2d", "dwconv2d", "dense", "dense_codes", "bconv2d", "adder2d", "add", "mul", "avg_pool", "mean", "max_pool"}
DEEP = 64  # nodes that are followed upwards


def levels(graph: Graph, name: str, depth: int = DEEP) -> tuple[int, int]:
    """Least and largest integer; the dtype's range where nothing says more."""
    least, most = RANGES[graph.of(name).dtype]
    if name in graph.constants:
        array = graph.constants[name]
        return int(array.min()), int(array.max())
    node = next((n for n in graph.nodes if name in n.outputs), None)
    if node is None or depth == 0:
        return least, most
    low, high = made(graph, node, depth - 1)
    return max(least, low), min(most, high)


def made(graph: Graph, node: Node, depth: int) -> tuple[int, int]:
    """What the node's own attributes and inputs allow."""
    lo, hi = -(2**31), 2**31
    if node.op in CLAMPED:
        lo, hi = getattr(node.attrs, "lo", lo), getattr(node.attrs, "hi", hi)
    if node.op == "lut8":
        table = graph.constants[node.inputs[1]]
        low, high = levels(graph, node.inputs[0], depth)
        reached = table[np.arange(low, high + 1) & 255]
        return int(reached.min()), int(reached.max())
    if node.op == "lut8_channels":
        tables = graph.constants[node.inputs[1]]
        lo, hi = int(tables.min()), int(tables.max())
    if node.op in SAME or node.op == "concat":
        ranges = [levels(graph, name, depth) for name in (node.inputs if node.op == "concat" else node.inputs[:1])]
        lo, hi = max(lo, min(r[0] for r in ranges)), min(hi, max(r[1] for r in ranges))
    return lo, hi
