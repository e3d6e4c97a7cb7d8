"""Normalizations that exporters of older opsets write out: mean, difference, square, mean, root, quotient, as one node again."""

from __future__ import annotations

import math

from ...ops.standardize import MOST
from ..ir import Float, Node


def find_norms(net: Float) -> None:
    """`(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)`, both means along the same axes, becomes Standardize."""
    producers = net.producers()
    for node in net.nodes:
        found = _match(net, node, producers) if node.op == "Div" else None
        if found is not None:
            x, axes, epsilon = found
            node.op, node.inputs, node.attrs = "Standardize", [x], {"axes": axes, "epsilon": epsilon}


def _match(net: Float, node: Node, producers: dict[str, Node]) -> tuple[str, list[int], float] | None:
    """The input, the axes and epsilon."""
    centred, root = (producers.get(name) for name in node.inputs)
    if centred is None or root is None or centred.op != "Sub" or root.op != "Sqrt":
        return None
    x, mean = centred.inputs[0], producers.get(centred.inputs[1])
    total = producers.get(root.inputs[0])
    if mean is None or total is None or total.op != "Add" or mean.inputs[0] != x or x in net.constants:
        return None
    epsilon = next((net.constants[name] for name in total.inputs if name in net.constants), None)
    variance = next((producers[name] for name in total.inputs if name in producers), None)
    square = None if variance is None else producers.get(variance.inputs[0])
    if epsilon is None or epsilon.size != 1 or variance is None or square is None or not _squares(net, square, centred.output):
        return None
    axes = _axes(net, mean)
    if axes is None or axes != _axes(net, variance) or 0 in axes or any(n.clamp is not None for n in (mean, centred, square, variance, total, root)):
        return None
    if math.prod(net.shape(x)[axis] for axis in axes) > MOST:
        return None
    return x, axes, float(epsilon.reshape(()))


def _squares(net: Float, node: Node, name: str) -> bool:
    """Whether a node is the square of a value."""
    if node.op == "Mul":
        return node.inputs == [name, name]
    power = net.constants.get(node.inputs[1]) if node.op == "Pow" else None
    return power is not None and node.inputs[0] == name and power.size == 1 and float(power.reshape(())) == 2


def _axes(net: Float, node: Node) -> list[int] | None:
    """Of a mean that keeps them, counted from the front."""
    if node.op != "ReduceMean" or not node.attrs.get("keepdims", 1):
        return None
    given = node.attrs.get("axes")
    if given is None and len(node.inputs) > 1 and node.inputs[1] in net.constants:
        given = net.constants[node.inputs[1]].reshape(-1)
    rank = len(net.shape(node.inputs[0]))
    return None if given is None or not len(given) else sorted(int(axis) % rank for axis in given)
