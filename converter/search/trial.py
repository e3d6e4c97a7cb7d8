"""Plans of bits carried out one after the other: the one whose outputs differ least from the float network's is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from ...errors import RecipeError
from ..bn_statistics import Statistics
from ..calibrate import Progress
from ..ir import Array, Float
from ..quantize import QParam, QWeight
from ..recipe import Layer, Recipe
from ..weights import quantize_all
from .loss import divergence

HELD = 0.25  # share of the samples that judge


def best_of(
    candidates: list[Recipe],
    net: Float,
    params_of: Callable[[Recipe], Mapping[str, QParam]],
    samples: Mapping[str, Array],
    statistics: Callable[[], Statistics],
    progress: Progress | None = None,
    calibrators: tuple[str, ...] = (),
) -> tuple[Recipe, dict[str, QWeight]]:
    """The best candidate and its weights; `params_of` gives the activations' parameters under a candidate.

    The best one is then tried with each of `calibrators` in place of its own. In a trial the outputs are compared on samples that
    the layers were not fitted to; the winner is fitted to all. An interrupt (Ctrl-C) leaves the best so far; before there is one, the first
    with nearest rounding.
    """
    if not candidates:
        raise RecipeError("recipe: the search has no plan to try")
    best, least = None, np.inf
    try:
        count = len(candidates) + len(calibrators)
        for place in range(count if count > 1 else 0):
            if place < len(candidates):
                recipe = candidates[place]
            elif best is not None:
                recipe = msgspec.structs.replace(best[0], calibrator=calibrators[place - len(candidates)])
            ends: dict[str, tuple[Array, Array]] = {}
            weights = quantize_all(net, params_of(recipe), recipe, samples, statistics, progress, ends, HELD)
            loss = sum(divergence(net, real, name)(quantized) for name, (real, quantized) in sorted(ends.items()))
            if best is None or loss < least:
                best, least = (recipe, weights), loss
        winner = candidates[0] if best is None else best[0]
        best = winner, quantize_all(net, params_of(winner), winner, samples, statistics, progress)
    except KeyboardInterrupt:
        if best is None:
            quick = msgspec.structs.replace(candidates[0], rounding="nearest", bias_correction="none", layers=nearest(candidates[0]))
            best = quick, quantize_all(net, params_of(quick), quick, None, statistics)
    assert best is not None
    return best


def nearest(recipe: Recipe) -> dict[str, Layer]:
    """The overrides of a recipe without what needs samples."""
    return {name: msgspec.structs.replace(layer, rounding=None, bias_correction=None) for name, layer in recipe.layers.items()}
