"""Latency of every layer on this machine at every number of bits: a table that a sum predicts the network's latency from.

FBNet (Wu et al. 2019, arXiv:1812.03443, equation 3: LAT(a) = sum_l LAT(b_l)) and HAWQ-V3 (Yao et al. 2021, arXiv:2011.10680): operators
run one after the other, so their times add up. A network is timed node by node; the sum is scaled to the time of the whole, which has no
clock between nodes.
Uniform networks fill the table. A layer may take another time between other neighbours (caches, conversions), so that the network of a
plan is timed too, and the table corrected by it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from ...errors import RecipeError
from ...model import Model
from ...session import Session
from ..lower import Context
from .program import solve

ROUNDS = 300  # at most: the least of few calls of a fast network is still noise
PATIENCE = 1000.0  # milliseconds for repetitions of a slow network, after which 3 are enough
CORRECTIONS = 6
NARROW = 8  # bits: more are 16-bit activations
CLOSE = 0.03  # a prediction this near, as a share, needs no correction
FASTER = 0.9  # share of the time of 8 bits that fewer must stay below to be believed faster: most layers unpack them when a model is loaded
Choice = Mapping[str, int]


@dataclass
class Latencies:
    """`layers`[layer][bits] and `rest` in milliseconds. `build` lowers the network with given bits."""

    build: Callable[[Choice], Context]
    layers: dict[str, dict[int, float]] = field(default_factory=dict)
    rest: float = float("inf")
    seen: list[tuple[dict[str, int], float]] = field(default_factory=list)  # what was timed

    def predict(self, plan: Choice) -> float:
        return self.rest + sum(self.layers[layer][bits] for layer, bits in plan.items())

    def observe(self, plan: Choice) -> float:
        """Time the network with these bits, and believe it. The milliseconds of a call."""
        ctx = self.build(plan)
        session = Session(Model(ctx.graph))
        count = rounds(timed(session, 2))
        runs = [session.profile() for _ in range(count)]
        least = np.min([[row.ns for row in rows] for rows in runs], axis=0) / 1e6
        whole = timed(session, count)
        spent = dict.fromkeys(plan, 0.0)
        rest = 0.0
        for row, share in zip(runs[0], least * whole / max(float(least.sum()), 1e-9), strict=True):
            layer = ctx.source.get(row.node, row.node)
            if layer in spent:
                spent[layer] += float(share)
            else:
                rest += float(share)
        self.rest = min(self.rest, rest)
        wide = [layer for layer, bits in plan.items() if bits > NARROW]
        excess = rest - self.rest
        for layer, bits in plan.items():
            known = self.layers.setdefault(layer, {})
            if wide and bits <= NARROW:  # what it takes beyond what it took without them are conversions for its neighbours of 16 bits
                excess += spent[layer] - min(spent[layer], known.get(bits, spent[layer]))
                known[bits] = min(spent[layer], known.get(bits, spent[layer]))
            else:
                known[bits] = spent[layer]
        for layer in wide or plan:
            self.layers[layer][plan[layer]] += excess / len(wide or plan)
        self.seen.append((dict(plan), whole))
        return whole


def rounds(once: float) -> int:
    """Repetitions of what takes `once` milliseconds."""
    return int(min(ROUNDS, max(3.0, PATIENCE / max(once, 1e-6))))


def timed(session: Session, count: int = ROUNDS) -> float:
    """Milliseconds of one invocation, the smallest of many."""
    best = float("inf")
    for _ in range(count):
        start = time.perf_counter()
        session.invoke()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def believed(layers: Mapping[str, Mapping[int, float]]) -> dict[str, dict[int, float]]:
    """Times of layers in which fewer than 8 bits are not faster by noise alone, so that no accuracy is given up for it."""
    return {
        name: {bits: row[NARROW] if bits < NARROW and spent > FASTER * row.get(NARROW, float("inf")) else spent for bits, spent in row.items()}
        for name, row in layers.items()
    }


def within(known: Latencies, table: Mapping[str, Mapping[int, float]], budget: float) -> tuple[dict[str, int], float]:
    """The choices of least total in `table` whose network was timed to fit the budget, and its time; `known` has every choice once."""
    for _ in range(CORRECTIONS):
        try:
            plan = solve(table, believed(known.layers), budget - known.rest, "latency_ms", rest=known.rest)
        except RecipeError:
            if all(whole > budget for _, whole in known.seen):
                raise
            break  # no choice is left to try: the best of those that did fit
        predicted = known.predict(plan)
        whole = known.observe(plan)
        if abs(whole - predicted) <= CLOSE * predicted and whole <= budget:
            break
    fitting = [(sum(table[name][bits] for name, bits in seen.items()), whole, seen) for seen, whole in known.seen if whole <= budget]
    if not fitting:  # nearly: what the table says is the best that is known
        return plan, known.predict(plan)
    _, whole, best = min(fitting, key=lambda entry: entry[:2])
    return best, whole
