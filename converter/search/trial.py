"""Plans of bits carried out one after the other: the best so far is left only for one that is clearly better on samples that judge.

The first is the uniform plan, so that what a search gives is as good as that or better, but for what the judges cannot tell. Judges are samples
that no layer is fitted to: those that calibration gives beyond the recipe's number, or a share held out where it gives no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from ...errors import RecipeError
from ..bn_statistics import Statistics
from ..calibrate import Progress
from ..ir import Array, Float
from ..lockstep import Site, walk
from ..quantize import QParam, QWeight
from ..recipe import Layer, Recipe
from ..weights import quantize_all
from .loss import divergences

HELD = 0.25  # share of the samples that judge where there are no others
JUDGES = 256  # others, at most
CLEAR = 1.64  # standard errors of the mean difference, sample by sample, for one plan to replace another: 5 % by chance
WORTH = 0.95  # and the share of the distance that it may leave: less of a gain is no gain in accuracy, only other errors


def best_of(
    candidates: list[Recipe],
    net: Float,
    params_of: Callable[[Recipe], Mapping[str, QParam]],
    samples: Mapping[str, Array],
    statistics: Callable[[], Statistics],
    progress: Progress | None = None,
    changes: Sequence[Mapping[str, str]] = (),
    judges: Mapping[str, Array] | None = None,
) -> tuple[Recipe, dict[str, QWeight]]:
    """The best candidate and its weights; `params_of` gives the activations' parameters under a candidate.

    The best one is then tried with each of `changes`, settings in place of its own. An interrupt (Ctrl-C) leaves the best so
    far; before there is one, the last candidate with nearest rounding.
    """
    if not candidates:
        raise RecipeError("recipe: the search has no plan to try")

    def trial(recipe: Recipe) -> tuple[dict[str, QWeight], Array]:
        """Weights, and what judges say about them."""
        params, ends = params_of(recipe), dict[str, tuple[Array, Array]]()
        if judges:
            weights = quantize_all(net, params, recipe, samples, statistics, progress)
            walk(net, params, judges, fixed(weights), None, ends)
        else:
            weights = quantize_all(net, params, recipe, samples, statistics, progress, ends, HELD)
        return weights, summed([divergences(net, real, name)(quantized) for name, (real, quantized) in sorted(ends.items())])

    best, least = None, np.zeros(0)
    try:
        count = len(candidates) + len(changes)
        for place in range(count if count > 1 else 0):
            if place < len(candidates):
                recipe = candidates[place]
            elif best is not None:
                recipe = msgspec.structs.replace(best[0], **changes[place - len(candidates)])
            weights, losses = trial(recipe)
            if best is None or clearly(losses, least):
                best, least = (recipe, weights), losses
        if best is None or not judges:  # the layers of a trial were fitted to a part
            winner = candidates[0] if best is None else best[0]
            best = winner, quantize_all(net, params_of(winner), winner, samples, statistics, progress)
    except KeyboardInterrupt:
        if best is None:
            quick = msgspec.structs.replace(candidates[-1], rounding="nearest", bias_correction="none", layers=nearest(candidates[-1]))
            best = quick, quantize_all(net, params_of(quick), quick, None, statistics)
    return best


def fixed(weights: Mapping[str, QWeight]) -> Callable[[Site], QWeight]:
    """For a walk that measures what is there."""
    return lambda site: weights[site.node.name]


def summed(parts: list[Array]) -> Array:
    """Of the losses of several outputs: sample by sample, or where their rows are not the same samples of the means."""
    if len({len(part) for part in parts}) > 1:
        parts = [part.mean(keepdims=True) for part in parts]
    return np.asarray(np.sum(parts, axis=0))


def clearly(losses: Array, before: Array) -> bool:
    """Whether `losses` are less than those `before` of the same samples, by more than chance and by as much as is worth it. Their roots, which are
    distances, are compared: the losses themselves would be ruled by few samples.
    """
    now, then = np.sqrt(np.maximum(losses, 0.0)), np.sqrt(np.maximum(before, 0.0))
    gain = then - now
    error = float(gain.std(ddof=1)) / len(gain) ** 0.5 if len(gain) > 1 else 0.0
    return float(gain.mean()) > CLEAR * error and float(now.mean()) <= WORTH * float(then.mean())


def nearest(recipe: Recipe) -> dict[str, Layer]:
    """The overrides of a recipe without what needs samples."""
    return {name: msgspec.structs.replace(layer, rounding=None, bias_correction=None) for name, layer in recipe.layers.items()}
