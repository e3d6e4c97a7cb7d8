"""Mixed precision: how many bits the weights of each layer get under a budget of average bits, bytes or milliseconds, and which keep int16.

Every layer starts with an estimate, which measurements replace one by one, the largest layers first. An interrupt (Ctrl-C) ends the
measuring, not the conversion: plans are then made from what is known by then. Each plan is carried out, and the best one kept (`trial.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from ...errors import RecipeError
from ..calibrate import Progress
from ..ir import Array, Float, Node
from ..lower import Context
from ..quantize import QParam, layers
from ..ranges import wide_capable
from ..recipe import TABLES, Layer, Recipe
from .activations import activation_losses
from .latency import Latencies, within
from .program import Table, solve
from .sensitivity import Probe, estimate, rounded
from .size import Sizes

__all__ = ["OPTIONS", "WIDE", "Latencies", "Plan", "bytes_needed", "plans", "searched"]

OPTIONS = (8, 4, 2)
WIDE = 16  # in place of bits: int8 weights, and activations of 16 bits behind them
SAMPLES = 32
CORRECTIONS = 4  # of a plan whose file comes out larger than the sum of its layers promised


@dataclass(frozen=True)
class Plan:
    """Bits by layer (or WIDE), and what all of it costs, in the unit of the budget."""

    bits: dict[str, int]
    cost: float


def searchable(net: Float, recipe: Recipe) -> tuple[list[Node], dict[str, tuple[int, ...]]]:
    """Convolutions and linear layers, and the bits each may have: those that `keep_int8` or `layers` fix have one choice.

    16-bit activations cost no bytes but time: they are a choice under a budget of latency.
    """
    given = {n.name: str(recipe.layer(n.name, i, len(layers(net))).weights) for i, n in enumerate(layers(net))}
    nodes = [node for node in layers(net) if node.op != "Affine" and given[node.name] not in TABLES]
    count, place = len(layers(net)), {node.name: i for i, node in enumerate(layers(net))}
    free = msgspec.structs.replace(recipe, weights="int2")
    named = msgspec.structs.replace(recipe, weights="int4")
    allowed: dict[str, tuple[int, ...]] = {}
    for node in nodes:
        a, b = (str(r.layer(node.name, place[node.name], count).weights) for r in (free, named))
        allowed[node.name] = (int(a[3:]),) if a == b else OPTIONS
        keeps = recipe.layer(node.name, place[node.name], count).activations == "int8"
        if "latency_ms" in recipe.budget and 8 in allowed[node.name] and keeps and wide_capable(net, node) and node.output not in net.outputs:
            allowed[node.name] = (WIDE, *allowed[node.name])
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
    table = {node.name: {bits: estimate(net, node, min(bits, 8)) for bits in allowed[node.name]} for node in nodes}
    known: list[tuple[float, float]] = []
    order = sorted((n for n in nodes if len(set(allowed[n.name]) - {WIDE}) > 1), key=lambda n: -int(np.prod(net.shape(n.inputs[1]))))
    remaining = [node.name for node in order]
    try:
        probe = Probe(net, nodes, few(samples))
        for done, node in enumerate(order):
            if method == "hessian":
                trace = probe.mean_trace(node)
                row = {}
                for bits in allowed[node.name]:
                    weight, near = rounded(net, node, min(bits, 8))
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
    params: Mapping[str, QParam],
    build: Callable[[Mapping[str, int]], Context],
    progress: Progress | None = None,
) -> list[Plan]:
    """Plans within the recipe's budget, the safest first. `build` lowers the network with given bits, to be timed.

    The widest uniform plan, with the first and the last layer at 8 bits where the budget has room for them; the optimum of the integer
    program without 2 bits, whose errors add up least well; the optimum.
    Raises `RecipeError` where the budget is below what the fewest bits need.
    """
    nodes, allowed = searchable(net, recipe)
    elements = {node.name: int(np.prod(net.shape(node.inputs[1]))) for node in nodes}
    sizes = Sizes(build, partial(written_out, recipe), elements)
    cost, rest, budget, what = costs(elements, recipe, allowed, known := Latencies(build), sizes)
    unmeasured = {name: dict.fromkeys(row, 0.0) for name, row in cost.items()}
    unit = float(sum(elements.values())) if what == "bits" else 1.0
    said = {"bits": "bits on average", "bytes": "bytes of the file"}.get(what, what)

    def total(plan: Mapping[str, int]) -> float:
        return sizes.file(plan) if what == "bytes" else rest + sum(cost[name][bits] for name, bits in plan.items())

    solve(unmeasured, cost, budget - rest, said, unit, rest)  # an impossible budget is said before anything is measured
    most = {name: max(row) for name, row in allowed.items()}
    if what != "latency_ms" and total(most) <= budget:
        return [Plan(most, total(most))]
    table = sensitivities(net, nodes, allowed, samples, recipe.search, progress)
    with contextlib.suppress(KeyboardInterrupt):
        wide = [node for node in nodes if WIDE in allowed[node.name]]
        for name, loss in activation_losses(net, wide, params, few(samples)).items() if wide else ():
            table[name] = {bits: value + (loss if bits != WIDE else 0.0) for bits, value in table[name].items()}
    if what == "latency_ms":
        return [Plan(*within(known, table, budget))]

    def program(table: Table) -> dict[str, int]:
        """The optimum whose total, counted exactly, is within the budget."""
        room = budget - rest
        for _ in range(CORRECTIONS):
            try:
                found = solve(table, cost, room, said, unit, rest)
            except RecipeError:  # what an earlier plan was over is more than the rest has to give
                break
            if (over := total(found) - budget) <= 0:
                return found
            room = sum(cost[name][bits] for name, bits in found.items()) - over
        return {name: min(row) for name, row in table.items()}

    found = [program(table)]
    narrowed = {name: {bits: row[bits] for bits in row if bits > 2 or bits == max(row)} for name, row in table.items()}
    if total({name: min(row) for name, row in narrowed.items()}) <= budget:
        found.append(program(narrowed))
    edges = {nodes[0].name, nodes[-1].name}
    for bits in OPTIONS:
        plain = uniform(allowed, bits)
        careful = {name: chosen if name not in edges else max(allowed[name]) for name, chosen in plain.items()}
        if fitting := [one for one in (careful, plain) if total(one) <= budget]:
            found.append(fitting[0])
            break
    kept: list[dict[str, int]] = []
    for one in found:  # the optimum first: a plan with no layer wider than in an earlier one cannot be better
        if not any(all(one[name] <= other[name] for name in one) for other in kept):
            kept.append(one)
    return [Plan(one, total(one)) for one in kept[::-1]]


def few(samples: Mapping[str, Array]) -> dict[str, Array]:
    return {name: array[:: max(1, len(array) // SAMPLES)][:SAMPLES] for name, array in samples.items()}


def costs(
    elements: Mapping[str, int], recipe: Recipe, allowed: Mapping[str, tuple[int, ...]], known: Latencies, sizes: Sizes
) -> tuple[dict[str, dict[int, float]], float, float, str]:
    """The cost of every choice, what the rest costs in any case, what all together may cost, and the unit's name."""
    ((what, limit),) = recipe.budget.items()
    if what == "bits":
        return {name: {b: float(b * elements[name]) for b in row} for name, row in allowed.items()}, 0.0, limit * sum(elements.values()), what
    levels = dict.fromkeys(bits for row in allowed.values() for bits in row)
    if what == "bytes":
        own = {bits: sizes.measure(uniform(allowed, bits))[1] for bits in levels}
        least = {name: min(row) for name, row in allowed.items()}
        total, cheapest = sizes.measure(least)
        return {name: {bits: own[bits][name] for bits in row} for name, row in allowed.items()}, total - sum(cheapest.values()), limit, what
    for bits in levels:
        known.observe(uniform(allowed, bits))
    return known.layers, known.rest, limit, what


def written_out(recipe: Recipe, bits: Mapping[str, int]) -> Recipe:
    """The recipe as a search would store it."""
    return searched(recipe, Plan(dict(bits), 0.0))


def bytes_needed(net: Float, recipe: Recipe, plan: Mapping[str, int], ctx: Context) -> float:
    """The budget of bytes that has just room for a plan, for the search that `recipe` asks for; `ctx`: the network lowered with its bits."""
    plan = {node.name: plan[node.name] for node in searchable(net, recipe)[0]}
    elements = {node.name: int(np.prod(net.shape(node.inputs[1]))) for node in layers(net)}
    for _ in range(2):  # the recipe tells its budget, in as many digits as that has
        need = Sizes(lambda _: ctx, partial(written_out, recipe), elements).file(plan)
        recipe = msgspec.structs.replace(recipe, budget={"bytes": need})
    return need


def searched(recipe: Recipe, plan: Plan) -> Recipe:
    """The recipe with the plan written out by layer name, so that it gives the same model without a search."""
    own = {}
    for name, bits in plan.bits.items():
        layer = msgspec.structs.replace(recipe.layers.get(name, Layer()), weights=f"int{min(bits, 8)}")
        own[name] = msgspec.structs.replace(layer, activations="int16") if bits == WIDE else layer
    under = {**recipe.budget, "predicted_ms": plan.cost} if "latency_ms" in recipe.budget else recipe.budget
    return msgspec.structs.replace(recipe, layers={**recipe.layers, **own}, budget={}, searched_under=under)


def uniform(allowed: Mapping[str, tuple[int, ...]], bits: int) -> dict[str, int]:
    """Everything that may be at `bits`; the rest at the most that it may have."""
    return {name: bits if bits in row else max(b for b in row if b != WIDE) for name, row in allowed.items()}
