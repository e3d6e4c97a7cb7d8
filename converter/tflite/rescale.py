"""Real scales to integer multipliers, as TensorFlow Lite's kernels derive them.

Numbers in parentheses are sections of kernels/SPEC_tflite.md.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import UnsupportedError

Array = npt.NDArray[Any]


def quantize_multiplier(scale: float) -> tuple[int, int]:
    """(M, shift) with scale near M * 2^(shift - 31): the fraction to 31 bits, ties away from zero; tiny scales become 0. Signs pass through."""
    if scale == 0:
        return 0, 0
    if not math.isfinite(scale):
        raise UnsupportedError(f"the scale {scale} is not finite")
    fraction, shift = math.frexp(scale)
    multiplier = int(math.copysign(math.floor(abs(fraction) * 2**31 + 0.5), fraction))
    if abs(multiplier) == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 31:
        raise UnsupportedError(f"the scale {scale} is above 2^31")
    return multiplier, shift


def quantize_multipliers(scales: Array) -> tuple[Array, Array]:
    """The same for an array: int32 multipliers and shifts."""
    pairs = [quantize_multiplier(float(s)) for s in np.atleast_1d(scales)]
    return np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.int32)


def round_away(x: Array) -> Array:
    """C's round(): to nearest, ties away from zero, exactly."""
    whole = np.trunc(x)
    return np.asarray(whole + np.where(np.abs(x - whole) >= 0.5, np.sign(x), 0))


@functools.lru_cache(maxsize=4096)
def exact_single(scale: float, lo: int, hi: int, bound: int) -> tuple[int, int] | None:
    """(M, shift) whose `q31_single` equals C's round(acc * scale) in float64 for every |acc| <= bound once clamped to [lo, hi], or None.

    Both are monotonic in acc, so it is enough to compare them at the two accumulators on each side of every step. LiteRT's reference
    FULLY_CONNECTED rounds in float64 (T4); a multiplier a little above the scale makes one integer rounding break its ties away from zero.
    """
    multiplier, shift = quantize_multiplier(scale)
    if multiplier == 0:
        return (0, 0) if abs(bound * scale) < 0.5 or lo == hi == 0 else None
    if shift > 30:
        return None
    steps = np.arange(lo + 1, hi + 1, dtype=np.int64)  # the output reaches `step` at accumulator `first`
    first = np.ceil((steps - 0.5) / scale).astype(np.float64)
    for _ in range(8):
        lower = round_away((first - 1) * scale) >= steps
        higher = round_away(first * scale) < steps
        if not (lower.any() or higher.any()):
            break
        first = first - lower + higher
    else:
        return None
    above = np.clip(first, -bound, bound + 1).astype(np.int64)
    below = above - 1
    total = 31 - shift
    half = 1 << (total - 1)
    for candidate in (multiplier + d for d in (1, 0, 2, -1, 3, -2)):
        reaches = ((above * candidate + half) >> total >= steps) | (above > bound)
        waits = ((below * candidate + half) >> total < steps) | (below < -bound)
        if 2**30 <= candidate < 2**31 and (reaches & waits).all():
            return candidate, shift
    return None


def activation_range(activation: int, scale: float, zero_point: int, lo: int, hi: int) -> tuple[int, int]:
    """The clamp of a fused activation (schema numbers), in float32 as the runtime does it. Raises UnsupportedError for TANH and SIGN_BIT."""
    at = lambda value: int(round_away(np.float32(value) / np.float32(scale))) + zero_point  # noqa: E731
    if activation == 0:
        return lo, hi
    if activation == 1:
        return max(lo, at(0)), hi
    if activation == 2:
        return max(lo, at(-1)), min(hi, at(1))
    if activation == 3:
        return max(lo, at(0)), min(hi, at(6))
    raise UnsupportedError(f"fused activation number {activation}")
