"""Grouped convolutions with few channels in a group: the same product with several groups as one.

A group of 4 channels fills neither the depth of a product nor its columns. Some groups together are one group whose weights are zero
wherever an output belongs to another of them than the input: more products, but whole ones. The output has the same bytes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import Array
from . import dense

if TYPE_CHECKING:
    from ..build import Builder
    from ..choose import Form
    from .base import View
    from .product import Product

WIDTHS = (16, 32, 64, 128)  # channels of a joined group, at most: what panels and tiles take at once, and twice that


def join(weights: Array, groups: int, together: int) -> Array:
    """Weights [O, KH, KW, C] of `groups` groups for `together` of them as one: [O, KH, KW, together * C]."""
    o, kh, kw, c = weights.shape
    joined = np.zeros((groups // together, together, o // groups, kh, kw, together, c), weights.dtype)
    for i in range(together):
        joined[:, i, :, :, :, i] = weights.reshape(groups // together, together, o // groups, kh, kw, c)[:, i]
    return joined.reshape(o, kh, kw, together * c)


def forms(b: Builder, v: View, op: Product, weights: Array, geometry: dict[str, Any]) -> list[Form]:
    """The forms with several groups as one. Zeros add nothing only where the weights have no zero point."""
    groups = int(geometry["groups"])
    if groups == 1 or geometry["w_zero_point"] or op.rounding == "i64_15":
        return []
    wide = max(weights.shape[3], len(weights) // groups)
    counts = {max((j for j in range(1, groups + 1) if groups % j == 0 and j * wide <= width), default=1) for width in WIDTHS}
    return [
        (f"dense, {j} groups as one", functools.partial(dense.lower, b, v, op, join(weights, groups, j), {**geometry, "groups": groups // j}, 1))
        for j in sorted(counts - {1})
    ]
