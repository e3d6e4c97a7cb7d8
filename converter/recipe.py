"""Recipes: how a network is quantized, as data. A recipe names a base and what differs from it; unknown keys are errors."""

from __future__ import annotations

import fnmatch
import importlib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ..errors import RecipeError
from .calibrators import CALIBRATORS

WEIGHTS = {"int8": 8, "int4": 4, "int2": 2}
ACTIVATIONS = ("int8",)
ROUNDINGS: tuple[str, ...] = ("nearest",)
STEPS: tuple[str, ...] = ()


class Layer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """What one layer, or those a pattern matches, does differently; None means: as the recipe says."""

    weights: str | None = None
    activations: str | None = None
    calibrator: str | None = None
    rounding: str | None = None


class Recipe(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """A complete recipe.

    `steps` are rewrites of the float network or its weights, in order; `keep_int8` names layers (exact, a pattern with * or ?,
    "first", "last") whose weights stay int8; `layers` maps patterns to overrides, the last match wins; `budget` starts a search.
    """

    base: str = "custom"
    weights: str = "int8"
    activations: str = "int8"
    calibrator: str = "minmax"
    rounding: str = "nearest"
    steps: tuple[str, ...] = ()
    keep_int8: tuple[str, ...] = ()
    budget: dict[str, float] = {}
    layers: dict[str, Layer] = {}

    def layer(self, name: str, position: int, count: int) -> Layer:
        """The settings of the weighted layer `name`, number `position` of `count`, with nothing left open."""
        chosen = Layer(weights=self.weights, activations=self.activations, calibrator=self.calibrator, rounding=self.rounding)
        for pattern, override in self.layers.items():
            if matches(pattern, name, position, count):
                given = {field: value for field in chosen.__struct_fields__ if (value := getattr(override, field)) is not None}
                chosen = msgspec.structs.replace(chosen, **given)
        if any(matches(pattern, name, position, count) for pattern in self.keep_int8):
            chosen = msgspec.structs.replace(chosen, weights="int8")
        return chosen

    def describe(self) -> dict[str, Any]:
        """Plain data, as stored in the model file."""
        return typing.cast("dict[str, Any]", msgspec.to_builtins(self))


def matches(pattern: str, name: str, position: int, count: int) -> bool:
    if pattern == "first":
        return position == 0
    if pattern == "last":
        return position == count - 1
    return fnmatch.fnmatchcase(name, pattern)


BASES: dict[str, Recipe] = {
    "fast": Recipe(base="fast"),
    "balanced": Recipe(base="balanced"),
    "best": Recipe(base="best"),
}


def load(recipe: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
    """A recipe from its name, a TOML file, a dict or itself. Raises `RecipeError`."""
    if isinstance(recipe, Recipe):
        return check(recipe)
    if isinstance(recipe, str) and recipe in BASES:
        return BASES[recipe]
    if isinstance(recipe, (str, Path)):
        recipe = _read(Path(recipe))
    base = recipe.get("base", "balanced")
    if base not in BASES:
        raise RecipeError(f"unknown base recipe {base!r}; there are {', '.join(BASES)}")
    try:
        return check(msgspec.convert({**BASES[base].describe(), **recipe}, Recipe))
    except msgspec.ValidationError as error:
        raise RecipeError(f"recipe: {error}") from error


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


def check(recipe: Recipe) -> Recipe:
    """Every value names something that exists. Raises `RecipeError` with the choices."""
    tables: dict[str, tuple[str, ...]] = {
        "weights": tuple(WEIGHTS),
        "activations": ACTIVATIONS,
        "calibrator": tuple(CALIBRATORS),
        "rounding": ROUNDINGS,
    }
    for place, settings in [("recipe", recipe), *((f"recipe, layers {key!r}", value) for key, value in recipe.layers.items())]:
        for key, choices in tables.items():
            value = getattr(settings, key)
            if value is not None and value not in choices:
                raise RecipeError(f"{place}: {key} = {value!r}; there are {', '.join(choices)}")
    for step in recipe.steps:
        if step not in STEPS:
            raise RecipeError(f"recipe: unknown step {step!r}; there are {', '.join(STEPS) or 'none'}")
    unknown = set(recipe.budget) - {"bits", "bytes", "latency_ms"}
    if unknown:
        raise RecipeError(f"recipe: unknown budget {', '.join(sorted(unknown))}; there are bits, bytes, latency_ms")
    return recipe
