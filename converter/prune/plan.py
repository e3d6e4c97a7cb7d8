"""Which layers are pruned, and how much: given, the same everywhere, or by how much each layer's zeros change the network's output.

By sensitivity: every layer alone is pruned by magnitude at several ratios (N:M: or not at all) and the divergence of the outputs is measured; the
integer program of mixed precision (`search/program.py`) then chooses one ratio per layer, least total divergence, so that the whole has the
ratio asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir import Array, Float, Node
from ..quantize import float_weights, layers
from .settings import Prune, group_of
from .weights import prune_layer

PERCENT = (0, 20, 35, 50, 60, 70, 80, 90)
SAMPLES = 48


def prunable(net: Float) -> list[Node]:
    """Convolutions without groups and linear layers: what has sparse kernels."""
    return [n for n in layers(net) if n.op == "Linear" or (n.op == "Conv" and int(n.attrs.get("group", 1)) == 1)]


def ratios(net: Float, prune: Prune) -> dict[str, float]:
    """The share of zeros of every layer that gets some."""
    from ..recipe import matches  # recipes know this package

    weighted = layers(net)
    place = {node.name: i for i, node in enumerate(weighted)}
    found = {}
    for node in prunable(net):
        at = place[node.name], len(weighted)
        ratio = 0.0 if any(matches(pattern, node.name, *at) for pattern in prune.keep) else prune.ratio
        for pattern, own in prune.layers.items():
            ratio = own if matches(pattern, node.name, *at) else ratio
        if ratio > 0:
            found[node.name] = ratio
    return found


def by_sensitivity(net: Float, prune: Prune, samples: Mapping[str, Array]) -> dict[str, float]:
    """A ratio for each layer that `ratios` names, so that together they have `prune.ratio`."""
    from ..search.program import solve
    from ..search.sensitivity import Probe

    chosen = ratios(net, prune)
    nodes = [node for node in prunable(net) if node.name in chosen]
    if not nodes:
        return {}
    some = {name: array[:: max(1, len(array) // SAMPLES)][:SAMPLES] for name, array in samples.items()}
    probe = Probe(net, nodes, some)
    group = group_of(prune.pattern)
    tried = PERCENT if group is None else (0, round(100 - 100 * group[0] / group[1]))
    size = {node.name: int(np.prod(net.shape(node.inputs[1]))) for node in nodes}
    table = {}
    for node in nodes:
        weight = float_weights(net, node)[0]
        table[node.name] = {p: probe.loss(node, prune_layer(node, weight, prune_by_size(prune), p / 100, None)[0]) for p in tried}
    cost = {name: {p: (1 - p / 100) * size[name] for p in tried} for name in size}
    found = solve(table, cost, (1 - prune.ratio) * sum(size.values()), "weights that stay")
    return {name: p / 100 for name, p in found.items()}


def prune_by_size(prune: Prune) -> Prune:
    return Prune(method="magnitude", pattern=prune.pattern)
