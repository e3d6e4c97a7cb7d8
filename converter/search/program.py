"""The integer program of mixed precision: one choice per layer, least total sensitivity, within a budget.

HAWQ-V3 (Yao et al. 2021, arXiv:2011.10680): minimize sum_l Omega_l(b_l) subject to sum_l cost_l(b_l) <= budget, solved exactly.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from ...errors import RecipeError

Table = Mapping[str, Mapping[int, float]]  # layer -> bits -> value


def solve(sensitivity: Table, cost: Table, budget: float, what: str, unit: float = 1.0, rest: float = 0.0) -> dict[str, int]:
    """Bits per layer. Raises `RecipeError` where even the cheapest choices exceed the budget; `unit`: what one of `what` is in the costs,
    `rest`: what the budget that was asked for had for other things."""
    cells = [(layer, bits) for layer, row in sensitivity.items() for bits in row]
    least = sum(min(cost[layer].values()) for layer in sensitivity)
    if least > budget:
        asked, possible = (number((total + rest) / unit) for total in (budget, least))
        raise RecipeError(f"recipe: no choice of bits fits a budget of {asked} {what}; the least possible is {possible}")
    if not cells:
        return {}
    values = np.array([max(sensitivity[layer][bits], 0.0) for layer, bits in cells])
    values /= max(values.max(), 1e-30)
    prices = np.array([cost[layer][bits] for layer, bits in cells])
    one = np.array([[float(layer == own) for own, _ in cells] for layer in sensitivity])
    size = max(budget, 1e-30)
    tie = 1e-9 * prices / max(prices.max(), 1e-30)  # of equally good choices the cheaper
    found = milp(
        values + tie,
        integrality=np.ones(len(cells)),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(one, 1, 1), LinearConstraint(prices[None] / size, -np.inf, budget / size)],
        options={"time_limit": 20.0, "mip_rel_gap": 1e-6},
    )
    if found.x is None:
        raise RecipeError(f"the integer program for {number((budget + rest) / unit)} {what} has no solution: {found.message}")
    return {layer: bits for (layer, bits), chosen in zip(cells, found.x, strict=True) if chosen > 0.5}


def number(value: float) -> str:
    """Bytes in full, milliseconds and bits short."""
    return f"{value:.0f}" if value >= 1e5 else f"{value:g}"
