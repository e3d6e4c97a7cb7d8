"""A Pad with zeros along the image axes becomes the padding of the convolution or average pooling that reads it."""

from __future__ import annotations

import numpy as np

from ..ir import Float, Node


def zero_pads(net: Float, node: Node) -> list[int] | None:
    """Begin and end pads of every axis, if the node pads with constant zeros by constant amounts >= 0."""
    if node.op != "Pad" or node.attrs.get("mode", "constant") != "constant" or node.inputs[1] not in net.constants:
        return None
    value = node.inputs[2] if len(node.inputs) > 2 else ""
    if value and (value not in net.constants or np.any(net.constants[value])):
        return None
    rank = len(net.shape(node.inputs[0]))
    amounts = [int(v) for v in net.constants[node.inputs[1]].reshape(-1)]
    axes = list(range(rank))
    if len(node.inputs) > 3 and node.inputs[3]:
        if node.inputs[3] not in net.constants:
            return None
        axes = [int(a) % rank for a in net.constants[node.inputs[3]].reshape(-1)]
    pads = [0] * (2 * rank)
    for place, axis in enumerate(axes):
        pads[axis], pads[rank + axis] = amounts[place], amounts[len(axes) + place]
    return pads if min(pads) >= 0 else None


def fuse_pad(net: Float) -> None:
    uses = net.consumers()
    for node in list(net.nodes):
        pads = zero_pads(net, node)
        if pads is None or not net.single_use(node.output, uses):
            continue
        rank, after = len(pads) // 2, uses[node.output][0]
        if any(pads[:2]) or any(pads[rank : rank + 2]) or rank < 3 or after.inputs[0] != node.output:
            continue
        own = after.attrs.get("pads", [])
        if after.op == "AveragePool" and not any(own) and not after.attrs.get("ceil_mode"):
            after.attrs["count_include_pad"] = 1
        elif after.op != "Conv":
            continue
        extra = pads[2:rank] + pads[rank + 2 :]
        after.attrs["pads"] = [a + b for a, b in zip(own, extra, strict=True)]
        after.inputs[0] = node.inputs[0]
        net.nodes.remove(node)
