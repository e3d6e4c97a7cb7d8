"""Fixed-point functions behind TensorFlow Lite's integer kernels, normative, in NumPy int64. Numbers in parentheses are of SPEC_tflite.md.

A value "Q<m>" is an int32 v that stands for v / 2^(31-m). Facts from gemmlowp's fixed-point library (Jacob and Warden, 2015) and the
TensorFlow Lite 8-bit quantization specification; every function is compared with LiteRT's reference kernels by the tests.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
INT32_MAX = 2**31 - 1

# exp(-2^e) in Q0 for e = -2 .. 4
EXP_FACTORS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def wrap32(x: Array) -> Array:
    """The value modulo 2^32 as a signed number: what a 32-bit register keeps."""
    return ((x + 2**31) & 0xFFFFFFFF) - 2**31


def high_mul(a: Array | int, b: Array | int) -> Array:
    """(F1): a * b / 2^31 to nearest, ties up; the one overflow (both -2^31) saturates."""
    return np.minimum((np.asarray(a, np.int64) * np.asarray(b, np.int64) + 2**30) >> 31, INT32_MAX)


def shift_right(x: Array | int, n: Array | int) -> Array:
    """(F2): x / 2^n to nearest, ties away from zero, n >= 0."""
    x, n = np.asarray(x, np.int64), np.asarray(n, np.int64)
    half = (np.int64(1) << n) >> 1
    return np.where(x >= 0, (x + half) >> n, -((half - x) >> n))


def shift_left(x: Array, n: int) -> Array:
    """(F3): x * 2^n, saturated to int32."""
    return np.clip(np.asarray(x, np.int64) << n, -(2**31), INT32_MAX)


def scale31(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """(F4): TFLite's multiplication by a quantized multiplier: left shift modulo 2^32, (F1), then (F2)."""
    s = np.asarray(shift, np.int64)
    shifted = wrap32(np.asarray(x, np.int64) << np.maximum(s, 0))
    return shift_right(high_mul(shifted, multiplier), np.maximum(-s, 0))


def scale15(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """(F5): the same for 64-bit x, with the multiplier cut to 15 bits and one rounding (ties up)."""
    m, s = np.asarray(multiplier, np.int64), np.asarray(shift, np.int64)
    m = np.where(m < 0x7FFF0000, (m + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - s
    return wrap32((np.asarray(x, np.int64) * m + (np.int64(1) << (total - 1))) >> total)


def scale_float64(x: Array, mantissa: Array, exponent: Array) -> Array:
    """(F14): C's round(x * s) of a float64 product, s = mantissa * 2^exponent with 53 bits, |x| < 2^53, in integers of any width.

    The product is rounded to 53 bits (ties to even), as the multiplication does it, and then to an integer, ties away from zero.
    """

    def one(v: int, m: int, e: int) -> int:
        p = abs(v) * m
        drop = max(p.bit_length() - 53, 0)
        if drop:
            rest, p = p & ((1 << drop) - 1), p >> drop
            half = 1 << (drop - 1)
            p += rest > half or (rest == half and p & 1)
        right = -(e + drop)
        p = min(p << min(-right, 64), 1 << 62) if right <= 0 else (p + (1 << (right - 1))) >> right
        return min(p, 1 << 40) if v >= 0 else -min(p, 1 << 40)

    shape = np.broadcast_shapes(np.shape(x), np.shape(mantissa))
    flat = [np.broadcast_to(a, shape).reshape(-1).tolist() for a in (x, mantissa, exponent)]
    return np.array([one(*t) for t in zip(*flat, strict=True)], np.int64).reshape(shape)


def _wrap(x: Array, width: int) -> Array:
    """The value modulo 2^width as a signed number."""
    half = 1 << (width - 1)
    return ((np.asarray(x, np.int64) + half) & ((1 << width) - 1)) - half


def _high(a: Array | int, b: Array | int, width: int) -> Array:
    """(F1) in registers of `width` bits."""
    p = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    return np.minimum((p + (1 << (width - 2))) >> (width - 1), (1 << (width - 1)) - 1)


def _left(x: Array, n: int, width: int) -> Array:
    """(F3) in registers of `width` bits."""
    most = (1 << (width - 1)) - 1
    return np.clip(np.asarray(x, np.int64) << n, -most - 1, most)


def _constant(value: int, width: int) -> int:
    """A Q0 constant of 32 bits in `width` bits."""
    return int(shift_right(value, 32 - width))


def exp_negative(x: Array, integer_bits: int, width: int = 32) -> Array:
    """(F6): exp of Q<integer_bits> x <= 0, in Q0; exp(0) is the largest number. `width` is 32, or 16 in recurrent layers."""
    x = np.asarray(x, np.int64)
    fraction = width - 1 - integer_bits
    quarter = 1 << (fraction - 2)
    rest = (x & (quarter - 1)) - quarter  # in [-1/4, 0)
    t = _wrap(_left(rest, integer_bits, width) + (1 << (width - 4)), width)  # Q0, around -1/8
    t2 = _high(t, t, width)
    t3, t4 = _high(t2, t, width), _high(t2, t2, width)
    tail = shift_right(_high(shift_right(t4, 2) + t3, _constant(715827883, width), width) + t2, 1)
    centre = _constant(1895147668, width)
    y = np.minimum(centre + _high(centre, t + tail, width), (1 << (width - 1)) - 1)
    remainder = _wrap(rest - x, width)
    for exponent, factor in zip(range(-2, 5), EXP_FACTORS, strict=True):
        if exponent < integer_bits:
            bit = (remainder >> (fraction + exponent)) & 1
            y = np.where(bit == 1, _high(y, _constant(factor, width), width), y)
    if integer_bits > 5:
        y = np.where(x < -(1 << (width + 4 - integer_bits)), 0, y)
    return np.where(x == 0, (1 << (width - 1)) - 1, y)


def _newton(a: Array, width: int) -> Array:
    """x near 2 / (1 + a) in Q2 for a in [0, 1) in Q0, by three Newton-Raphson steps from 48/17 - 32/17 d."""
    half = np.asarray(a, np.int64) + ((1 << (width - 1)) - 1)
    half = np.where(half >= 0, (half + 1) >> 1, -((1 - half) >> 1))
    x = _constant(1515870810, width) + _high(half, _constant(-1010580540, width), width)
    for _ in range(3):
        error = (1 << (width - 3)) - _high(half, x, width)
        x = x + _left(_high(x, error, width), 2, width)
    return x


def one_over_one_plus(a: Array, width: int = 32) -> Array:
    """(F7): 1 / (1 + a) in Q0 for a in [0, 1)."""
    return _left(_newton(a, width), 1, width)


def one_minus_over_one_plus(a: Array, width: int = 32) -> Array:
    """(F8): (1 - a) / (1 + a) in Q0 for a in [0, 1)."""
    return _left(_newton(a, width) - (1 << (width - 3)), 2, width)


def logistic(x: Array, integer_bits: int, width: int = 32) -> Array:
    """(F9): 1 / (1 + exp(-x)) in Q0."""
    x = np.asarray(x, np.int64)
    positive = one_over_one_plus(exp_negative(-np.abs(x), integer_bits, width), width)
    one = (1 << (width - 1)) - 1
    return np.where(x == 0, 1 << (width - 2), np.where(x > 0, positive, one - positive))


def tanh(x: Array, integer_bits: int, width: int = 32) -> Array:
    """(F10): tanh in Q0."""
    x = np.asarray(x, np.int64)
    t = one_minus_over_one_plus(exp_negative(-np.abs(x), integer_bits + 1, width), width)
    return np.where(x == 0, 0, np.where(x < 0, -t, t))


def leading_zeros(x: Array) -> Array:
    """Of 32-bit unsigned values; 32 for 0."""
    return 32 - np.ceil(np.log2(np.asarray(x, np.float64) + 1)).astype(np.int64)


def reciprocal(x: Array, integer_bits: int) -> tuple[Array, Array]:
    """(F11): (r, e) with 1 / x near r * 2^(-31-e) for Q<integer_bits> x > 0."""
    x = np.asarray(x, np.int64)
    headroom = leading_zeros(x)
    return one_over_one_plus((x << headroom) - (1 << 31)), integer_bits - headroom


def inverse_sqrt(x: Array | int) -> tuple[int, int]:
    """(F12): (multiplier, shift) with 1 / sqrt(x) near multiplier * 2^(-31-shift) for one integer x >= 0; shift is to the right."""
    value = int(x)
    if value <= 1:
        return INT32_MAX, 0
    shift = 11
    while value >= 1 << 29:
        value //= 4
        shift += 1
    pairs = (32 - value.bit_length() - 1) // 2 - 1
    shift -= pairs
    value <<= 2 * pairs
    v = value >> 1  # Q3
    half = shift_right(v, 1)
    y = np.asarray(1 << 28, np.int64)
    for _ in range(5):
        cube = shift_left(high_mul(high_mul(y, y), y), 6)
        y = shift_left(high_mul((1 << 28) + (1 << 27), y) - high_mul(half, cube), 3)
    y = high_mul(y, 1518500250)
    result = int(y)
    if shift < 0:
        result, shift = int(wrap32(np.int64(result << -shift))), 0
    return result, shift


def log_of_at_least_one(x: Array, integer_bits: int, out_bits: int) -> Array:
    """(F13): log(x) for Q<integer_bits> x >= 1, in Q<out_bits>; a rational function around a power of two times 2^(1/4)."""
    x = np.asarray(x, np.int64)
    acc_bits = out_bits + 1
    fraction = 31 - acc_bits
    quarter = shift_right(536870912, acc_bits)
    zeros = leading_zeros(x)
    r_a = np.clip(high_mul(np.clip(x << (zeros - 1), -(2**31), INT32_MAX), 1518500250) << 1, -(2**31), INT32_MAX)
    power_a = np.clip(np.clip((integer_bits - zeros) << fraction, -(2**31), INT32_MAX) + quarter, -(2**31), INT32_MAX)
    zeros_b = leading_zeros(high_mul(x, 1518500250)) - 1
    r_b = np.clip(x << zeros_b, -(2**31), INT32_MAX)
    power_b = np.clip(np.clip((integer_bits - zeros_b) << fraction, -(2**31), INT32_MAX) - quarter, -(2**31), INT32_MAX)
    r, power = np.minimum(r_a, r_b), np.maximum(power_a, power_b)
    centre = 1805811301
    p = (r + centre + 1) >> 1
    q = 2 * (r - centre)
    square = high_mul(q, q)
    numerator = high_mul(q, r) + high_mul(high_mul(q, square), 117049297)
    denominator = high_mul(p, 1057819769 + q + high_mul(127690142, square)) + high_mul(638450708, q)
    result = high_mul(power, 1488522236) + high_mul(shift_right(numerator, acc_bits), one_over_one_plus(denominator))
    return shift_left(wrap32(result), acc_bits - out_bits)
