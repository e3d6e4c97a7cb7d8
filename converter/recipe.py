"""Recipes: how a network is quantized, as data. A recipe names a base and what differs from it; unknown keys are errors."""

from __future__ import annotations

import difflib
import fnmatch
import importlib
import typing
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import RecipeError
from . import prune as pruning
from .calibrators import CALIBRATORS
from .passes.steps import STEPS
from .prune import Prune
from .rounding import ROUNDINGS
from .rounding.scales import SCALES

WEIGHTS = {"int8": 8, "int4": 4, "int2": 2, "log2": 4, "shift": 4, "apot": 4, "kmeans4": 4, "ternary": 2}
TABLES = ("log2", "shift", "apot", "kmeans4", "ternary")  # weights that are codes into a table (`coded.py`)
ACTIVATIONS = {"int16": 16, "int8": 8, "int6": 6, "int4": 4}
GRANULARITIES = ("channel", "group", "tensor")
CORRECTIONS = ("none", "analytic", "empirical")
SENSITIVITIES = ("measured", "hessian")


class Layer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What one layer, or those a pattern matches, does differently; None means: as the recipe says."""

    weights: str | None = None
    activations: str | None = None
    calibrator: str | None = None
    rounding: str | None = None
    weight_range: str | None = None
    granularity: str | None = None
    group_size: int | None = None
    bias_correction: str | None = None


class Recipe(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A complete recipe.

    - `weights`, `activations`: bits; int16 activations are for layers and sums, which then run slower
    - `calibrator`: how an activation's range is found; `symmetric`: with zero point 0
    - `rounding`: how real weights become integers; `weight_range`: how far the scale of a channel reaches; `granularity`: what shares
      a scale ("group": every `group_size` input channels, below 8 bits); `bias_correction`: what biases make up for shifted means
    - `samples`: how many calibration samples rounding, correction and search run on
    - `zero_shot`: no data at all, statistics from batch normalization; `input_range`: what the inputs may hold then
    - `level_channels`: channels that reach far are scaled down, and the weights that read them up, where one scale per activation is too coarse
      (`channels/`; with int8 weights and without a budget); `channel_scales`: the result, which a conversion writes and a later one takes as it is
    - `steps`: rewrites of the float network or its weights, in order
    - `keep_int8`: layers (exact, a pattern with * or ?, "first", "last") whose weights stay int8
    - `layers`: patterns to overrides, the last match wins
    - `prune`: zeros, or fewer filters, in one shot (`prune/settings.py`)
    - `budget` ("bits", "bytes" or "latency_ms") starts a search; `search`: how it measures sensitivity
    """

    base: str = "custom"
    weights: str = "int8"
    activations: str = "int8"
    calibrator: str = "minmax"
    rounding: str = "nearest"
    weight_range: str = "max"
    granularity: str = "channel"
    group_size: int = 32
    bias_correction: str = "none"
    symmetric: bool = False
    samples: int = 128
    zero_shot: bool = False
    input_range: tuple[float, float] | None = None
    search: str = "measured"
    level_channels: bool = False
    channel_scales: str = ""
    steps: tuple[str, ...] = ()
    keep_int8: tuple[str, ...] = ()
    budget: dict[str, float] = {}
    layers: dict[str, Layer] = {}
    prune: Prune | None = None
    searched_under: dict[str, float] = {}  # the budget of the search that wrote `layers`

    def layer(self, name: str, position: int, count: int) -> Layer:
        """The settings of the weighted layer `name`, number `position` of `count`, with nothing left open."""
        chosen = Layer(**{field: getattr(self, field) for field in Layer.__struct_fields__})
        for pattern, override in self.layers.items():
            if matches(pattern, name, position, count):
                given = {field: value for field in chosen.__struct_fields__ if (value := getattr(override, field)) is not None}
                chosen = msgspec.structs.replace(chosen, **given)
        if any(matches(pattern, name, position, count) for pattern in self.keep_int8):
            chosen = msgspec.structs.replace(chosen, weights="int8")
        return chosen

    def describe(self) -> dict[str, Any]:
        """Plain data, as stored in the model file: all that differs from a plain recipe or from its base, so that `load` gives it back."""
        found = typing.cast("dict[str, Any]", msgspec.to_builtins(self))
        base = BASES.get(self.base)
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if base is not None and value != getattr(base, field):
                found[field] = msgspec.to_builtins(value)
        return found


def matches(pattern: str, name: str, position: int, count: int) -> bool:
    if pattern == "first":
        return position == 0
    if pattern == "last":
        return position == count - 1
    return pattern == name or fnmatch.fnmatchcase(name, pattern)


BASES: dict[str, Recipe] = {
    "fast": Recipe(base="fast"),
    "balanced": Recipe(base="balanced", calibrator="guarded", bias_correction="empirical", level_channels=True),
    "zero_shot": Recipe(base="zero_shot", zero_shot=True),
    "best": Recipe(base="best", calibrator="mse", rounding="gptq_cd", weight_range="omse", bias_correction="empirical"),
}


def load(recipe: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
    """A recipe from its name, a TOML file, a dict or itself. Raises `RecipeError`."""
    if isinstance(recipe, Recipe):
        return check(recipe)
    if isinstance(recipe, str) and recipe in BASES:
        return BASES[recipe]
    if isinstance(recipe, (str, Path)):
        recipe = _read(Path(recipe))
    if not isinstance(recipe, Mapping):
        raise RecipeError(f"a recipe is a name, a path, a dict or a Recipe, not {recipe!r}")
    base = recipe.get("base", "balanced")
    if not isinstance(base, str) or base not in BASES:
        raise RecipeError(f"unknown base recipe {base!r}; there are {', '.join(BASES)}")
    known_keys("recipe", recipe, Recipe)
    if isinstance(overrides := recipe.get("layers", {}), Mapping):
        for pattern, settings in overrides.items():
            known_keys(f"recipe, layers {pattern!r}", settings, Layer)
    try:
        return check(msgspec.convert({**BASES[base].describe(), **recipe}, Recipe))
    except msgspec.ValidationError as error:
        raise RecipeError(f"recipe: {error}") from error


def known_keys(place: str, given: Any, kind: type[msgspec.Struct]) -> None:
    """Raises `RecipeError` for keys that `kind` does not have, with the nearest ones."""
    fields = kind.__struct_fields__
    for key in given if isinstance(given, Mapping) else ():
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(fields)}"
            raise RecipeError(f"{place}: unknown key {key!r}; {hint}")


def named(recipe: Recipe, layers: list[str], nodes: Collection[str]) -> None:
    """Raises `RecipeError` where `keep_int8` or `layers` give a name, not a pattern, that no layer (no node) of the network has."""
    for key, names, known in (("keep_int8", recipe.keep_int8, set(layers)), ("layers", tuple(recipe.layers), {*layers, *nodes})):
        for name in names:
            if name not in {*known, "first", "last"} and not any(mark in name for mark in "*?["):
                near = difflib.get_close_matches(name, sorted(known), 3) or layers[:8]
                raise RecipeError(f"recipe: {key} names {name!r}, which the network does not have; near it are {', '.join(near)}")


def _read(path: Path) -> dict[str, Any]:
    """A TOML file, or JSON where the name ends in .json."""
    if not path.is_file():
        raise RecipeError(f"no recipe {str(path)!r}: give one of {', '.join(BASES)}, the path of a TOML or JSON file, or a dict")
    try:
        text = path.read_text()
        if path.suffix == ".json":
            return msgspec.json.decode(text, type=dict[str, Any])
        try:
            toml = importlib.import_module("tomllib")
        except ImportError:  # Python 3.10
            toml = importlib.import_module("tomli")
        return typing.cast("dict[str, Any]", toml.loads(text))
    except (ValueError, msgspec.MsgspecError) as error:
        raise RecipeError(f"{path} cannot be read: {error}") from error


def needs_data(recipe: Recipe) -> bool:
    """Whether some layer is rounded or corrected by samples, or a search is asked for."""
    roundings = {recipe.rounding, *(layer.rounding for layer in recipe.layers.values())}
    corrections = {recipe.bias_correction, *(layer.bias_correction for layer in recipe.layers.values())}
    cut = recipe.prune
    pruned = cut is not None and (cut.method in ("second_order", "apoz") or cut.spread == "sensitivity" or bool(cut.tune))
    return pruned or bool(recipe.budget) or bool(roundings - {None, "nearest"}) or "empirical" in corrections


def check(recipe: Recipe) -> Recipe:
    """Every value names something that exists. Raises `RecipeError` with the choices."""
    tables: dict[str, tuple[str, ...]] = {
        "weights": tuple(WEIGHTS),
        "activations": tuple(ACTIVATIONS),
        "calibrator": tuple(CALIBRATORS),
        "rounding": tuple(ROUNDINGS),
        "weight_range": tuple(SCALES),
        "granularity": GRANULARITIES,
        "bias_correction": CORRECTIONS,
    }
    for place, settings in [("recipe", recipe), *((f"recipe, layers {key!r}", value) for key, value in recipe.layers.items())]:
        for key, choices in tables.items():
            value = getattr(settings, key)
            if value is not None and value not in choices:
                raise RecipeError(f"{place}: {key} = {value!r}; there are {', '.join(choices)}")
    for step in recipe.steps:
        if step not in STEPS:
            raise RecipeError(f"recipe: unknown step {step!r}; there are {', '.join(STEPS) or 'none'}")
    if recipe.prune is not None:
        pruning.check(recipe.prune)
    if recipe.search not in SENSITIVITIES:
        raise RecipeError(f"recipe: search = {recipe.search!r}; there are {', '.join(SENSITIVITIES)}")
    if recipe.zero_shot and needs_data(recipe):
        raise RecipeError('recipe: zero_shot has no samples: use rounding "nearest", bias_correction "none" or "analytic", no budget, prune by size')
    if recipe.samples < 1 or any((size or 1) < 1 for size in (recipe.group_size, *(layer.group_size for layer in recipe.layers.values()))):
        raise RecipeError("recipe: samples and group_size must be at least 1")
    if recipe.input_range is not None and not recipe.input_range[0] < recipe.input_range[1]:
        raise RecipeError(f"recipe: input_range = {list(recipe.input_range)} is empty")
    if len(recipe.budget) > 1:
        raise RecipeError(f"recipe: one budget at a time, not {', '.join(recipe.budget)}")
    if not all(abs(limit) < float("inf") for limit in recipe.budget.values()):
        raise RecipeError(f"recipe: a budget is a number, not {next(iter(recipe.budget.values()))}")
    unknown = set(recipe.budget) - {"bits", "bytes", "latency_ms"}
    if unknown:
        raise RecipeError(f"recipe: unknown budget {', '.join(sorted(unknown))}; there are bits, bytes, latency_ms")
    return recipe
