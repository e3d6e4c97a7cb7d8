"""AVERAGE_POOL_2D, MAX_POOL_2D, MEAN, SUM, REDUCE_MAX, REDUCE_MIN, ARG_MAX and ARG_MIN."""

from __future__ import annotations

from typing import Any

import numpy as np

from .importer import Importer, Refusal
from .products import window
from .reader import OperatorInfo
from .rescale import quantize_multiplier


def pooled(im: Importer, op: OperatorInfo) -> dict[str, Any]:
    """The window's attributes, output shape under `shape`."""
    x = im.shape(op.inputs[0])
    kernel = (op.option("FilterHeight"), op.option("FilterWidth"))
    stride = (op.option("StrideH"), op.option("StrideW"))
    if len(x) != 4 or min(kernel) < 1:
        raise Refusal(f"input {x}, window {kernel}")
    (oh, ow), pads = window(op.option("Padding"), x, kernel, stride, (1, 1))
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    return {"kernel": kernel, "stride": stride, "pads": pads, "lo": lo, "hi": hi, "shape": (x[0], oh, ow, x[3])}


def same_scales(im: Importer, op: OperatorInfo) -> None:
    """Pooling hands the integers on, so both sides must mean the same by them."""
    x, y = op.inputs[0], op.outputs[0]
    if im.info(x).dtype != im.info(y).dtype:
        raise Refusal(f"it turns {im.info(x).dtype} into {im.info(y).dtype}")


def average_pool_2d(im: Importer, op: OperatorInfo) -> None:
    """(T11): the mean of the raw integers of the file, ties away from zero; scales play no part."""
    same_scales(im, op)
    attrs = pooled(im, op)
    shape = attrs.pop("shape")
    im.emit("tfl_avg_pool", [im.x(op.inputs[0])], im.output(op, shape=shape), offset=im.offset(op.inputs[0]), **attrs)


def max_pool_2d(im: Importer, op: OperatorInfo) -> None:
    same_scales(im, op)
    attrs = pooled(im, op)
    shape = attrs.pop("shape")
    x, y = op.inputs[0], op.outputs[0]
    plain = im.dtype(x) == "int8" and im.scale(x) == im.scale(y) and im.zero_point(x) == im.zero_point(y)
    im.emit("max_pool" if plain else "tfl_max_pool", [im.x(x)], im.output(op, shape=shape), **attrs)


def axes_of(im: Importer, op: OperatorInfo) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(sorted axes, shape with those axes 1)."""
    x = im.shape(op.inputs[0])
    axes = set()
    for a in im.value(op.inputs[1]).reshape(-1):
        if not -len(x) <= a < max(len(x), 1):
            raise Refusal(f"axis {a} of {x}")
        axes.add(int(a) % len(x))
    return tuple(sorted(axes)), tuple(1 if i in axes else d for i, d in enumerate(x))


def final_shape(im: Importer, op: OperatorInfo, axes: tuple[int, ...], kept: tuple[int, ...]) -> tuple[int, ...]:
    return kept if op.option("KeepDims") else tuple(d for i, d in enumerate(kept) if i not in axes)


def rescaled_sum(im: Importer, op: OperatorInfo, mean_of: bool) -> None:
    """(T12): the sum of the differences, times a multiplier that holds the count for MEAN, two roundings."""
    x, y = op.inputs[0], op.outputs[0]
    if im.info(x).dtype != im.info(y).dtype or im.dtype(x) not in ("int8", "int16"):
        raise Refusal(f"it turns {im.info(x).dtype} into {im.info(y).dtype}")
    if im.scale(y) <= 0:
        raise Refusal("the output has no scale")
    multiplier, shift = quantize_multiplier(im.scale(x) / im.scale(y))
    axes, kept = axes_of(im, op)
    count = int(np.prod([im.shape(x)[a] for a in axes])) if axes else 1
    if count < 1:
        raise Refusal("it reduces an empty tensor")
    if mean_of:
        bits = min(count.bit_length() - 1, 32, 31 + shift)
        if bits < 0:
            raise Refusal(f"the scale of {im.scale(x) / im.scale(y)} is too small")
        multiplier, shift = (multiplier << bits) // count, shift - bits
    lo, hi = im.clamp(y, 0)
    out = im.output(op, shape=final_shape(im, op, axes, kept))
    bytes_only = not mean_of and im.info(x).dtype == "int8" and im.numerics == "litert"
    neighbours = bool(axes) and axes == tuple(range(axes[0], axes[-1] + 1))
    if im.dtype(x) == "int8" and mean_of and neighbours:
        constants = [im.constant(f"{out}/multiplier", np.array([multiplier], np.int32)), im.constant(f"{out}/shift", np.array([shift], np.int32))]
        im.emit("mean", [im.x(x), *constants], out, axes=axes, rounding="q31_double", lo=lo, hi=hi)
        return
    if not mean_of and im.dtype(x) == "int16" and im.numerics == "litert":
        raise Refusal("LiteRT's reference kernel reads 16-bit sums as bytes; numerics='tflm' sums them")
    im.emit("tfl_sum", [im.x(x)], out, axes=axes, multiplier=multiplier, shift=shift, as_bytes=bytes_only, lo=lo, hi=hi)


def mean(im: Importer, op: OperatorInfo) -> None:
    rescaled_sum(im, op, True)


def sum(im: Importer, op: OperatorInfo) -> None:
    rescaled_sum(im, op, False)


def reduce_extremum(im: Importer, op: OperatorInfo, kind: str) -> None:
    same_scales(im, op)
    axes, kept = axes_of(im, op)
    if 0 in [im.shape(op.inputs[0])[a] for a in axes]:
        raise Refusal("it reduces an empty tensor")
    im.emit("tfl_reduce", [im.x(op.inputs[0])], im.output(op, shape=final_shape(im, op, axes, kept)), axes=axes, kind=kind)


def reduce_max(im: Importer, op: OperatorInfo) -> None:
    reduce_extremum(im, op, "max")


def reduce_min(im: Importer, op: OperatorInfo) -> None:
    reduce_extremum(im, op, "min")


def arg(im: Importer, op: OperatorInfo, kind: str) -> None:
    """The first index of the extremum along one axis, as int32."""
    x = im.shape(op.inputs[0])
    axis = int(im.value(op.inputs[1]).reshape(-1)[0])
    if not -len(x) <= axis < len(x) or x[axis] < 1:
        raise Refusal(f"axis {axis} of {x}")
    axis %= len(x)
    im.emit("tfl_arg", [im.x(op.inputs[0])], im.output(op, shape=x[:axis] + x[axis + 1 :]), axis=axis, kind=kind)


def arg_max(im: Importer, op: OperatorInfo) -> None:
    arg(im, op, "max")


def arg_min(im: Importer, op: OperatorInfo) -> None:
    arg(im, op, "min")
