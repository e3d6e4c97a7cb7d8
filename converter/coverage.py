"""The operators that each importer takes, generated from its registrations: what `intq ops` prints and docs/coverage.md lists."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

CONSTANT = "folded: its inputs must be constant once the shapes are known"
FOLDED = {
    "BatchNormalization": "inference form; folded into the layer before or after it, else a depthwise product",
    "Constant": CONSTANT,
    "ConstantOfShape": CONSTANT,
    "Shape": CONSTANT,
    "Size": CONSTANT,
    "Range": CONSTANT,
    "Gemm": "constant weights, int8 per output channel, int32 bias",
    "MatMul": "constant weights (int8 per output channel) on the right, or two activations",
    "ConvTranspose": "constant weights; a convolution per phase, interleaved",
    "Relu": "the clamp of the node before it, else a table",
    "Clip": "constant limits: the clamp of the node before it, else a table",
    "QuantizeLinear": "already quantized models: scales and zero points are kept",
    "DequantizeLinear": "already quantized models: scales and zero points are kept",
}
INSIDE = ("And", "Cast", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Mod", "Not", "Or", "Where", "Xor")
COMPOSITES = {"Linear", "Affine", "Unary", "Requantize", "Standardize"}


def onnx_operators() -> dict[str, str]:
    """Operator -> bits and limits, sorted. Activations are int8, weights int8 per channel, accumulators int32 wherever nothing else is said."""
    from .lower import LOWERINGS
    from .onnx.qoperator import SIMPLE
    from .passes.decompose import RULES
    from .passes.fuse_unary import ELEMENTWISE

    found = dict.fromkeys(ELEMENTWISE, "int8 to int8 by a table of 256 entries, alone or within a larger expression of one tensor and numbers")
    for op, rules in RULES.items():
        also = "of numbers: a table; of tensors: " if op in ELEMENTWISE else ""
        found[op] = f"{also}{_summary(rules[0], 'written with other operators')}"
    found.update({op: _summary(function, "int8") for op, function in LOWERINGS.items() if op not in COMPOSITES})
    for op in INSIDE:
        found[op] = "only within an expression of one tensor and numbers"
    found.update(FOLDED)
    found.update({op: f"already quantized models: as {float_op}" for op, (float_op, _, _) in SIMPLE.items()})
    found["QLinearConcat"] = "already quantized models: as Concat"
    return dict(sorted(found.items()))


def tflite_operators() -> dict[str, str]:
    """Operator of the TensorFlow Lite schema -> what its handler says."""
    handlers: dict[str, Any] = importlib.import_module("intq.converter.tflite").HANDLERS
    return {op: _summary(handler, "int8, bit-exact") for op, handler in sorted(handlers.items())}


def _summary(function: Callable[..., Any], otherwise: str) -> str:
    text = (function.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.split()) or otherwise
