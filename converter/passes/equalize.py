"""Cross-layer equalization: a channel between two layers is scaled so that both sides' weights have the same range.

Nagel et al. 2019, DFQ (arXiv:1906.04721), section 4.1: s_i = sqrt(r1_i r2_i) / r2_i for ranges r1 of output channel i of the first layer and r2 of
input channel i of the second; W1 / s, b1 / s, W2 * s compute the same function where the activation between them is
positively homogeneous (ReLU, or none). Repeated until nothing moves, since a layer is second in one pair and first in the next.
"""

from __future__ import annotations

import numpy as np

from ..ir import INF, Array, Float, Node

ROUNDS = 20
LAYERS = ("Conv", "Linear")


def pairs(net: Float) -> list[tuple[Node, Node]]:
    """Layers of which the second alone reads the first, through a homogeneous activation."""
    uses, found = net.consumers(), []
    for first in net.nodes:
        if first.op not in LAYERS or first.clamp not in (None, (0.0, INF)) or not constant(net, first) or not net.single_use(first.output, uses):
            continue
        second = uses[first.output][0]
        if second.op in LAYERS and second.inputs[0] == first.output and constant(net, second):
            found.append((first, second))
    return found


def constant(net: Float, node: Node) -> bool:
    return all(name in net.constants for name in node.inputs[1:] if name)


def by_input(node: Node, weight: Array) -> Array:
    """A view-like copy [C, ...] of weight[O, C/groups, ...] with the weights that read each input channel."""
    groups = node.attrs.get("group", 1) if node.op == "Conv" else 1
    parts = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    return np.swapaxes(parts, 1, 2).reshape(groups * weight.shape[1], -1)


def per_input(node: Node, weight: Array, scale: Array) -> Array:
    """weight[O, C/groups, ...] with what reads channel i multiplied by scale[i]."""
    groups = node.attrs.get("group", 1) if node.op == "Conv" else 1
    rows = np.repeat(scale.reshape(groups, -1), len(weight) // groups, axis=0)
    return np.asarray(weight * rows.reshape(*rows.shape, *[1] * (weight.ndim - 2)))


def equalize(net: Float) -> None:
    found = pairs(net)
    for _ in range(ROUNDS):
        moved = 0.0
        for first, second in found:
            w1, w2 = (net.constants[node.inputs[1]].astype(np.float64) for node in (first, second))
            r1, r2 = np.abs(w1.reshape(len(w1), -1)).max(axis=1), np.abs(by_input(second, w2)).max(axis=1)
            s = np.where((r1 > 0) & (r2 > 0), np.sqrt(np.maximum(r1, 1e-30) / np.maximum(r2, 1e-30)), 1.0)
            s = np.clip(s, 1e-4, 1e4)
            moved = max(moved, float(np.abs(np.log(s)).max()))
            store(net, first, 1, w1 / s.reshape(-1, *[1] * (w1.ndim - 1)))
            if len(first.inputs) > 2 and first.inputs[2]:
                store(net, first, 2, net.constants[first.inputs[2]].astype(np.float64) / s)
            store(net, second, 1, per_input(second, w2, s))
        if moved < 1e-3:
            break
    net.remove_dead()


def store(net: Float, node: Node, place: int, array: Array) -> None:
    """A new constant of the node's own: the old one may be shared."""
    stem = ("weight", "bias")[place - 1]
    own = f"{node.name}/equalized/{stem}"
    if node.inputs[place] != own:
        node.inputs[place] = net.constant(own, array.astype(np.float32))
    else:
        net.constants[own] = array.astype(np.float32)
