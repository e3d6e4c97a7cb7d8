"""What each importer takes, read off the code: `intq ops` prints it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

COMPOSITES = ("Affine", "Linear", "Unary")  # made by the passes, never in a file
FOLDED = {
    "BatchNormalization": "folded into its neighbours, or a convolution of its own",
    "Constant": "folded",
    "ConstantOfShape": "folded",
    "Dropout": "removed",
    "Identity": "removed",
    "Shape": "folded",
}


def summary(function: Callable[..., Any]) -> str:
    return (function.__doc__ or "").strip().split("\n")[0]


def onnx_operators() -> dict[str, str]:
    """ONNX operator -> what it becomes. Operators whose inputs are all known are folded and need no entry."""
    from .lower import LOWERINGS
    from .passes.fuse_unary import ELEMENTWISE

    found = dict.fromkeys(sorted(ELEMENTWISE), "of one tensor and numbers: a table of 256 entries")
    found |= FOLDED
    for op, function in LOWERINGS.items():
        if op not in COMPOSITES:
            text = summary(function) or f"8-bit integers ({function.__module__.rpartition('.')[2]})"
            found[op] = f"{text}; {found[op]}" if op in found else text
    return dict(sorted(found.items()))


def tflite_operators() -> dict[str, str]:
    """TensorFlow Lite operator -> what it becomes."""
    from .tflite import HANDLERS

    return {op: summary(function) or f"integers ({function.__module__.rpartition('.')[2]})" for op, function in sorted(HANDLERS.items())}
