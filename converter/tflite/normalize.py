"""SOFTMAX, LOG_SOFTMAX and L2_NORMALIZATION."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kernels import ref_tflite_fixed as fixed
from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import quantize_multiplier
from .unary import correctly, exp64, interpolation_table, look_up

Array = npt.NDArray[Any]


def exp_inputs(scale: float) -> tuple[int, int, int]:
    """(multiplier, left shift, radius) that bring differences to Q5, and how far differences count."""
    real = min(scale * 2**26, 2**31 - 1.0)
    if not real > 1:
        raise Refusal(f"the input scale {scale} is too small")
    multiplier, left = quantize_multiplier(real)
    return multiplier, left, math.floor(31 * 2.0**26 / 2.0**left)


def scaled_differences(multiplier: int, left: int) -> Array:
    """Q5 values of the differences 0, -1, .. -255; the shift to the left wraps, as it may do past the radius."""
    return fixed.high_mul(fixed.wrap32(-np.arange(256, dtype=np.int64) << left), multiplier)


def exp_table(scale: float) -> Array:
    """exp(-d * scale) in Q0 for d = 0 .. 255, 0 where the difference is out of the radius (T18)."""
    multiplier, left, radius = exp_inputs(scale)
    values = fixed.exp_negative(np.minimum(scaled_differences(multiplier, left), 0), 5)
    return np.where(np.arange(256) <= radius, values, 0).astype(np.int32)


def softmax(im: Importer, op: OperatorInfo) -> None:
    """(T18); the 16-bit one is (T19)."""
    x, y = op.inputs[0], op.outputs[0]
    beta = float(np.float32(op.option("Beta", 0.0)))
    dtypes = (im.info(x).dtype, im.info(y).dtype)
    shape = im.shape(x)
    if not shape or shape[-1] < 1 or not beta > 0:
        raise Refusal(f"input {shape}, beta {beta}")
    if dtypes == ("int16", "int16"):
        softmax16(im, op, im.scale(x), beta)
        return
    if dtypes not in (("int8", "int8"), ("uint8", "uint8"), ("int8", "int16")):
        raise Refusal(f"input {dtypes[0]}, output {dtypes[1]}")
    table = exp_table(beta * im.scale(x))
    out = im.output(op, shape=shape)
    im.emit("tfl_softmax", [im.x(x), im.constant(f"{out}/table", table)], out)


def softmax16(im: Importer, op: OperatorInfo, scale: float, beta: float) -> None:
    """(T19): both functions by interpolated samples, in float64 (LiteRT) or float32 (TFLite Micro) when they are made."""
    real: Any = np.float32 if im.numerics == "tflm" else np.float64
    single = im.numerics == "tflm"
    exp = correctly(exp64) if single else (lambda v: np.exp(v))
    span = real(65535)
    exps = interpolation_table(exp, real(10.0) / span, 32767, real(2.0) / span, 0, real)
    inverse = interpolation_table(lambda v: real(1) / (real(1) + v), real(1.0) / span, -32768, real(2.0) / span, 0, real)
    product = scale * beta if single else float(np.float32(scale) * np.float32(beta))
    multiplier, shift = quantize_multiplier(product / (10.0 / 65535.0))
    position = np.clip(fixed.scale31(-np.arange(65536, dtype=np.int64), multiplier, shift) + 32767, -32768, 32767)
    out = im.output(op, shape=im.shape(op.inputs[0]))
    names = [im.constant(f"{out}/exp", look_up(exps, position).astype(np.int16)), im.constant(f"{out}/inverse", inverse.astype(np.int16))]
    im.emit("tfl_softmax16", [im.x(op.inputs[0]), *names], out)


def log_softmax(im: Importer, op: OperatorInfo) -> None:
    """(T20)"""
    x, y = op.inputs[0], op.outputs[0]
    shape = im.shape(x)
    if im.info(x).dtype != im.info(y).dtype or im.dtype(x) != "int8" or not shape or shape[-1] < 1:
        raise Refusal(f"input {im.info(x).dtype} {shape}, output {im.info(y).dtype}")
    multiplier, left, radius = exp_inputs(im.scale(x))
    table = exp_table(im.scale(x))
    reverse = (1 << (31 - left)) / multiplier
    reverse_multiplier, reverse_shift = quantize_multiplier(reverse)
    differences = scaled_differences(multiplier, left).astype(np.int32)
    out = im.output(op, shape=shape)
    names = [im.constant(f"{out}/table", table), im.constant(f"{out}/differences", differences)]
    attrs = {"radius": radius, "multiplier": reverse_multiplier, "shift": reverse_shift}
    im.emit("tfl_log_softmax", [im.x(x), *names], out, **attrs)


def l2_normalization(im: Importer, op: OperatorInfo) -> None:
    """(T21)"""
    x, y = op.inputs[0], op.outputs[0]
    shape = im.shape(x)
    if im.info(x).dtype != im.info(y).dtype or im.dtype(x) != "int8" or not shape or op.option("FusedActivationFunction"):
        raise Refusal(f"input {im.info(x).dtype} {shape}, output {im.info(y).dtype}")
    im.emit("tfl_l2_normalization", [im.x(x)], im.output(op, shape=shape), zero_point=im.zero_point(x), early=im.offset(x) > 0)
