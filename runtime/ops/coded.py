"""Weights with few different values: a product with few rows may read them as codes of 1, 2 or 4 bits, fewer bytes. The same result.

One bit: any two values (binary weights with int8 activations: Rastegari et al. 2016, XNOR-Net, arXiv:1603.05279, section 3.1); two bits: three
or four values at equal distances (ternary, int2); four bits: any 16 values.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Array
from ..packing import codebook
from .planes import grid

if TYPE_CHECKING:
    from ..build import Builder
    from ..choose import Form
    from .base import View
    from .product import Product

ROWS = 16  # more rows of inputs repay the wider weights of the dense form
LEAST = 2**16  # weights below which both forms stay in the cache
DEEPEST = 2**17  # inputs of an output: sums of linear codes, up to 128 times 128 each, fit 32 bits


def rows_of(weights: Array, g: dict[str, Any]) -> int:
    """Rows of a product that is a matrix product as its data lie: a linear layer, a 1x1 convolution, a convolution over a whole image; else 0."""
    if g["groups"] != 1 or g["pad_top"] or g["pad_left"]:
        return 0
    if g["oh"] == g["ow"] == 1 and (g["kh"], g["kw"], g["dilation_h"], g["dilation_w"]) == (g["h"], g["w"], 1, 1):
        return int(g["n"])
    still = (g["kh"], g["kw"], g["stride_h"], g["stride_w"]) == (1, 1, 1, 1) and (g["oh"], g["ow"]) == (g["h"], g["w"])
    return int(g["n"] * g["h"] * g["w"]) if still else 0


def forms(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any]) -> list[Form]:
    """The coded form of a product, where its weights allow one."""
    rows = rows_of(weights, geometry)
    if not 0 < rows <= ROWS or weights.size < LEAST or op.rounding == "i64_15" or v.x(1).zero_point:
        return []
    table = codebook(weights)
    if table is None or int(table.min()) < -127 or weights.size // len(weights) > DEEPEST:
        return []
    line = grid(weights)
    flat = weights.reshape(len(weights), -1)
    lowered = functools.partial(lower, b, v, op, flat, table, rows, line)
    return [(f"{line[2] if line else 4}-bit codes, {len(table)} values", lowered)]


def lower(b: Builder, v: View, op: Product, weights: Array, table: Array, rows: int, line: tuple[int, int, int] | None) -> None:
    n, k = weights.shape
    codes = np.zeros((n, k + k % 2), np.uint8)
    codes[:, :k] = np.searchsorted(table, weights) if line is None else (weights.astype(np.int64) - line[0]) // line[1]
    row = b.row("dense_codes", "linear" if line else "any")
    p = b.new(
        "intq_dense_codes", codes=b.constant(codes[:, 0::2] | codes[:, 1::2] << 4, "uint8_t *"),
        codebook=b.constant(np.pad(table, (0, 16 - len(table))), "int8_t *"), multipliers=b.constant(np.ones(n, np.uint8), "uint8_t *"),
        finish=b.finish(op.rounding), m=rows, n=n, k=k, group=-(-k // 4) * 4, groups=1, x_zero_point=v.x().zero_point,
    )  # fmt: skip
    if line is not None:
        p.low, p.step, p.bits = line
    p.bias = b.requant(p.rq, v, op, v.array(2), v.array(3), v.array(4))
    b.prepare(row, p)
    b.step(v, row, p, p.units, 4, reads=[v.node.inputs[0]])
