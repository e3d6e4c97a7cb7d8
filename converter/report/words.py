"""What a report says: the layers that hurt most, why, and what to try."""

from __future__ import annotations

from ..compare import LayerError
from .gather import SOURCES, Facts

ADVICE = {
    "weight rounding": 'give its weights more bits (keep_int8 = ["{layer}"]), or round them better (rounding = "gptq_cd")',
    "activation rounding": "its input has a wide range for few values: try the calibrator \"mse\" or \"percentile\", or steps = [\"equalize\"]",
    "clipping": "values of its input lie outside the range that was chosen: try the calibrator \"minmax\", or more calibration data",
    "requantization": "its output has a wide range for few values: try the calibrator \"mse\" or \"percentile\" for it",
}


def worst(facts: Facts, count: int = 3) -> list[tuple[LayerError, str, str]]:
    """The `count` layers with most noise of their own: the row, what causes it, what to try."""
    splits = {split.layer: split.shares for split in facts.splits}
    result = []
    for row in facts.comparison.worst(count):
        shares = splits.get(row.layer)
        if shares is None or max(shares) == 0:
            cause, advice = "rounding of its output", ADVICE["requantization"]
        else:
            source = SOURCES[shares.index(max(shares))]
            cause, advice = f"{source} ({max(shares):.0%} of its error)", ADVICE[source].format(layer=row.layer)
        result.append((row, cause, advice))
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
