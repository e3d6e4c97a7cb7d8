"""Sums whose earlier operand gets scales of its own, by a rescaling before them: where one scale for each channel of a chain of sums is not enough.

What an addition reads and gives has one scale for each channel, so that a chain of residual sums has one throughout, though its channels reach
differently far at every sum. A product with one number per channel (1; the scales on both sides of it make it another) parts them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ...errors import InputError
from ..ir import Float, Node, Value
from .slots import Slots


def operand(net: Float, node: Node, slots: Slots | None = None) -> str | None:
    """The operand of a sum that is computed first; None for any other node, and where its channels have no scales."""
    names = net.activations(node)
    if node.op not in ("Add", "Sub") or len(set(names)) != 2 or any(net.shape(name) != net.shape(node.output) for name in names):
        return None
    order = [name for each in net.nodes for name in each.outputs]
    if any(name in net.inputs for name in names) or len(net.shape(node.output)) < 3:
        return None
    first = min(names, key=order.index)
    if slots is not None and (slots.of[first].size != net.shape(first)[1] or not slots.of[first].all()):
        return None
    return first


def between(net: Float, slots: Slots, sources: Collection[str]) -> list[int]:
    """The positions of the sums that share scales with one of the values."""
    wanted = {int(slot) for name in sources for slot in np.unique(slots.of[name]) if slot}
    return [
        place
        for place, node in enumerate(net.nodes)
        if operand(net, node, slots) is not None and wanted.intersection(np.unique(slots.of[node.output]).tolist())
    ]


def insert(net: Float, positions: Collection[int]) -> None:
    """Puts a product with 1 in front of the first operand of each sum, in place. Raises `InputError` where a position is not that of a sum."""
    nodes: list[Node] = []
    for place, node in enumerate(net.nodes):
        if place in positions:
            name = operand(net, node)
            if name is None:
                raise InputError(f"the model has scales for a sum at {node.name!r}, the source has {node.op}: they do not belong together")
            shape = net.shape(name)
            target = net.fresh(f"{node.output}/rescaled")
            net.values[target] = Value(shape, net.values[name].dtype)
            constants = [net.constant(f"{target}/{label}", np.full(shape[1], value, np.float32)) for label, value in (("scale", 1), ("shift", 0))]
            nodes.append(Node(f"{node.name}/rescale", "Affine", [name, *constants], [target], {"axis": 1}))
            node.inputs = [target if given == name else given for given in node.inputs]
        nodes.append(node)
    if positions and max(positions) >= len(net.nodes):
        raise InputError(f"the model has scales for a sum at node {max(positions)} of {len(net.nodes)}: they do not belong together")
    net.nodes = nodes


def copied(net: Float) -> Float:
    """Another network of the same constants."""
    result = Float(net.name, net.opset)
    result.__dict__.update(net.__dict__)
    result.nodes = [replace(node, inputs=list(node.inputs)) for node in net.nodes]
    result.values, result.constants = dict(net.values), dict(net.constants)
    return result
