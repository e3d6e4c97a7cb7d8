"""ADD, SUB, MUL, SQUARED_DIFFERENCE, MAXIMUM, MINIMUM and PRELU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import quantize_multiplier


def output_shape(im: Importer, op: OperatorInfo) -> tuple[int, ...]:
    """The shapes of both operands, broadcast. Raises Refusal where they do not fit."""
    a, b = im.shape(op.inputs[0]), im.shape(op.inputs[1])
    try:
        return tuple(np.broadcast_shapes(a, b))
    except ValueError:
        raise Refusal(f"shapes {a} and {b} do not broadcast") from None


def same_types(im: Importer, op: OperatorInfo, *allowed: str) -> str:
    """The common dtype of operands and output. Raises Refusal for a mixture or a dtype that is not allowed."""
    dtypes = {im.info(i).dtype for i in (*op.inputs[:2], op.outputs[0])}
    if len(dtypes) > 1 or not dtypes <= set(allowed):
        raise Refusal(f"operands and output are {', '.join(sorted(dtypes))}")
    return dtypes.pop()


def power_of_two(scale: float) -> int | None:
    """log2 of a scale that is a power of two to within 1e-3 in the exponent, else None."""
    if scale <= 0:
        return None
    exact = math.log(scale) * (1 / math.log(2))
    return round(exact) if abs(exact - round(exact)) < 1e-3 else None


def sums(im: Importer, op: OperatorInfo, sign: int) -> None:
    """ADD and SUB (T6): both inputs shifted left, scaled to a common scale, added, scaled to the output."""
    dtype = same_types(im, op, "int8", "uint8", "int16", "int32")
    a, b = op.inputs[0], op.inputs[1]
    shape = output_shape(im, op)
    if dtype == "int32":
        plain_integers(im, op, "sub" if sign < 0 else "add", shape)
        return
    scales = [im.scale(a), im.scale(b)]
    out = im.scale(op.outputs[0])
    if min(scales) <= 0 or out <= 0:
        raise Refusal("a scale is zero")
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    logs = [power_of_two(s) for s in (*scales, out)]
    if dtype == "int16" and op.option("PotScaleInt16", True) and None not in logs:
        shifts = [logs[0] - logs[2], logs[1] - logs[2]]  # type: ignore[operator]
        if max(shifts) > 0 or 0 not in shifts:
            raise Refusal(f"power-of-two scales {scales} for the output's {out}")
        attrs: dict[str, Any] = {"shift_a": -shifts[0], "shift_b": -shifts[1], "sign": sign, "lo": lo, "hi": hi}
        im.emit("tfl_add_pot", [im.x(a), im.x(b)], im.output(op, shape=shape), **attrs)
        return
    left = 15 if dtype == "int16" else 20
    twice = 2 * max(scales)
    (m1, s1), (m2, s2) = quantize_multiplier(scales[0] / twice), quantize_multiplier(scales[1] / twice)
    m, s = quantize_multiplier(twice / ((1 << left) * out))
    if s > 0 and sign > 0:
        raise Refusal(f"input scales {scales} are too large for the output scale {out}")
    attrs = {"left": left, "m1": m1, "s1": s1, "m2": m2, "s2": s2, "multiplier": m, "shift": s, "sign": sign, "lo": lo, "hi": hi}
    im.emit("tfl_add", [im.x(a), im.x(b)], im.output(op, shape=shape), **attrs)


def plain_integers(im: Importer, op: OperatorInfo, kind: str, shape: tuple[int, ...]) -> None:
    """int32 arithmetic without scales."""
    lo, hi = -(2**31), 2**31 - 1
    if op.option("FusedActivationFunction") or im.quantized(op.inputs[0]):
        raise Refusal("int32 operands with scales or with an activation")
    im.emit("tfl_integer", [im.x(op.inputs[0]), im.x(op.inputs[1])], im.output(op, shape=shape), kind=kind, lo=lo, hi=hi)


def add(im: Importer, op: OperatorInfo) -> None:
    sums(im, op, 1)


def sub(im: Importer, op: OperatorInfo) -> None:
    sums(im, op, -1)


def mul(im: Importer, op: OperatorInfo) -> None:
    """(T7): the product of the differences, two roundings."""
    dtype = same_types(im, op, "int8", "uint8", "int16", "int32")
    a, b = op.inputs[0], op.inputs[1]
    shape = output_shape(im, op)
    if dtype == "int32":
        plain_integers(im, op, "mul", shape)
        return
    s1, s2, out = im.scale(a), im.scale(b), im.scale(op.outputs[0])
    if out <= 0:
        raise Refusal("the output has no scale")
    scale = s1 * s2 / out if im.numerics == "tflm" else float(np.float32(s1) * np.float32(s2) / np.float32(out))
    multiplier, shift = quantize_multiplier(scale)
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    kind, extra = ("mul", {"rounding": "q31_double"}) if dtype != "int16" else ("tfl_mul", {})
    im.emit(kind, [im.x(a), im.x(b)], im.output(op, shape=shape), multiplier=multiplier, shift=shift, lo=lo, hi=hi, **extra)


def squared_difference(im: Importer, op: OperatorInfo) -> None:
    """(T8)"""
    dtype = same_types(im, op, "int8", "int32")
    a, b = op.inputs[0], op.inputs[1]
    shape = output_shape(im, op)
    if dtype == "int32":
        plain_integers(im, op, "squared_difference", shape)
        return
    s1, s2, out = im.scale(a), im.scale(b), im.scale(op.outputs[0])
    if min(s1, s2, out) <= 0:
        raise Refusal("a scale is zero")
    twice = 2 * max(s1, s2)
    (m1, e1), (m2, e2) = quantize_multiplier(s1 / twice), quantize_multiplier(s2 / twice)
    m, e = quantize_multiplier(twice * twice / float(np.float32(1 << 14) * np.float32(out)))
    if e > 0:
        raise Refusal(f"the output scale {out} is too small for the inputs' {s1} and {s2}")
    lo, hi = im.clamp(op.outputs[0], 0)
    attrs = {"m1": m1, "s1": e1, "m2": m2, "s2": e2, "multiplier": m, "shift": e, "lo": lo, "hi": hi}
    im.emit("tfl_squared_difference", [im.x(a), im.x(b)], im.output(op, shape=shape), **attrs)


def extremum(im: Importer, op: OperatorInfo, kind: str) -> None:
    """MAXIMUM, MINIMUM: of the raw integers, whatever the scales say."""
    same_types(im, op, "int8", "uint8", "int16", "int32")
    shape = output_shape(im, op)
    im.emit("tfl_integer", [im.x(op.inputs[0]), im.x(op.inputs[1])], im.output(op, shape=shape), kind=kind, lo=-(2**31), hi=2**31 - 1)


def maximum(im: Importer, op: OperatorInfo) -> None:
    extremum(im, op, "maximum")


def minimum(im: Importer, op: OperatorInfo) -> None:
    extremum(im, op, "minimum")


def prelu(im: Importer, op: OperatorInfo) -> None:
    """(T9): a rescale where the input is not negative, else the product with alpha."""
    x, alpha = op.inputs[0], op.inputs[1]
    if im.dtype(x) not in ("int8", "int16") or im.dtype(alpha) != "int8":
        raise Refusal(f"operands are {im.dtype(x)} and {im.dtype(alpha)}")
    s1, s2, out = np.float32(im.scale(x)), np.float32(im.scale(alpha)), np.float32(im.scale(op.outputs[0]))
    if out <= 0:
        raise Refusal("the output has no scale")
    if im.numerics == "tflm":
        identity, product = float(s1) / float(out), float(s1) * float(s2) / float(out)
    else:
        identity, product = float(s1 / out), float(s1 * s2 / out)
    (m1, e1), (m2, e2) = quantize_multiplier(identity), quantize_multiplier(product)
    lo, hi = im.clamp(op.outputs[0], 0)
    attrs = {"m1": m1, "s1": e1, "m2": m2, "s2": e2, "lo": lo, "hi": hi}
    im.emit("tfl_prelu", [im.x(x), im.x(alpha)], im.output(op, shape=output_shape(im, op)), **attrs)
