"""Pruned weights: the forms of a product that skip blocks of zeros. They give the same bytes as the dense one, so the plan may take either.

A form is (name, function that appends its step). `forms` offers one only where enough blocks are zero; `choose.fastest` decides by the clock.
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

# block, and the share that may be left for it to be worth timing
SHAPES = {"b16x64": ((16, 64), 0.8), "b16x4": ((16, 4), 0.55), "b1x4": ((1, 4), 0.55), "csr": ((1, 1), 0.4)}


def density(weights: Array, block: tuple[int, int]) -> float:
    """Share of the blocks (output channels by K) that hold something else than zeros."""
    rows, columns = block
    flat = weights.reshape(len(weights), -1) != 0
    flat = np.pad(flat, ((0, -flat.shape[0] % rows), (0, -flat.shape[1] % columns)))
    return float(flat.reshape(flat.shape[0] // rows, rows, -1, columns).any(axis=(1, 3)).mean())


def fit(b: Builder, variant: str) -> bool:
    """Whether a kernel of the instruction sets at hand walks this form; single weights in plain C pay beside nothing but plain C."""
    return b.row("spconv2d", variant).isa != "scalar" or b.chain[0] == "scalar"


def forms(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any]) -> list[Form]:
    """The sparse forms of a product with these weights [O, ...] that may pay."""
    if geometry["groups"] != 1 or op.rounding == "i64_15" or v.x(1).zero_point or 2 * np.count_nonzero(weights) > weights.size:
        return []
    found: list[Form] = []
    for variant, (block, most) in SHAPES.items():
        share = density(weights, block)
        if share <= most and fit(b, variant):
            found.append((f"sparse {variant}, {share:.0%} of the blocks", functools.partial(lower, b, v, op, weights, geometry, variant)))
    return found


def lower(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any], variant: str) -> None:
    row = b.row("spconv2d", variant)
    p = b.new("intq_spconv2d")
    for name, value in geometry.items():
        setattr(p.conv, name, value)
    p.conv.weights = b.constant(weights, "int8_t *")
    p.conv.finish = b.finish(op.rounding)
    p.conv.bias = b.requant(p.conv.rq, v, op, v.array(2), v.array(3), v.array(4))
    b.prepare(row, p)
    b.step(v, row, p, p.units, reads=[v.node.inputs[0]])
