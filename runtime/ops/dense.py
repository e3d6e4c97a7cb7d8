"""Dense weights: the product itself, and the same product with several neighbouring pixels as one.

With few channels a pixel fills neither the depth of a tile nor its columns. G neighbouring outputs of a row together read
(G - 1) * stride + KW neighbouring columns of the input, so they are one output with G times the channels of a convolution that is wider and
steps G times as far; its weights are the old ones once for each of the G, zeros elsewhere. The output has the same bytes in the same places.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Array

if TYPE_CHECKING:
    from ..build import Builder
    from ..choose import Form
    from .base import View
    from .product import Product

TOGETHER = (2, 4, 8)
MOST_CHANNELS, MOST_COLUMNS = 32, 128  # of the input; of the product
MOST_WORK = 1.25  # products with the padding of segments and panels, against those of single pixels


def widen(weights: Array, pixels: int, stride: int) -> Array:
    """Weights [O, KH, KW, C] for `pixels` outputs at once: [pixels * O, KH, (pixels - 1) * stride + KW, C]."""
    o, kh, kw, c = weights.shape
    wide = np.zeros((pixels, o, kh, (pixels - 1) * stride + kw, c), weights.dtype)
    for i in range(pixels):
        wide[i, :, :, i * stride : i * stride + kw] = weights
    return wide.reshape(pixels * o, *wide.shape[2:])


def padded_work(weights: Array, pixels: int, gemm: Any) -> int:
    """Products for each output column group, in multiples of what the gemm row takes at once: single segment or one for each kernel row."""
    o, kh, kw, c = weights.shape
    depth = min(-(-kh * kw * c // gemm.ku), kh * -(-kw * c // gemm.ku)) * gemm.ku
    columns = min(gemm.nr, 16)  # half a panel is multiplied on its own
    return depth * -(-o // columns) * columns // pixels


def forms(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any]) -> list[Form]:
    """The dense product first, then those of several pixels that may be faster."""
    found: list[Form] = [("dense", functools.partial(lower, b, v, op, weights, geometry, 1))]
    few = geometry["c"] <= MOST_CHANNELS and weights.ndim == 4 and geometry["kw"] + geometry["stride_w"] > 2
    if not few or geometry["groups"] != 1 or geometry["dilation_w"] != 1 or geometry["w_zero_point"] or op.rounding == "i64_15":
        return found
    gemm = gemm_row(b, weights)
    for pixels in TOGETHER:
        wide = widen(weights, pixels, geometry["stride_w"])
        if geometry["ow"] % pixels or len(wide) > MOST_COLUMNS:
            continue
        if padded_work(wide, pixels, gemm) <= MOST_WORK * padded_work(weights, 1, gemm):
            changes = {"kw": wide.shape[2], "stride_w": geometry["stride_w"] * pixels, "ow": geometry["ow"] // pixels, "oc": len(wide)}
            found.append((f"dense, {pixels} pixels as one", functools.partial(lower, b, v, op, wide, {**geometry, **changes}, pixels)))
    return found


def gemm_row(b: Builder, weights: Array) -> Any:
    return b.row("gemm", "", without_flags=1 if bool((weights == -128).any()) else 0)


def lower(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, int], pixels: int) -> None:
    variant = "s16" if op.rounding == "i64_15" else "any"
    row = b.row("conv2d", variant)
    p = b.new("intq_conv2d", weights=b.constant(weights, "int8_t *"), threads=b.threads, **geometry)
    if variant == "any":
        gemm = gemm_row(b, weights)
        p.gemm = b.ffi.cast("intq_gemm_fn *", gemm.c.fn)
        p.nr, p.kr, p.ku, p.flags = gemm.nr, gemm.kr, gemm.ku, gemm.flags
        p.finish = b.finish(op.rounding)
    p.bias = b.requant(p.rq, v, op, *(np.tile(v.array(i), pixels) for i in (2, 3, 4)))
    b.prepare(row, p)
    b.step(v, row, p, p.units, reads=[v.node.inputs[0]])
