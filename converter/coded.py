"""Layers whose weights are codes into a table of 16 integers, chosen by a recipe: "log2" (or "shift"), "apot", "kmeans4", "ternary".

Per channel the integers stored are table entries, so the layer stays an ordinary product of int8 weights of which only 16 values occur; the file
packs them as codes, and a plan may run them as codes. Per group, linear layers become `dense_codes` with integer multipliers (`codebook.encode`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .codebook import Codes, encode, table_of
from .ir import Array
from .quantize import QParam, QWeight, fit_scale
from .rounding import ROUNDINGS
from .rounding.base import Moments, snap

KINDS = {"log2": "log2", "shift": "log2", "apot": "apot", "kmeans4": "kmeans", "ternary": "ternary"}
BITS = {"log2": 4, "shift": 4, "apot": 4, "kmeans4": 4, "ternary": 2}
SHARES = np.linspace(1.0, 0.5, 21)  # of the largest weight, tried as the largest entry


def per_channel(
    weight: Array, bias: Array, x: QParam, y: QParam, kind: str, rounding: str, groups: int, found: Moments | None, importance: Array | None
) -> QWeight:
    """weight[O, ...] as entries of one table; the scale of a channel is the one of least squared error (ternary: TWN's)."""
    rows = weight.reshape(len(weight), -1)
    top = np.abs(rows).max(axis=1)
    table = np.unique(table_of(KINDS[kind], (rows / np.maximum(top, 1e-30)[:, None]).reshape(-1))).astype(np.float64)
    largest = float(np.abs(table).max())
    if kind == "ternary":
        kept = np.abs(rows) > 0.7 * np.abs(rows).mean(axis=1, keepdims=True)
        scale = (np.abs(rows) * kept).sum(axis=1) / np.maximum(kept.sum(axis=1), 1) / largest
    else:
        factor = np.ones((1, rows.shape[1])) if importance is None else importance
        tried = [np.maximum(share * top, 1e-30) / largest for share in SHARES]
        errors = np.stack([(factor * (rows - s[:, None] * snap(rows / s[:, None], largest, table)) ** 2).sum(axis=1) for s in tried])
        scale = np.where(top > 0, np.stack(tried)[errors.argmin(axis=0), np.arange(len(rows))], 0.0)
    scale = fit_scale(scale, bias, x.scale, y.scale)
    shape = (groups, len(rows) // groups, rows.shape[1])
    steps = np.broadcast_to(scale[:, None], rows.shape).reshape(shape)
    if found is not None and rounding.startswith("gptq"):
        q = ROUNDINGS[rounding](rows.reshape(shape), steps, 8, replace(found, table=table))
    else:
        q = snap(rows.reshape(shape) / steps, largest, table)
    if found is not None and found.keep is not None:
        q = q * found.keep
    return QWeight(q.reshape(weight.shape).astype(np.int8), scale, bias, BITS[kind])


def linear(q: Array, multipliers: Array, scale: Array, group: int) -> Codes:
    """q[N, K] of four bits at most and multipliers[N, K], the same for `group` columns, as `dense_codes` reads them."""
    low = np.pad(q.astype(np.int64) & 15, ((0, 0), (0, q.shape[1] % 2))).astype(np.uint8)
    table = np.array([*range(8), *range(-8, 0)], np.int8)
    return Codes(low[:, 0::2] | low[:, 1::2] << 4, table, multipliers[:, ::group].astype(np.uint8), scale)


def per_group(weight: Array, bias: Array, x: QParam, y: QParam, kind: str, group: int) -> QWeight:
    """weight[N, K] of a linear layer; q holds multiplier times entry, which is wider than int8, and `codes` what `dense_codes` reads."""
    codes = encode(weight, kind, group)
    scale = fit_scale(codes.scale, bias, x.scale, y.scale)
    if not np.array_equal(scale, codes.scale):  # a large bias asks for a coarser step
        codes = encode(weight, kind, group, scale)
    return QWeight(codes.decode(weight.shape[1], group).astype(np.int32), scale, bias, 2 if kind == "ternary" else 4, codes=(codes, kind, group))
