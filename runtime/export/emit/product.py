"""conv2d, dwconv2d and dense; weights of four bits two to a byte, pruned ones without their zeros, where that takes less flash."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...graph import Array
from ...ops import View
from ..source import MULTIPLIER, Source
from .base import clamp_fields, emitter, faster, images, rounding_constant, rounding_of, wrap32
from .wide import direct

COLUMNS = {"": 4, "nibbles": 8, "sparse": 4, "zero": 4}  # gathered output pixels that each form of conv2d holds
UNPACKED = 4  # rows of weights that matmul_nibbles holds
SPARSE_BYTES = 0.4  # of the dense weights: more is not worth it where a target has dot-product instructions


def product(
    s: Source, v: View, rounding: str, weights: Array, channel_axis: int, channels: int, depth: int, folded: bool = True
) -> dict[str, Any]:
    """Fields of product_<rounding>: the bias takes over the rounding constant and, if `folded`, the input's zero point, modulo 2^32."""
    w_zero_point = v.x(1).zero_point
    if depth * 2 ** (15 if w_zero_point else 14) >= 2**31:
        s.unsupported(v, f"op {v.node.op} with sums of {depth} products")
    axes = tuple(i for i in range(weights.ndim) if i != channel_axis)
    bias = v.array(2).astype(np.int64)
    if folded:
        bias = bias - v.x().zero_point * (weights.astype(np.int64) - w_zero_point).sum(axis=axes)
    return finish_fields(s, v, rounding, bias + rounding_constant(rounding, v.array(4)), channels, depth)


def finish_fields(s: Source, v: View, rounding: str, bias: Array, channels: int, depth: int) -> dict[str, Any]:
    """Fields of product_<rounding> but the weights; the bias as int64, rounding constant included."""
    multiplier = v.array(3).astype(np.int16 if MULTIPLIER.get(rounding) else np.int32)
    return {
        "bias": s.array("bias", wrap32(bias)),
        "multiplier": s.array("multiplier", multiplier if rounding != "shift" else np.zeros_like(multiplier)),
        "shift": s.array("shift", v.array(4).astype(np.int8)),
        "channels": channels,
        "depth": depth,
        **clamp_fields(v),
    }


def nibbles(flat: Array) -> Array:
    """Rows of values in -8..7 as bytes, the low half first."""
    even = np.pad(flat, ((0, 0), (0, flat.shape[1] % 2))).astype(np.uint8) & 15
    packed: Array = even[:, ::2] | even[:, 1::2] << 4
    return packed


def sparse(flat: Array) -> tuple[Array, Array, Array] | None:
    """(values, distances, counts) of the rows' nonzero weights; None where a row has more than 65535 of them."""
    values: list[int] = []
    distances: list[int] = []
    counts: list[int] = []
    for row in flat:
        at, before = 0, len(values)
        for k in np.flatnonzero(row).tolist():
            while k - at > 255:
                at += 255
                values.append(0)
                distances.append(255)
            values.append(int(row[k]))
            distances.append(k - at)
            at = k
        counts.append(len(values) - before)
    if max(counts) > 65535:
        return None
    return np.array(values, np.int8), np.array(distances, np.uint8), np.array(counts, np.uint16)


def matrix(s: Source, flat: Array, fields: dict[str, Any], rounding: str, w_zero_point: int) -> tuple[str, str, dict[str, Any]]:
    """The form that these weights [O, K] take ("", "nibbles", "sparse", "zero"), its C type, and its fields with the weights."""
    if w_zero_point:
        return "zero", f"product_{rounding}", {"weights": s.array("weights", flat), **fields}
    if 2 * np.count_nonzero(flat) <= SPARSE_BYTES * flat.size and (found := sparse(flat)) and len(found[0]):
        values, distances, counts = found
        if 2 * len(values) + 2 * len(counts) <= SPARSE_BYTES * flat.size:
            dense = {"weights": s.array("weights", values, f"{len(values)} of {flat.shape[0]}x{flat.shape[1]}"), **fields}
            more = {"distance": s.array("distance", distances), "count": s.array("count", counts)}
            return "sparse", f"sparse_{rounding}", {"product": dense, **more}
    if flat.min() >= -8 and flat.max() <= 7 and flat.size >= 64:
        note = f"{flat.shape[0]}x{flat.shape[1]}, two to a byte"
        return "nibbles", f"product_{rounding}", {"weights": f"(const int8_t *){s.array('weights', nibbles(flat), note)}", **fields}
    return "", f"product_{rounding}", {"weights": s.array("weights", flat), **fields}


def window(v: View) -> dict[str, Any]:
    a: Any = v.node.attrs
    _, h, w, _ = v.x().shape
    _, oh, ow, _ = v.y().shape
    return {
        "h": h, "w": w, "oh": oh, "ow": ow, "stride_h": a.stride[0], "stride_w": a.stride[1],
        "dilation_h": a.dilation[0], "dilation_w": a.dilation[1], "top": a.pads[0], "left": a.pads[1], "x_zero_point": v.x().zero_point,
    }  # fmt: skip


def matmul(s: Source, v: View, w: Array, rounding: str, rows: int) -> None:
    """The product of `rows` dense rows of inputs with weights [O, K]."""
    form, ctype, fields = matrix(s, w, product(s, v, rounding, w, 0, *w.shape), rounding, v.x(1).zero_point)
    function = f"matmul_{form}" if form else "matmul"
    s.use(function, rounding)
    more = f", {s.temporary(UNPACKED * w.shape[1], 'unpacked')}" if form == "nibbles" else ""
    x, y = s.ref(v.node.inputs[0]), s.ref(v.node.outputs[0])
    layer = s.struct(ctype, fields) + (f", {v.x(1).zero_point}" if form == "zero" else "")
    s.call(f"{function}_{rounding}({layer}, {x}, {rows}, {y}, {w.shape[0]}{more});")


@emitter("dense")
def dense(s: Source, v: View) -> None:
    w = v.array(1)
    rows = v.x().size // w.shape[1]
    if v.node.attrs.rounding == "i64_15":  # type: ignore[attr-defined]
        return direct(s, v, w[:, None, None, :], 1, (1, rows, 1), (1, rows, 1))
    matmul(s, v, w, faster(v, rounding_of(s, v), v.array(4)), rows)


@emitter("conv2d")
def conv2d(s: Source, v: View) -> None:
    convolution(s, v, v.array(1), getattr(v.node.attrs, "groups", 1))


def convolution(s: Source, v: View, w: Array, groups: int) -> None:
    """Weights [O,KH,KW,C/groups]. Without a window's reach it is one matrix product over the pixels."""
    if v.node.attrs.rounding == "i64_15" or (groups > 1 and v.x(1).zero_point):  # type: ignore[attr-defined]
        return direct(s, v, w, groups, v.x().shape[:3], v.y().shape[:3])
    rounding = faster(v, rounding_of(s, v), v.array(4))
    oc, kh, kw, _ = w.shape
    depth = int(np.prod(w.shape[1:]))
    shape = window(v)
    if (kh, kw, groups, shape["stride_h"], shape["stride_w"]) == (1, 1, 1, 1, 1) and v.x().shape[1:3] == v.y().shape[1:3]:
        return matmul(s, v, w.reshape(oc, depth), rounding, int(np.prod(v.y().shape[:3])))
    fields = product(s, v, rounding, w, 0, oc // groups, depth)
    flat = w.reshape(oc, depth)
    form, _, fields = matrix(s, flat, fields, rounding, v.x(1).zero_point) if groups == 1 else ("", "", {"weights": s.array("weights", w), **fields})
    function = f"conv2d_{form}" if form else "conv2d"
    s.use(function, rounding)
    image = {**shape, "c": v.x().shape[3], "kh": kh, "kw": kw, "groups": groups}
    more = {"w_zero_point": v.x(1).zero_point} if form == "zero" else {}
    layer = s.struct(f"{function}_{rounding}_layer", {form if form == "sparse" else "product": fields, "shape": image, **more})
    scratch = s.temporary((COLUMNS[form] + (UNPACKED if form == "nibbles" else 0)) * depth, "columns")
    images(s, v, lambda x, y: f"{function}_{rounding}({layer}, {x}, {y}, {scratch});")


@emitter("dwconv2d")
def dwconv2d(s: Source, v: View) -> None:
    """With several outputs per input channel it is a convolution of as many groups as there are input channels."""
    w = v.array(1)
    kh, kw, oc = w.shape
    c = v.x().shape[3]
    if oc != c or v.node.attrs.rounding == "i64_15":  # type: ignore[attr-defined]
        return convolution(s, v, np.ascontiguousarray(w.transpose(2, 0, 1))[..., None], c)
    rounding = faster(v, rounding_of(s, v), v.array(4))
    if v.x(1).zero_point:
        return depthwise_zero(s, v, w, rounding)
    s.max_taps = max(s.max_taps, kh * kw)
    s.use("dwconv2d", rounding)
    fields = {"weights": s.array("weights", w), **product(s, v, rounding, w, 2, oc, kh * kw)}
    layer = s.struct(f"dwconv2d_{rounding}_layer", {"product": fields, **window(v), "kh": kh, "kw": kw})
    border = s.temporary(c, "border")
    images(s, v, lambda x, y: f"dwconv2d_{rounding}({layer}, {x}, {y}, {border});")


def depthwise_zero(s: Source, v: View, w: Array, rounding: str) -> None:
    """With a zero point of the weights."""
    kh, kw, c = w.shape
    s.use("dwconv2d_zero", rounding)
    fields = {"weights": s.array("weights", w), **product(s, v, rounding, w, 2, c, kh * kw, folded=False)}
    shape = {**window(v), "kh": kh, "kw": kw, "w_zero_point": v.x(1).zero_point}
    layer = s.struct(f"dwconv2d_zero_{rounding}_layer", {"product": fields, **shape})
    sums = s.temporary(4 * c, "sums")
    images(s, v, lambda x, y: f"dwconv2d_zero_{rounding}({layer}, {x}, {y}, (int32_t *)(void *){sums});")
