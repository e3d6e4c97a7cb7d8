"""Masks of attention: constants added to scores, or put in their place, that leave nothing of them behind a Softmax."""

from __future__ import annotations

import numpy as np

from ..ir import Array, Float, Node

HIDDEN = -30.0  # what is added to a hidden score, at most: e^-30 of a probability is below all that is computed with
NUMBER = -1e4  # what stands for it from here on: finite, so that it can be multiplied by 0
MOVES = ("Identity", "Reshape", "Squeeze", "Unsqueeze")


def find_masks(net: Float) -> None:
    """`Where` with hidden scores becomes a sum, and the outputs of such sums are noted: their scale need not reach as far as the mask does."""
    uses = net.consumers()
    for node in net.nodes if not net.pinned else []:  # a quantized source says how far its sums reach
        if node.op not in ("Add", "Where") or not _read_by_softmax(net, node, uses):
            continue
        found = _sum(net, node) if node.op == "Add" else _choice(net, node)
        if found is None:
            continue
        x, mask = found
        hidden = mask <= HIDDEN
        if not hidden.any() or hidden.all(axis=-1).any():  # a row of which all is hidden has no Softmax
            continue
        node.op, node.attrs = "Add", {}
        node.inputs = [x, net.constant(f"{node.name}/mask", np.where(hidden, NUMBER, mask).astype(np.float32))]
        net.masked.add(node.output)


def _read_by_softmax(net: Float, node: Node, uses: dict[str, list[Node]]) -> bool:
    """Whether nothing but a Softmax along the last axis reads the output, perhaps under another shape."""
    while net.single_use(node.output, uses):
        node = uses[node.output][0]
        if node.op == "Softmax":
            return bool(node.attrs.get("axis", -1) in (-1, len(net.shape(node.output)) - 1))
        if node.op not in MOVES:
            return False
    return False


def _sum(net: Float, node: Node) -> tuple[str, Array] | None:
    computed = net.activations(node)
    if len(computed) != 1:
        return None
    (mask,) = (net.constants[name] for name in node.inputs if name in net.constants)
    return computed[0], mask


def _choice(net: Float, node: Node) -> tuple[str, Array] | None:
    """Where(mask, x, c) and Where(mask, c, x) with hidden c: x + (0 or c)."""
    choice, x, y = node.inputs
    if choice not in net.constants or (x in net.constants) == (y in net.constants):
        return None
    away, c = (net.constants[choice], net.constants[x]) if x in net.constants else (~net.constants[choice], net.constants[y])
    if (c > HIDDEN).any():
        return None
    return (y if x in net.constants else x), np.where(away, c, np.float32(0))
