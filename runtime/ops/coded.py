"""Weights with at most 16 different values: a product with few rows may read them as 4-bit codes, which are half the bytes. The same result."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Array
from ..packing import codebook

if TYPE_CHECKING:
    from ..build import Builder
    from ..choose import Form
    from .base import View
    from .product import Product

ROWS = 16  # more rows of inputs repay the wider weights of the dense form
LEAST = 2**16  # weights below which both forms stay in the cache


def forms(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any]) -> list[Form]:
    """The coded form of a fully connected layer, where its weights allow one."""
    rows = geometry["n"] if weights.ndim == 2 else 0
    if not 0 < rows <= ROWS or weights.size < LEAST or op.rounding == "i64_15" or v.x(1).zero_point:
        return []
    found = codebook(weights)
    if found is None or int(found.min()) < -127:
        return []
    return [(f"4-bit codes, {len(found)} values", functools.partial(lower, b, v, op, weights, found, rows))]


def lower(b: Builder, v: View, op: Product, weights: Array, table: Array, rows: int) -> None:
    n, k = weights.shape
    codes = np.zeros((n, k + k % 2), np.uint8)
    codes[:, :k] = np.searchsorted(table, weights)
    row = b.row("dense_codes", "any")
    p = b.new(
        "intq_dense_codes", codes=b.constant(codes[:, 0::2] | codes[:, 1::2] << 4, "uint8_t *"),
        codebook=b.constant(np.pad(table, (0, 16 - len(table))), "int8_t *"), multipliers=b.constant(np.ones(n, np.uint8), "uint8_t *"),
        finish=b.finish(op.rounding), m=rows, n=n, k=k, group=-(-k // 4) * 4, groups=1, x_zero_point=v.x().zero_point,
    )  # fmt: skip
    p.bias = b.requant(p.rq, v, op, v.array(2), v.array(3), v.array(4))
    b.prepare(row, p)
    b.step(v, row, p, p.units, 4, reads=[v.node.inputs[0]])
