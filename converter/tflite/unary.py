"""Operators on single values, tabulated over every input: ABS, NEG, RSQRT, LOGISTIC, TANH, RELU*, LEAKY_RELU, ELU, HARD_SWISH, GELU, EXP.

Many of these kernels build their own table in float32 when a model is prepared; the same table is made here, once, with every float32
function rounded correctly (the double result, rounded). Sections (T13) to (T17) of kernels/SPEC_tflite.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kernels import ref_tflite_fixed as fixed
from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import quantize_multiplier, round_away

Array = npt.NDArray[Any]
F32 = np.float32
INFINITY = float("inf")


def prepare(im: Importer, op: OperatorInfo, *allowed: str) -> tuple[int, int, str]:
    """(input, output, output tensor) after the types are checked."""
    x, y = op.inputs[0], op.outputs[0]
    dtypes = (im.info(x).dtype, im.info(y).dtype)
    if dtypes[0] != dtypes[1] or dtypes[0] not in allowed:
        raise Refusal(f"input {dtypes[0]}, output {dtypes[1]}")
    if im.quantized(y) and im.scale(y) <= 0:
        raise Refusal("the output has no scale")
    return x, y, im.output(op, shape=im.shape(x))


def zero_points(im: Importer, x: int, y: int) -> tuple[int, int]:
    """The zero points of the file, which `tabulate` works with."""
    return im.zero_point(x) + im.offset(x), im.zero_point(y) + im.offset(y)


def correctly(fn: Callable[[float], float]) -> Callable[[Array], Array]:
    """A float32 function of float32 values: the double result, rounded."""

    def apply(v: Array) -> Array:
        with np.errstate(over="ignore"):
            return np.array([fn(float(t)) for t in v.reshape(-1)], np.float64).astype(F32).reshape(v.shape)

    return apply


def exp64(v: float) -> float:
    return math.exp(v) if v < 700 else INFINITY


def float_table(im: Importer, op: OperatorInfo, fn: Callable[[Array], Array], *allowed: str) -> None:
    """(T13) for 8-bit and (T14) for 16-bit tensors: `fn` works on float32 arrays."""
    x, y, out = prepare(im, op, *allowed)
    zx, zy = zero_points(im, x, y)
    s_in, s_out = F32(im.scale(x)), F32(im.scale(y))
    if im.dtype(x) == "int16":
        base = interpolation_table(fn, s_in, zx, s_out, zy)
        im.tabulate(x, y, lambda v: look_up(base, v), out)
        return

    def whole(v: Array) -> Array:
        real = s_in * (v - zx).astype(F32)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = round_away(fn(real) * (F32(1) / s_out)).astype(F32) + F32(zy)
        return np.clip(np.nan_to_num(scaled.astype(np.float64), posinf=2.0**31, neginf=-(2.0**31)), -(2**31), 2**31).astype(np.int64)

    im.tabulate(x, y, whole, out)


def interpolation_table(fn: Callable[[Array], Array], s_in: Any, zx: int, s_out: Any, zy: int, real: Any = F32) -> Array:
    """(T14): 513 samples over the 16-bit range, each moved by half the error in the middle of its step."""
    with np.errstate(over="ignore", invalid="ignore"):  # a function that overflows
        return _interpolation_table(fn, s_in, zx, s_out, zy, real)


def _interpolation_table(fn: Callable[[Array], Array], s_in: Any, zx: int, s_out: Any, zy: int, real: Any) -> Array:
    s_in, s_out = real(s_in), real(s_out)
    low, high = s_in * real(-32768 - zx), s_in * real(32767 - zx)
    step = (high - low) / real(512)
    half = step / real(2)
    inverse = real(65536) / (s_out * real(32767 - zy) - s_out * real(-32768 - zy))
    i = np.arange(512).astype(real)
    value, middle, after = fn(low + i * step), fn(low + i * step + half), fn(low + (i + real(1)) * step)
    rounded = lambda v: round_away(v).astype(real)  # noqa: E731
    sample = rounded(value * inverse)
    between = rounded((after * inverse + sample) / real(2))
    bias = rounded((between - rounded(middle * inverse)) / real(2))
    last = rounded(fn(np.array([high], real)) * inverse)
    samples = np.nan_to_num(np.concatenate([sample - bias, last]), nan=0.0)  # the kernel's cast makes 0 of it
    return np.clip(samples, -32768, 32767).astype(np.int64)


def look_up(base: Array, v: Array) -> Array:
    """(T14): the high 9 bits choose a sample, the low 7 interpolate; differences are kept to 16 bits."""
    index = 256 + (v >> 7)
    slope = (base[index + 1] - base[index]).astype(np.int16).astype(np.int64)
    return (base[index] + ((slope * (v & 127) + 64) >> 7)).astype(np.int16).astype(np.int64)


# ----- rectifiers (T15) -----


def clamped(im: Importer, op: OperatorInfo, low: float, high: float) -> None:
    x, y, out = prepare(im, op, "int8", "uint8", "int16")
    zx, zy = zero_points(im, x, y)
    s_in, s_out = F32(im.scale(x)), F32(im.scale(y))
    multiplier, shift = quantize_multiplier(float(s_in / s_out))
    lo = zy + int(round_away(F32(low) / s_out))
    hi = 2**31 - 1 if high == INFINITY else zy + int(round_away(F32(high) / s_out))
    im.tabulate(x, y, lambda v: np.minimum(np.maximum(fixed.scale31(v - zx, multiplier, shift) + zy, lo), hi), out)


def relu(im: Importer, op: OperatorInfo) -> None:
    clamped(im, op, 0, INFINITY)


def relu6(im: Importer, op: OperatorInfo) -> None:
    clamped(im, op, 0, 6)


def relu_n1_to_1(im: Importer, op: OperatorInfo) -> None:
    clamped(im, op, -1, 1)


def relu_0_to_1(im: Importer, op: OperatorInfo) -> None:
    clamped(im, op, 0, 1)


def leaky_relu(im: Importer, op: OperatorInfo) -> None:
    x, y, out = prepare(im, op, "int8", "uint8", "int16")
    zx, zy = zero_points(im, x, y)
    s_in, s_out, alpha = F32(im.scale(x)), F32(im.scale(y)), F32(op.option("Alpha"))
    if not np.isfinite(alpha):
        raise Refusal(f"alpha is {alpha}")
    m1, e1 = quantize_multiplier(float(s_in / s_out))
    m2, e2 = quantize_multiplier(float(s_in * alpha / s_out))
    sign = -1 if m2 < 0 else 1
    below = lambda v: sign * fixed.scale31(v, abs(m2), e2)  # noqa: E731
    im.tabulate(x, y, lambda v: np.where(v >= zx, fixed.scale31(v - zx, m1, e1), below(v - zx)) + zy, out)


def hard_swish(im: Importer, op: OperatorInfo) -> None:
    """(T16): 16-bit fixed point."""
    x, y, out = prepare(im, op, "int8", "uint8")
    zx, zy = zero_points(im, x, y)
    fine = F32(1 / 128) * F32(im.scale(x))
    m_out, e_out = quantize_multiplier(float(fine / F32(im.scale(y))))
    m_relu, e_relu = quantize_multiplier(float(fine / (F32(3) / F32(32768))))
    if e_out > 0:
        raise Refusal("the input scale is more than 128 times the output scale")
    short = lambda m: 32767 if m >= 2**31 - 2**15 else (m + 2**15) >> 16  # noqa: E731
    sat = lambda v: np.clip(v, -32768, 32767)  # noqa: E731
    high16 = lambda a, b: np.where((a == -32768) & (b == -32768), 32767, (a * b + 2**14) >> 15)  # noqa: E731

    def whole(v: Array) -> Array:
        hires = (v - zx) << 7
        scaled = high16(hires, np.int64(short(m_out)))
        r = sat(hires << max(e_relu - 1, 0))
        r = high16(r, np.int64(short(m_relu)))
        r = sat(r << 1) if e_relu > 0 else fixed.shift_right(r, -e_relu)
        r = (r + 32768) >> 1
        product = r * scaled
        product = np.sign(product) * (np.abs(product) >> 15)
        return fixed.shift_right(product, -e_out) + zy

    im.tabulate(x, y, whole, out)


# ----- smooth functions -----


def logistic(im: Importer, op: OperatorInfo) -> None:
    sigmoid_like(im, op, correctly(lambda v: 1.0 / (1.0 + exp64(-v))), False)


def tanh(im: Importer, op: OperatorInfo) -> None:
    sigmoid_like(im, op, correctly(math.tanh), True)


def sigmoid_like(im: Importer, op: OperatorInfo, fn: Callable[[Array], Array], is_tanh: bool) -> None:
    if im.dtype(op.inputs[0]) == "int16":
        sigmoid16(im, op, is_tanh)
    elif im.numerics == "tflm":
        sigmoid_fixed(im, op, is_tanh)
    elif is_tanh:
        float_table(im, op, fn, "int8", "uint8")
    else:  # 1 / (1 + exp(-v)) in float32, operation by operation
        exp32 = correctly(exp64)
        float_table(im, op, lambda v: F32(1) / (F32(1) + exp32(-v)), "int8", "uint8")


def sigmoid_samples() -> Array:
    """65536 * sigmoid(i / 24) for i < 256, each moved by half the error of interpolating linearly behind it; the last one is full scale."""
    f = lambda i: 65536 / (1 + np.exp(-i / 24))  # noqa: E731
    i = np.arange(256)
    samples = np.floor(f(i) + (f(i + 0.5) - (f(i) + f(i + 1)) / 2) / 2 + 0.5).astype(np.int64)
    samples[255] = 65535
    return samples


SIGMOID = sigmoid_samples()


def sigmoid16(im: Importer, op: OperatorInfo, is_tanh: bool) -> None:
    """(T17): 16-bit logistic and tanh through 256 samples of the sigmoid."""
    x, y, out = prepare(im, op, "int16")
    scale = im.scale(x)
    log2 = round(math.log2(scale)) if scale > 0 else 0
    exact = scale > 0 and abs(math.log2(scale) - log2) < 1e-3
    left = 12 + log2
    if exact and (left == 0 or (is_tanh and left == 1)):
        multiplier, right = 3 << left, 0
    else:
        real, right = scale * 4096.0 * 3.0, 0
        while real <= 32767.0 / 2.0 and right <= 30:
            right += 1
            real *= 2.0
        multiplier = int(real)

    def whole(v: Array) -> Array:
        t = (v * multiplier + ((1 << right) >> 1)) >> right
        a = np.abs(t)
        bits = 8 if is_tanh else 9
        index = np.minimum(a >> bits, 254)
        fraction = a & ((1 << bits) - 1)
        y = (SIGMOID[index] << bits) + fraction * (SIGMOID[index + 1] - SIGMOID[index])
        if is_tanh:
            y = np.where(a >> 8 >= 255, 0xFFFF << 8, y)
            return np.where(t >= 0, y - (1 << 23) + 128, -y + (1 << 23) + 127) >> 8
        y = np.where(a >> 9 >= 255, 0x7FFF << 10, y)
        return np.where(t >= 0, y + 512, (1 << 25) - y + 511) >> 10

    im.tabulate(x, y, whole, out)


def sigmoid_fixed(im: Importer, op: OperatorInfo, is_tanh: bool) -> None:
    """(T17): TFLite Micro's 8-bit logistic and tanh in Q4 fixed point."""
    x, y, out = prepare(im, op, "int8")
    zx, _ = zero_points(im, x, y)
    multiplier, shift = quantize_multiplier(im.scale(x) * 2**27)
    radius = math.floor(15 * 2.0**27 / 2.0**shift)

    def whole(v: Array) -> Array:
        d = v - zx
        inside = fixed.scale31(np.clip(d, -max(radius - 1, 0), max(radius - 1, 0)), multiplier, shift)
        y = fixed.shift_right(fixed.tanh(inside, 4), 24) if is_tanh else fixed.shift_right(fixed.logistic(inside, 4), 23) - 128
        return np.where(d <= -radius, -128, np.where(d >= radius, 127, y))

    im.tabulate(x, y, whole, out)


def elu(im: Importer, op: OperatorInfo) -> None:
    expm1 = correctly(lambda v: math.expm1(min(v, 0)))
    float_table(im, op, lambda v: np.where(v < 0, expm1(v), v), "int8")


def exp(im: Importer, op: OperatorInfo) -> None:
    float_table(im, op, correctly(exp64), "int8", "int16")


def gelu(im: Importer, op: OperatorInfo) -> None:
    if op.option("Approximate"):
        root, th = F32(math.sqrt(2 / math.pi)), correctly(math.tanh)
        fn = lambda v: F32(0.5) * v * (F32(1) + th(root * (v + F32(0.044715) * v * v * v)))  # noqa: E731
    else:
        erfc, scale = correctly(math.erfc), F32(-math.sqrt(0.5))
        fn = lambda v: F32(0.5) * v * erfc(v * scale)  # noqa: E731
    float_table(im, op, fn, "int8", "uint8", "int16")


def abs_(im: Importer, op: OperatorInfo) -> None:
    x, y, out = prepare(im, op, "int8", "int16")
    zx, zy = zero_points(im, x, y)
    s_in, s_out = F32(im.scale(x)), F32(im.scale(y))
    if s_in == s_out or not im.quantized(x):
        im.tabulate(x, y, lambda v: np.abs(v - zx) + zy, out)
        return
    multiplier, shift = quantize_multiplier(float(s_in / s_out))
    im.tabulate(x, y, lambda v: fixed.scale31(np.abs(v - zx), multiplier, shift) + zy, out)


def neg(im: Importer, op: OperatorInfo) -> None:
    """Of the raw integers, modulo their width: LiteRT's kernel looks at no scale and no zero point."""
    x, y, out = prepare(im, op, "int8", "int16")
    wrap = np.int8 if im.dtype(x) == "int8" else np.int16
    im.tabulate(x, y, lambda v: (-v).astype(wrap).astype(np.int64), out)


def rsqrt(im: Importer, op: OperatorInfo) -> None:
    """Negative differences make LiteRT's kernel fail; here they give what zero gives."""
    if im.dtype(op.inputs[0]) == "int16":
        top = F32(32767) * F32(im.scale(op.outputs[0]))
        root = correctly(lambda v: math.sqrt(max(v, 0.0)))
        float_table(im, op, lambda v: np.where(v <= 0, top, F32(1) / np.where(v <= 0, F32(1), root(v))), "int16")
        return
    x, y, out = prepare(im, op, "int8")
    zx, zy = zero_points(im, x, y)
    root_scale = np.sqrt(F32(im.scale(x))) * F32(im.scale(y))
    if not root_scale > 0:
        raise Refusal("the input has no scale")
    multiplier, shift = quantize_multiplier(1.0 / float(root_scale))

    def one(d: int) -> int:
        if d <= 0:
            return 2**20
        m, right = fixed.inverse_sqrt(d)
        data = fixed.scale31(np.array(1), m, 20 - right)
        return int(fixed.scale31(data, multiplier, shift - 20)) + zy

    im.tabulate(x, y, lambda v: np.array([one(int(d)) for d in v - zx], np.int64), out)
