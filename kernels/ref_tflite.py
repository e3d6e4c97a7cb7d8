"""The arithmetic of imported TensorFlow Lite operators, normative, in NumPy int64: elementwise ones here, the others in ref_tflite_*.py.

Same rules as ref.py. Numbers in parentheses are sections of SPEC_tflite.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .ref_tflite_fixed import scale31, shift_right, wrap32

Array = npt.NDArray[Any]


def tfl_lut(x: Array, table: Array) -> Array:
    """(T2): any function of one 8-bit or 16-bit value; the table is indexed by the raw bits."""
    return table[x.view(np.uint16 if x.itemsize == 2 else np.uint8)]


def tfl_rescale(x: Array, *, x_zero_point: int, y_zero_point: int, multiplier: int, shift: int, lo: int, hi: int, y_dtype: str) -> Array:
    """(T3): QUANTIZE of a 32-bit input or to a wider type."""
    y = scale31(x.astype(np.int64) - x_zero_point, multiplier, shift) + y_zero_point
    return np.clip(y, lo, hi).astype(y_dtype)


def tfl_add(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, left: int, m1: int, s1: int, m2: int, s2: int,
    multiplier: int, shift: int, sign: int, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(T6): both differences shifted left and scaled to a common scale, added or subtracted, scaled to the output."""
    x = scale31((a.astype(np.int64) - a_zero_point) << left, m1, s1)
    y = scale31((b.astype(np.int64) - b_zero_point) << left, m2, s2)
    return np.clip(scale31(x + sign * y, multiplier, shift) + y_zero_point, lo, hi).astype(a.dtype)


def tfl_add_pot(a: Array, b: Array, *, shift_a: int, shift_b: int, sign: int, lo: int, hi: int) -> Array:
    """(T6): 16-bit tensors with power-of-two scales: a rounding shift of one operand, a saturating sum."""
    total = shift_right(a, shift_a) + sign * shift_right(b, shift_b)
    return np.clip(np.clip(total, -32768, 32767), lo, hi).astype(np.int16)


def tfl_mul(a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, multiplier: int, shift: int, lo: int, hi: int) -> Array:
    """(T7): 16-bit product, two roundings."""
    acc = (a.astype(np.int64) - a_zero_point) * (b.astype(np.int64) - b_zero_point)
    return np.clip(scale31(acc, multiplier, shift) + y_zero_point, lo, hi).astype(a.dtype)


def tfl_squared_difference(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, m1: int, s1: int, m2: int, s2: int,
    multiplier: int, shift: int, lo: int, hi: int,
) -> Array:  # fmt: skip
    """(T8)"""
    d = scale31((a.astype(np.int64) - a_zero_point) << 7, m1, s1) - scale31((b.astype(np.int64) - b_zero_point) << 7, m2, s2)
    return np.clip(scale31(d * d, multiplier, shift) + y_zero_point, lo, hi).astype(a.dtype)


def tfl_prelu(
    a: Array, b: Array, *, a_zero_point: int, b_zero_point: int, y_zero_point: int, m1: int, s1: int, m2: int, s2: int, lo: int, hi: int
) -> Array:
    """(T9)"""
    x = a.astype(np.int64) - a_zero_point
    negative = scale31(x * (b.astype(np.int64) - b_zero_point), m2, s2)
    return np.clip(np.where(x >= 0, scale31(x, m1, s1), negative) + y_zero_point, lo, hi).astype(a.dtype)


INTEGER: dict[str, Callable[..., Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "squared_difference": lambda a, b: (a - b) * (a - b),
    "maximum": np.maximum,
    "minimum": np.minimum,
}


def tfl_integer(a: Array, b: Array, *, kind: str, lo: int, hi: int) -> Array:
    """(T10): plain integers without scales, modulo 2^32."""
    y = np.clip(wrap32(INTEGER[kind](a.astype(np.int64), b.astype(np.int64))), lo, hi)
    return np.asarray(y).astype(a.dtype)
