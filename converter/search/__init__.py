"""Mixed precision: how many bits the weights of each layer get under a budget of average bits, bytes or milliseconds.

Every layer starts with an estimate, which measurements replace one by one, the largest layers first. An interrupt (Ctrl-C) ends the
measuring, not the conversion: the plan is then made from what is known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from ..calibrate import Progress
from ..ir import Array, Float, Node
from ..lower import Context
from ..quantize import layers
from ..recipe import Layer, Recipe
from .latency import Latencies, measure
from .program import solve
from .sensitivity import Probe, estimate, rounded

__all__ = ["OPTIONS", "Latencies", "plan", "searched"]

OPTIONS = (8, 4, 2)
SAMPLES = 48
PER_CHANNEL = 12  # bytes: bias, multiplier, shift


def searchable(net: Float, recipe: Recipe) -> tuple[list[Node], dict[str, tuple[int, ...]]]:
    """Convolutions and linear layers, and the bits each may have: those that `keep_int8` or `layers` fix have one choice."""
    nodes = [node for node in layers(net) if node.op != "Affine"]
    count, place = len(layers(net)), {node.name: i for i, node in enumerate(layers(net))}
    free = msgspec.structs.replace(recipe, weights="int2")
    named = msgspec.structs.replace(recipe, weights="int4")
    allowed: dict[str, tuple[int, ...]] = {}
    for node in nodes:
        a, b = (str(r.layer(node.name, place[node.name], count).weights) for r in (free, named))
        allowed[node.name] = (int(a[3:]),) if a == b else OPTIONS
    return nodes, allowed


def sensitivities(
    net: Float,
    nodes: list[Node],
    allowed: Mapping[str, tuple[int, ...]],
    samples: Mapping[str, Array],
    method: str,
    progress: Progress | None = None,
) -> dict[str, dict[int, float]]:
    """By layer and bits. An interrupt leaves estimates where nothing is measured yet, scaled to the measurements."""
    table = {node.name: {bits: estimate(net, node, bits) for bits in allowed[node.name]} for node in nodes}
    known: list[tuple[float, float]] = []
    order = sorted((n for n in nodes if len(allowed[n.name]) > 1), key=lambda n: -int(np.prod(net.shape(n.inputs[1]))))
    remaining = [node.name for node in order]
    try:
        some = {name: array[:: max(1, len(array) // SAMPLES)][:SAMPLES] for name, array in samples.items()}
        probe = Probe(net, nodes, some)
        for done, node in enumerate(order):
            if method == "hessian":
                trace = probe.mean_trace(node)
                row = {}
                for bits in allowed[node.name]:
                    weight, near = rounded(net, node, bits)
                    row[bits] = 0.5 * trace * float(((weight - near) ** 2).sum())
            else:
                row = {bits: probe.measured(node, bits) for bits in allowed[node.name]}
            known += [(table[node.name][bits], value) for bits, value in row.items()]
            table[node.name] = row
            remaining.remove(node.name)
            if progress is not None:
                progress("search", done + 1, len(order))
    except KeyboardInterrupt:
        ratio = sum(b for _, b in known) / max(sum(a for a, _ in known), 1e-30) if known else 1.0
        for name in remaining:
            table[name] = {bits: value * ratio for bits, value in table[name].items()}
    return table


def plan(
    net: Float,
    recipe: Recipe,
    samples: Mapping[str, Array],
    build: Callable[[int], Context] | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Bits per layer within the recipe's budget. `build(bits)` lowers the network with these bits everywhere, for a budget of latency.

    Raises `RecipeError` where the budget is below what the fewest bits need.
    """
    nodes, allowed = searchable(net, recipe)
    table = sensitivities(net, nodes, allowed, samples, recipe.search, progress)
    sizes = {node.name: int(np.prod(net.shape(node.inputs[1]))) for node in nodes}
    bits_cost = {name: {bits: float(bits * size) for bits in allowed[name]} for name, size in sizes.items()}
    chosen: dict[str, int] = {}
    for what, limit in recipe.budget.items():
        if what == "bits":
            cost, budget = bits_cost, limit * sum(sizes.values())
        elif what == "bytes":
            overhead = sum(PER_CHANNEL * net.shape(node.inputs[1])[0] for node in nodes)
            cost, budget = {name: {b: float(-(-b * sizes[name] // 8)) for b in row} for name, row in bits_cost.items()}, limit - overhead
        else:
            assert build is not None
            known = measure(build, list(sizes), list(OPTIONS))
            cost, budget = {name: {b: known.layers[name][b] for b in allowed[name]} for name in sizes}, limit - known.rest
        chosen = solve(table, cost, budget, "bits in all" if what == "bits" else what)
    return chosen


def searched(recipe: Recipe, chosen: Mapping[str, int]) -> Recipe:
    """The recipe with the plan written out by layer name, so that it gives the same model without a search."""
    own = {name: msgspec.structs.replace(recipe.layers.get(name, Layer()), weights=f"int{bits}") for name, bits in chosen.items()}
    return msgspec.structs.replace(recipe, layers={**recipe.layers, **own}, budget={}, searched_under=recipe.budget)


def fixed_bits(recipe: Recipe, net: Float, bits: int) -> Recipe:
    """Everything that may change at `bits`."""
    nodes, allowed = searchable(net, recipe)
    return searched(recipe, {node.name: bits if bits in allowed[node.name] else allowed[node.name][0] for node in nodes})

