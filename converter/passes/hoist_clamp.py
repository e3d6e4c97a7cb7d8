"""A clamp behind nodes that only move elements is done in front of them: relu(concat(a, b)) = concat(relu(a), relu(b)).

There it joins the layer that computes the elements, and what lies between holds no values that are cut off later: its scale
serves what is left. DenseNet's transitions, ShuffleNet's units and Inception's branches are written this way.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..ir import Float, Node, Value
from .fuse_clamp import limits

MOVERS = frozenset({"Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth", "Identity"})


def hoist_clamp(net: Float) -> None:
    """In place. Outputs of the network, values read twice, and values whose scale the source fixes stay where they are."""
    if net.pinned:
        return
    moved = True
    while moved:
        moved = False
        uses, producers = net.consumers(), net.producers()
        for node in net.nodes:
            before = producers.get(node.inputs[0]) if node.inputs and node.op in ("Relu", "Clip") and limits(net, node) else None
            if before is not None and before.op in MOVERS and before.domain == "" and net.single_use(before.output, uses):
                swap(net, before, node)
                moved = True
                break


def swap(net: Float, mover: Node, clamp: Node) -> None:
    """mover -> clamp becomes a clamp in front of every input whose elements the mover moves."""
    lo, hi = limits(net, clamp) or (-np.inf, np.inf)
    last = len(mover.inputs) if mover.op == "Concat" else 1
    made, inputs = [], list(mover.inputs)
    for place, name in enumerate(mover.inputs[:last]):
        stem = f"{clamp.output}/{place}"
        if name in net.constants:
            inputs[place] = net.constant(stem, np.clip(net.constants[name], lo, hi).astype(net.constants[name].dtype))
            continue
        inputs[place] = net.fresh(stem)
        net.values[inputs[place]] = Value(net.shape(name), net.values[name].dtype)
        label = clamp.name if last == 1 else f"{clamp.name}/{place}"
        made.append(Node(label, clamp.op, [name, *clamp.inputs[1:]], [inputs[place]], dict(clamp.attrs), clamp.domain))
    at = net.nodes.index(mover)
    net.nodes[at : at + 1] = [*made, replace(mover, inputs=inputs, outputs=[clamp.output])]
    net.nodes.remove(clamp)
