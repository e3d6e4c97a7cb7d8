"""Folds an `Affine` into the layer before it, or into the layer after it where no padding lies between; what is left stays a node.

Krishnamoorthi 2018 (arXiv:1806.08342), section 3.2, for the layer before: W' = scale * W, b' = scale * b + shift.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array, Float, Node

PRODUCERS = ("Conv", "ConvTranspose", "Linear", "Affine")


def fold_affine(net: Float) -> None:
    for node in list(net.nodes):
        if node.op == "Affine":
            before = net.producers().get(node.inputs[0])
            if before is not None and before.op in PRODUCERS and _fold_back(net, before, node):
                net.nodes.remove(node)
    for node in [node for node in net.nodes if node.op == "Affine" and node.clamp is None and node.output not in net.pinned]:
        uses = net.consumers()
        if net.single_use(node.output, uses) and _fold_forward(net, node, uses[node.output][0]):
            net.nodes.remove(node)


def _set(net: Float, node: Node, weight: Array, bias: Array) -> None:
    """Give the node new constants: the old ones may be shared with other nodes."""
    node.inputs = [
        node.inputs[0],
        net.constant(f"{node.name}/weight", weight.astype(np.float32)),
        net.constant(f"{node.name}/bias", bias.astype(np.float32)),
    ]


def _constants(net: Float, node: Node) -> tuple[Array, Array] | None:
    """float64 weight and bias of a layer (a missing bias is zero); None where they are computed."""
    names = [*node.inputs, ""][1:3]
    if names[0] not in net.constants or (names[1] and names[1] not in net.constants):
        return None
    weight = net.constants[names[0]].astype(np.float64)
    count = weight.shape[1] * node.attrs.get("group", 1) if node.op == "ConvTranspose" else len(weight)
    return weight, net.constants[names[1]].astype(np.float64) if names[1] else np.zeros(count)


def _fold_back(net: Float, before: Node, affine: Node) -> bool:
    if before.clamp is not None or before.output in net.pinned or not net.single_use(before.output, net.consumers()):
        return False
    axis, rank = affine.attrs["axis"], len(net.shape(affine.output))
    channel_axis = before.attrs["axis"] if before.op == "Affine" else rank - 1 if before.op == "Linear" else 1
    found = _constants(net, before)
    if axis != channel_axis or found is None:
        return False
    weight, bias = found
    scale, shift = (net.constants[name].astype(np.float64) for name in affine.inputs[1:])
    if before.op == "ConvTranspose":  # weight[I, O/group, ...]: the output channels of group g follow those of g - 1
        groups = before.attrs.get("group", 1)
        per_input = np.repeat(scale.reshape(groups, -1), weight.shape[0] // groups, axis=0)
        weight = weight * per_input.reshape(*per_input.shape, *[1] * (weight.ndim - 2))
    else:
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    _set(net, before, weight, bias * scale + shift)
    before.outputs, before.clamp = affine.outputs, affine.clamp
    return True


def _fold_forward(net: Float, affine: Node, after: Node) -> bool:
    """x' = scale * x + shift into W @ x' + b. A zero padding would have to be padded with the shift, so then the shift must be 0."""
    if after.op not in ("Conv", "Linear") or after.inputs[0] != affine.output:
        return False
    axis = affine.attrs["axis"]
    found = _constants(net, after)
    if found is None or axis != (len(net.shape(affine.output)) - 1 if after.op == "Linear" else 1):
        return False
    weight, bias = found
    scale, shift = (net.constants[name].astype(np.float64) for name in affine.inputs[1:])
    if after.op == "Conv":
        if np.any(shift) and any(after.attrs.get("pads", [])):
            return False
        groups = after.attrs.get("group", 1)
        per_output = len(weight) // groups
        scale = np.repeat(scale.reshape(groups, -1), per_output, axis=0)
        shift = np.repeat(shift.reshape(groups, -1), per_output, axis=0)
        spatial = [1] * (weight.ndim - 2)
        scale, shift = scale.reshape(*scale.shape, *spatial), shift.reshape(*shift.shape, *spatial)
    bias = bias + (weight * shift).reshape(len(weight), -1).sum(axis=1)
    _set(net, after, weight * scale, bias)
    after.inputs[0] = affine.inputs[0]
    return True
