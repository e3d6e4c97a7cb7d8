"""Softmax of opset 12 and before: brought to a later opset it stands between a Flatten and a Reshape, also where it always meant the last axis."""

from __future__ import annotations

from ..ir import Float


def old_softmax(net: Float) -> None:
    """reshape(softmax(flatten(x, last axis))) = softmax(x)"""
    uses, producers = net.consumers(), net.producers()
    for node in list(net.nodes):
        before = producers.get(node.inputs[0]) if node.op in ("Softmax", "LogSoftmax") else None
        if before is None or before.op != "Flatten" or not net.single_use(node.output, uses):
            continue
        shape, after = net.shape(before.inputs[0]), uses[node.output][0]
        last = before.attrs.get("axis", 1) % len(shape) == len(shape) - 1 and node.attrs.get("axis", -1) in (-1, 1)
        if last and after.op == "Reshape" and net.shape(after.output) == shape:
            node.inputs, node.outputs, node.attrs["axis"] = [before.inputs[0]], [after.output], -1
            net.nodes.remove(after)
