"""Mixed precision: how many bits the weights of each layer get under a budget of average bits, bytes or milliseconds.

Every layer starts with an estimate, which measurements replace one by one, the largest layers first. An interrupt (Ctrl-C) ends the
measuring, not the conversion: plans are then made from what is known by then. Each plan is carried out, and the best one kept (`trial.py`).
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

__all__ = ["OPTIONS", "Latencies", "plans", "searched", "stored_bytes"]

OPTIONS = (8, 4, 2)
SAMPLES = 32
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
                row = {bits: probe.measured(node, bits) if bits < 8 else 0.0 for bits in allowed[node.name]}  # 8 bits cost nothing beside 4
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


def plans(
    net: Float,
    recipe: Recipe,
    samples: Mapping[str, Array],
    build: Callable[[int], Context] | None = None,
    progress: Progress | None = None,
) -> list[dict[str, int]]:
    """Bits per layer within the recipe's budget, the most promising plan first. `build(bits)` lowers the network with these bits everywhere.

    After the optimum of the integer program: the optimum without 2 bits, whose errors add up least well, and the widest uniform plan.
    Raises `RecipeError` where the budget is below what the fewest bits need.
    """
    nodes, allowed = searchable(net, recipe)
    cost, budget, what = costs(net, recipe, nodes, allowed, build)
    unmeasured = {name: dict.fromkeys(row, 0.0) for name, row in cost.items()}
    solve(unmeasured, cost, budget, what)  # an impossible budget is said before anything is measured
    table = sensitivities(net, nodes, allowed, samples, recipe.search, progress)
    found = [solve(table, cost, budget, what)]
    narrowed = {name: {bits: row[bits] for bits in row if bits > 2 or bits == max(row)} for name, row in table.items()}
    if sum(min(cost[name][bits] for bits in row) for name, row in narrowed.items()) <= budget:
        found.append(solve(narrowed, cost, budget, what))
    for bits in OPTIONS:
        uniform = {name: bits if bits in row else max(row) for name, row in table.items()}
        if sum(cost[name][uniform[name]] for name in uniform) <= budget:
            found.append(uniform)
            break
    kept: list[dict[str, int]] = []
    for one in found:  # a plan with no layer wider than in an earlier one cannot be better
        if not any(all(one[name] <= other[name] for name in one) for other in kept):
            kept.append(one)
    return kept


def costs(
    net: Float, recipe: Recipe, nodes: list[Node], allowed: Mapping[str, tuple[int, ...]], build: Callable[[int], Context] | None
) -> tuple[dict[str, dict[int, float]], float, str]:
    """The cost of every choice, what all together may cost, and the unit's name."""
    sizes = {node.name: int(np.prod(net.shape(node.inputs[1]))) for node in nodes}
    ((what, limit),) = recipe.budget.items()
    if what == "bits":
        return {name: {b: float(b * sizes[name]) for b in row} for name, row in allowed.items()}, limit * sum(sizes.values()), "bits in all"
    if what == "bytes":
        overhead = sum(PER_CHANNEL * net.shape(node.inputs[1])[0] for node in nodes)
        return {name: {b: float(-(-b * sizes[name] // 8)) for b in row} for name, row in allowed.items()}, limit - overhead, what
    assert build is not None
    known = measure(build, list(sizes), list(OPTIONS))
    return {name: {b: known.layers[name][b] for b in row} for name, row in allowed.items()}, limit - known.rest, what


def stored_bytes(net: Float, recipe: Recipe) -> int:
    """What a budget of bytes counts, for a recipe without one: packed weights, and the constants of each output channel."""
    places = {node.name: i for i, node in enumerate(layers(net))}
    total = 0
    for node in layers(net):
        if node.op != "Affine":
            shape = net.shape(node.inputs[1])
            bits = int(str(recipe.layer(node.name, places[node.name], len(places)).weights)[3:])
            total += -(-bits * int(np.prod(shape)) // 8) + PER_CHANNEL * shape[0]
    return total


def searched(recipe: Recipe, chosen: Mapping[str, int]) -> Recipe:
    """The recipe with the plan written out by layer name, so that it gives the same model without a search."""
    own = {name: msgspec.structs.replace(recipe.layers.get(name, Layer()), weights=f"int{bits}") for name, bits in chosen.items()}
    return msgspec.structs.replace(recipe, layers={**recipe.layers, **own}, budget={}, searched_under=recipe.budget)


def fixed_bits(recipe: Recipe, net: Float, bits: int) -> Recipe:
    """Everything that may change at `bits`."""
    nodes, allowed = searchable(net, recipe)
    return searched(recipe, {node.name: bits if bits in allowed[node.name] else allowed[node.name][0] for node in nodes})

