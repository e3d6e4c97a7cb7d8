"""Real scales to fixed point: the (multiplier, shift) pairs of SPEC 3. Runs at conversion, never at inference.

`shift` is an exponent, positive to the left, as in TFLite.
"""

from __future__ import annotations

import math

import numpy as np

from ..errors import InputError


def q15_params(scale: float) -> tuple[int, int]:
    """(M, shift) with 64 * scale = M * 2^(shift - 15) up to rounding of M, M in [2^14, 2^15). SPEC (3.2).

    Scales under 2^-38 (whose outputs are 0 for every int32) are raised to it. Raises InputError for a scale that is not positive and finite.
    """
    if not (scale > 0 and math.isfinite(scale)):
        raise InputError(f"scale {scale!r} is not positive and finite")
    fraction, exponent = math.frexp(max(scale, 2.0**-38) * 64)
    multiplier = round(fraction * 32768)
    if multiplier == 32768:
        multiplier, exponent = 16384, exponent + 1
    return multiplier, exponent


def q31_params(scale: float) -> tuple[int, int]:
    """(M, shift) with scale = M * 2^(shift - 31), M in [2^30, 2^31), or (0, 0) for zero; the rule of TFLite's QuantizeMultiplier.

    Source: "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (Jacob et al. 2018), section 2.2.
    """
    if scale == 0:
        return 0, 0
    if not (scale > 0 and math.isfinite(scale)):
        raise InputError(f"scale {scale!r} is not positive and finite")
    fraction, shift = math.frexp(scale)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = multiplier // 2, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return 2**31 - 1, 30
    return multiplier, shift


def shift_params(scale: float) -> tuple[int, int]:
    """(1, shift) for a scale that is a power of two at most 1, for the rounding `shift`."""
    fraction, exponent = math.frexp(scale)
    if fraction != 0.5 or exponent > 1:
        raise InputError(f"scale {scale!r} is not a power of two at most 1")
    return 1, exponent - 1


PARAMS = {"q15": q15_params, "q31_single": q31_params, "q31_double": q31_params, "i64_15": q31_params, "shift": shift_params}


def requantize_params(scales: np.ndarray | list[float] | float, rounding: str) -> tuple[np.ndarray, np.ndarray]:
    """Arrays (multiplier int32, shift int32), one entry per scale."""
    pairs = [PARAMS[rounding](float(s)) for s in np.atleast_1d(np.asarray(scales, np.float64))]
    return np.array([p[0] for p in pairs], np.int32), np.array([p[1] for p in pairs], np.int32)


def add_params(scale_a: float, scale_b: float, scale_y: float) -> tuple[int, int, int]:
    """(m1, m2, shift) of SPEC 5: the larger factor uses 15 bits, both share the exponent. shift is a right shift in 1..31."""
    factors = (scale_a / scale_y, scale_b / scale_y)
    _, exponent = math.frexp(max(abs(f) for f in factors))
    shift = min(15 - exponent, 22)  # m up to 2^15, differences up to 2^8: sums stay below 2^24, and 2^(shift-1) is added
    if shift < 1:
        raise InputError(f"the inputs of an addition have scales {factors} times that of its output: at most 2^14 is possible")
    m1, m2 = (min(round(f * 2**shift), 32767) for f in factors)
    return m1, m2, shift
