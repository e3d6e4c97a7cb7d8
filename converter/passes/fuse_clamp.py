"""Relu, ReLU6 and Clip with constant limits become the clamp of the node that computes their input."""

from __future__ import annotations

from ..ir import INF, Float, Node

TAKES_CLAMP = {
    *("Conv", "ConvTranspose", "Linear", "Affine", "Add", "Sub", "Mul", "Standardize"),
    *("AveragePool", "GlobalAveragePool", "ReduceMean", "MaxPool", "GlobalMaxPool"),
}


def limits(net: Float, node: Node) -> tuple[float, float] | None:
    """The interval that a node clamps to, or None where it is no clamp with constant limits."""
    if node.op == "Unary" and len(node.body) == 1:
        node = node.body[0]
    if node.op == "Relu":
        return 0.0, INF
    if node.op != "Clip":
        return None
    bounds = [-INF, INF]
    for side, name in enumerate(node.inputs[1:3]):
        if name and name not in net.constants:
            return None
        if name:
            bounds[side] = float(net.constants[name].reshape(()))
    return bounds[0], bounds[1]


def fuse_clamp(net: Float) -> None:
    uses, producers = net.consumers(), net.producers()
    for node in list(net.nodes):
        found = limits(net, node)
        before = producers.get(node.inputs[0]) if found else None
        if found is None or before is None or before.op not in TAKES_CLAMP or not net.single_use(before.output, uses):
            continue
        if before.output in net.pinned:
            continue
        if any(name in net.constants and net.constants[name].size == 1 for name in before.inputs[:2]):
            continue  # arithmetic with a number belongs to a larger expression: `fuse_unary` takes it whole
        lo, hi = before.clamp or (-INF, INF)
        before.clamp = (min(max(lo, found[0]), found[1]), min(max(hi, found[0]), found[1]))
        before.outputs = [node.output, *before.outputs[1:]]
        producers[node.output] = before
        net.nodes.remove(node)
