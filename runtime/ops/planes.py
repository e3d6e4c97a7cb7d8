"""Products with few levels on both sides (DoReFa-Net and its kin) by bit planes: a form of conv2d and dense that counts bits.

It is offered where the weights lie on a grid of at most 2^WEIGHT_BITS steps, and where the graph proves that the input has at most 2^a levels, with
few enough pairs of planes; it gives the same bytes as the dense form (kernels/SPEC_lowbit.md, L6), and the clock decides.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Array, Graph
from .binary import row_bytes
from .levels import levels

if TYPE_CHECKING:
    from ..build import Builder
    from ..choose import Form
    from .base import View
    from .product import Product

WEIGHT_BITS = 2
PAIRS = 4  # of planes: with more, dense products are faster everywhere
LEAST = 32  # input channels: below, most of a 64-bit word of a plane would be empty


def grid(weights: Array) -> tuple[int, int, int] | None:
    """(low, step, bits) with weights = low + step * (0 .. 2^bits - 1); None where they take more than WEIGHT_BITS bits, or are all equal."""
    found = np.flatnonzero(np.bincount(weights.reshape(-1).view(np.uint8), minlength=256)).astype(np.uint8).view(np.int8)
    if not 2 <= len(found) <= 2**WEIGHT_BITS:
        return None
    values = np.sort(found).astype(np.int64)
    step = int(np.gcd.reduce(np.diff(values)))
    bits = (int(values[-1] - values[0]) // step).bit_length()
    return (int(values[0]), step, bits) if bits <= WEIGHT_BITS else None


def span(graph: Graph, name: str, padded: bool) -> tuple[int, int]:
    """(low, bits) of a tensor's levels, its zero point among them where it stands for the padding."""
    low, high = levels(graph, name)
    if padded:
        low, high = min(low, graph.of(name).zero_point), max(high, graph.of(name).zero_point)
    return low, max(1, (high - low).bit_length())


def forms(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any]) -> list[Form]:
    """The bit plane form of a product with these weights [O, ..., C], where there is one."""
    if geometry["groups"] != 1 or op.rounding == "i64_15" or v.x(1).zero_point or weights.shape[-1] < LEAST:
        return []
    found = grid(weights)
    if found is None:
        return []
    low, bits = span(b.graph, v.node.inputs[0], any(getattr(op, "pads", (0,))))
    if bits * found[2] > PAIRS:
        return []
    name = f"bit planes w{found[2]}a{bits}"
    return [(name, functools.partial(lower, b, v, op, weights, geometry, found, (low, bits)))]


def lower(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any], w: tuple[int, int, int], x: tuple[int, int]) -> None:
    g, nbytes = geometry, row_bytes(geometry["c"])
    plane = g["n"] * g["h"] * g["w"] * nbytes
    planes = b.temporary(v, plane * x[1])
    pack = b.row("planes_pack", "any")
    q = b.new("intq_planes_pack", w=g["w"], c=g["c"], bytes=nbytes, plane=plane, low=x[0], bits=x[1])
    b.step(v, pack, q, g["n"] * g["h"], max(1, 4096 // (g["w"] * g["c"])), [v.node.inputs[0]], [planes])
    row = b.row("planes", "any")
    p = b.new("intq_planes", weights=b.constant(weights, "int8_t *"), x_low=x[0], x_bits=x[1], w_low=w[0], w_step=w[1], w_bits=w[2],
              x_zero_point=g["x_zero_point"])  # fmt: skip
    for field in ("n", "h", "w", "oh", "ow", "oc", "kh", "kw", "stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left"):
        setattr(p.bits, field, g[field])
    p.bits.channels, p.bits.bytes = g["c"], nbytes
    p.bits.finish = b.finish(op.rounding)
    p.bits.bias = b.requant(p.bits.rq, v, op, v.array(2), v.array(3), v.array(4))
    b.prepare(row, p)
    b.step(v, row, p, p.units, reads=[planes])

