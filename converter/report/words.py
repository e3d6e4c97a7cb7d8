"""What a report says: the layers that hurt most, why, and what to try."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..compare import LayerError
from .gather import SOURCES, Facts

UNCHANGEABLE = ("Softmax", "Sigmoid", "HardSigmoid")  # the format of probabilities is fixed: there is nothing to try
WIDE = ("Conv", "Linear", "Add", "Sub")  # what can give 16 bits, where it is not an output
RANGES = 'another calibrator ("mse", "percentile")'


def advice(source: str, row: LayerError, recipe: Mapping[str, Any], outputs: Collection[str] = ()) -> str:
    """What to change for a layer whose error comes mainly from `source`, that the recipe does not do already."""
    layer = row.layer
    own = {**recipe, **recipe.get("layers", {}).get(layer, {})}
    careful = own.get("calibrator", "minmax") in ("guarded", "mse", "percentile", "entropy")
    wide = f'layers = {{"{layer}" = {{activations = "int16"}}}}'
    if source == "weight rounding":
        search = "a search with a larger budget" if recipe.get("searched_under") else "a search under a budget"
        better = search if own.get("rounding") == "gptq_cd" else 'better rounding (rounding = "gptq_cd")'
        return f'more bits for its weights (keep_int8 = ["{layer}"]), or {better}' if own.get("weights", "int8") != "int8" else better
    if source == "activation rounding":
        wider = '16 bits for what comes before it (activations = "int16", where that is a layer or a sum)'
        return f"its input has a wide range for few values: {wider if careful else RANGES}, or steps = [\"equalize\"]"
    if source == "clipping":
        return 'values of its input lie outside the range that was chosen: the calibrator "minmax", or more calibration data'
    if not careful:
        return f"its output has a wide range for few values: {RANGES}"
    if row.op not in WIDE or row.tensor in outputs:
        fitted = recipe.get("rounding", "nearest") != "nearest" or row.tensor in outputs
        behind = "layers before it are what can be better" if fitted else 'the recipe "best" makes the layers behind it allow for what is lost'
        return f"its output is as good as 8 bits allow; {behind}"
    return f"its output has a wide range for few values: 16 bits for it ({wide})"


def worst(facts: Facts, count: int = 3) -> list[tuple[LayerError, str, str]]:
    """The `count` layers with most noise of their own: the row, what causes it, what to try."""
    splits = {split.layer: split.shares for split in facts.splits}
    result = []
    rows = [row for row in facts.comparison.worst(len(facts.comparison.layers)) if row.op not in UNCHANGEABLE]
    for row in rows[:count]:
        shares = splits.get(row.layer)
        if shares is None or max(shares) == 0:
            cause, source = "rounding of its output", "requantization"
        else:
            source = SOURCES[shares.index(max(shares))]
            cause = f"{source} ({max(shares):.0%} of its error)"
        result.append((row, cause, advice(source, row, facts.recipe, facts.comparison.outputs)))
    return result


def verdict(facts: Facts) -> str:
    """One sentence."""
    a = facts.comparison.accuracy
    if a.float_accuracy is None or a.integer_accuracy is None:
        return f"The integer network gives the class of the float one on {a.same:.1%} of {a.inputs} inputs."
    lost = a.float_accuracy - a.integer_accuracy
    noise = (a.b + a.c) ** 0.5 / a.inputs
    how = "no more than chance" if lost <= 1.64 * noise else "more than chance explains"
    change = f"Accuracy goes from {a.float_accuracy:.2%} to {a.integer_accuracy:.2%} on {a.inputs} inputs: {how}"
    return f"{change}; the class is the same on {a.same:.1%}."
