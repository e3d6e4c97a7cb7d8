"""Latency of every layer on this machine at every number of bits: a table that a sum predicts the network's latency from.

FBNet (Wu et al. 2019, arXiv:1812.03443, section 3.3) and HAWQ-V3 (section 3.4): operators run one after the other, so their times add up. Each
uniform network is built once and timed node by node; the sum is scaled to the time of the whole, which has no clock between nodes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...model import Model
from ...session import Session
from ..lower import Context

ROUNDS = 30


@dataclass
class Latencies:
    """`layers`[layer][bits] and `rest` in milliseconds."""

    layers: dict[str, dict[int, float]] = field(default_factory=dict)
    rest: float = 0.0

    def predict(self, plan: dict[str, int]) -> float:
        return self.rest + sum(self.layers[layer][bits] for layer, bits in plan.items())


def timed(session: Session, rounds: int = ROUNDS) -> float:
    """Milliseconds of one invocation, the smallest of many."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        session.invoke()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def measure(build: Callable[[int], Context], names: list[str], options: list[int]) -> Latencies:
    """`build(bits)`: the network with all layers in `names` at that many bits."""
    result = Latencies({name: {} for name in names})
    rests = []
    for bits in options:
        ctx = build(bits)
        session = Session(Model(ctx.graph))
        for _ in range(3):
            session.invoke()
        runs = [session.profile() for _ in range(ROUNDS)]
        nodes = [row.node for row in runs[0]]
        least = np.min([[row.ns for row in rows] for rows in runs], axis=0) / 1e6
        scale = timed(session) / max(float(least.sum()), 1e-9)
        rest = 0.0
        for name in names:
            result.layers[name][bits] = 0.0
        for node, spent in zip(nodes, least * scale, strict=True):
            layer = ctx.source.get(node, node)
            if layer in result.layers:
                result.layers[layer][bits] += float(spent)
            else:
                rest += float(spent)
        rests.append(rest)
    result.rest = float(np.mean(rests))
    return result
