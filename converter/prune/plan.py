"""Which layers are pruned, and how much: given, the same everywhere, or by how much each layer's zeros change the network's output.

By sensitivity: every layer alone is pruned by magnitude at several ratios and the divergence of the outputs is measured; the integer program
of mixed precision (`search/program.py`) then chooses one ratio per layer, least total divergence, so that the whole has the ratio asked for.
N:M has one ratio, which a layer gets or not: there the method itself prunes what is measured.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..ir import Array, Float, Node
from ..quantize import QParam, QWeight, float_weights, layers, quantize_layer
from .settings import Prune, group_of
from .tune import tunable, tuned
from .weights import prune_layer

PERCENT = (0, 20, 35, 50, 60, 70, 80, 90)
SAMPLES = 48
MORE = 256  # for N:M, where each layer is measured once
PASSES, FEWEST = 30, 5  # over the samples, to tune
WORK = 3e11  # products in those that are worth their time: some two minutes of a core


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


def by_sensitivity(net: Float, prune: Prune, samples: Mapping[str, Array], params: Mapping[str, QParam]) -> dict[str, float]:
    """A ratio for each layer that `ratios` names, so that together they have `prune.ratio`."""
    from ..search.program import solve
    from ..search.sensitivity import Probe

    chosen = ratios(net, prune)
    nodes = [node for node in prunable(net) if node.name in chosen]
    if not nodes:
        return {}
    tried: tuple[int, ...] = PERCENT
    group = group_of(prune.pattern)
    count = SAMPLES if group is None else MORE
    some = {name: array[:: max(1, len(array) // count)][:count] for name, array in samples.items()}
    probe = Probe(net, nodes, some)
    size = {node.name: int(np.prod(net.shape(node.inputs[1]))) for node in nodes}
    if group is None:
        by = prune_by_size(prune)
        pruned = {n.name: {p: prune_layer(n, float_weights(net, n)[0], by, p / 100, None)[0] for p in tried} for n in nodes}
    else:
        share = round(100 - 100 * group[0] / group[1])
        tried = (0, share)
        found = {node.name: float_weights(net, node)[0] for node in nodes}
        pruned = {name: {0: found[name], share: weight} for name, weight in alone(net, set(size), prune, samples, params).items()}
    table = {node.name: {p: probe.loss(node, pruned[node.name][p]) for p in tried} for node in nodes}
    cost = {name: {p: (1 - p / 100) * size[name] for p in tried} for name in size}
    solved = solve(table, cost, (1 - prune.ratio) * sum(size.values()), "weights that stay")
    return {name: p / 100 for name, p in solved.items()}


def passes(net: Float, prune: Prune, samples: Mapping[str, Array]) -> int:
    """How often the samples are gone over to tune: as asked, else for N:M (which no layer is spared) where the network is small enough."""
    if prune.tune is not None or group_of(prune.pattern) is None or prune.method != "second_order":
        return prune.tune or 0
    work = sum(int(np.prod(net.shape(n.inputs[1])) * np.prod(positions(net, n))) for n in layers(net)) * len(next(iter(samples.values())))
    count = min(PASSES, int(WORK // max(work, 1)))
    return count if count >= FEWEST and tunable(net) else 0


def positions(net: Float, node: Node) -> tuple[int, ...]:
    """Axes of an output along which a layer applies its weights again."""
    shape = net.shape(node.output)
    return shape[2:] if node.op == "Conv" else shape[1:-1]


def fitted(net: Float, prune: Prune, samples: Mapping[str, Array], params: Mapping[str, QParam], count: int) -> Prune:
    """Prunes the layers and tunes the whole in `count` passes, in place; returns how rounding keeps the zeros: by size, where they are the least."""
    from ..lockstep import Site, walk
    from ..rounding.base import moments
    from ..rounding.bias import empirical

    cuts, found = ratios(net, prune), dict[str, Array]()

    def visit(site: Site) -> QWeight:
        weight, bias, names = site.weight, site.bias, site.node.inputs
        if site.node.name in cuts:
            own = moments(site) if prune.method == "second_order" else None
            weight = found[names[1]] = prune_layer(site.node, weight, prune, cuts[site.node.name], own)[0]
        if len(names) > 2 and names[2]:
            bias = found[names[2]] = empirical(site, weight)
        return QWeight(weight, np.ones(len(weight)), bias)

    walk(net, params, samples, visit)
    zeros = {n.name: float((found[n.inputs[1]] == 0).mean()) for n in prunable(net) if n.name in cuts}
    net.constants.update(tuned(net, found, samples, count))
    return Prune(method="magnitude", ratio=0.0, layers=zeros, keep=())


def alone(net: Float, names: set[str], prune: Prune, samples: Mapping[str, Array], params: Mapping[str, QParam]) -> dict[str, Array]:
    """Weights of every layer named, pruned as `prune` says while the others are whole."""
    from ..lockstep import Site, walk
    from ..rounding.base import moments

    found = {}

    def visit(site: Site) -> QWeight:
        if site.node.name in names:
            own = moments(site) if prune.method == "second_order" else None
            found[site.node.name] = prune_layer(site.node, site.weight, prune, prune.ratio, own)[0]
        return quantize_layer(net, site.node, site.x, site.y)

    walk(net, params, samples, visit)
    return found


def prune_by_size(prune: Prune) -> Prune:
    return Prune(method="magnitude", pattern=prune.pattern)
