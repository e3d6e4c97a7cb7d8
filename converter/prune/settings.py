"""What a recipe says about pruning: `prune = {method, pattern, ratio, ...}`."""

from __future__ import annotations

import re

import msgspec

from ...errors import RecipeError

WEIGHTS = ("magnitude", "second_order")
FILTERS = ("l1", "l2", "gamma", "apoz")
MOST_PASSES = 10_000


class Prune(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """How weights are set to zero, or filters removed, in one shot.

    - `method`: "magnitude" or "second_order" zero weights; "l1", "l2" (norm of a filter), "gamma" (of its batch normalization) or "apoz"
      (share of zero activations) remove whole filters, and the inputs that read them
    - `pattern`: what is zeroed together: "element", blocks "1x4", "16x4" (output channels by K as kernels walk it), or "2:4" (2 of 4 stay)
    - `ratio`: share of zeros; `spread`: the same in every layer ("uniform"), or found by "sensitivity" so that it holds for the whole; with
      N:M that finds which layers stay whole
    - `layers`: patterns to ratios of their own, the last match wins; `keep`: layers that are left alone
    - `tune`: how many passes over the samples then fit what stays, of all layers, to the outputs of the float network (`tune.py`); None: those
      that `plan.passes` finds worth their time
    """

    method: str = "second_order"
    pattern: str = "element"
    ratio: float = 0.5
    spread: str = "uniform"
    layers: dict[str, float] = {}
    keep: tuple[str, ...] = ("first", "last")
    tune: int | None = None

    @property
    def filters(self) -> bool:
        return self.method in FILTERS


def block_of(pattern: str) -> tuple[int, int]:
    """Output channels and inputs of a block."""
    if pattern == "element":
        return 1, 1
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", pattern)
    if found is None:
        raise RecipeError(f'recipe: prune pattern {pattern!r}; give "element", blocks as "16x4", or "2:4" for 2 of 4 that stay')
    return int(found[1]), int(found[2])


def group_of(pattern: str) -> tuple[int, int] | None:
    """(N, M) of a pattern N:M, or None for any other."""
    found = re.fullmatch(r"([1-9]\d{0,3}):([1-9]\d{0,3})", pattern)
    if found is None:
        return None
    if int(found[1]) >= int(found[2]):
        raise RecipeError(f"recipe: prune pattern {pattern!r} leaves all weights")
    return int(found[1]), int(found[2])


def check(prune: Prune) -> None:
    """Raises `RecipeError` where a value is not one of the choices."""
    if prune.method not in (*WEIGHTS, *FILTERS):
        raise RecipeError(f"recipe: prune method {prune.method!r}; there are {', '.join((*WEIGHTS, *FILTERS))}")
    if prune.spread not in ("uniform", "sensitivity"):
        raise RecipeError(f"recipe: prune spread {prune.spread!r}; there are uniform, sensitivity")
    if not all(0 <= ratio < 1 for ratio in (prune.ratio, *prune.layers.values())):
        raise RecipeError("recipe: prune ratios are shares of zeros, at least 0 and below 1")
    group = group_of(prune.pattern)
    if group is None:
        block_of(prune.pattern)
    elif prune.spread == "sensitivity" and prune.ratio > 1 - group[0] / group[1]:
        raise RecipeError(f"recipe: prune pattern {prune.pattern!r} cannot reach a ratio of {prune.ratio:g}")
    if not 0 <= (prune.tune or 0) <= MOST_PASSES or (prune.tune and prune.filters):
        raise RecipeError(f"recipe: prune tune {prune.tune}; passes over the samples, at most {MOST_PASSES}, for methods that zero weights")
    if prune.filters and (prune.pattern != "element" or prune.spread != "uniform"):
        raise RecipeError(f"recipe: prune method {prune.method!r} removes filters; it takes no pattern, and ratios by layer")
