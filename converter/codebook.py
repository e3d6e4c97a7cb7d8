"""4-bit weights: tables of 16 integers, codes into them, and integer multipliers per group.

Tables: linear int4; powers of two (Miyashita et al. 2016, arXiv:1603.01025); sums of two powers (APoT, Li et al. 2020, arXiv:1909.13144);
k-means (Han et al. 2016, arXiv:1510.00149); ternary with the threshold 0.7 E|w| (TWN, Li et al. 2016, arXiv:1605.04711).
"""

from __future__ import annotations

import msgspec
import numpy as np

from ..errors import InputError
from .ir import Array

TABLES = {
    "linear": [v * 18 for v in range(-7, 8)] + [126],
    "log2": [0, *(s * 2**e for e in range(7) for s in (1, -1)), 96],
    "apot": [0, *(s * v for v in (8, 16, 24, 32, 48, 64, 96) for s in (1, -1)), 127],
}
KINDS = (*TABLES, "kmeans", "ternary")
MOST = 255  # of a multiplier


class Codes(msgspec.Struct, frozen=True):
    """w is about scale[n] * multipliers[n, g] * table[codes[n, k]]; codes are packed, two to a byte, low half first."""

    codes: Array
    table: Array
    multipliers: Array
    scale: Array

    def decode(self, k: int, group: int) -> Array:
        """int64[N, K]: multiplier times table entry."""
        flat = np.stack([self.codes & 15, self.codes >> 4], axis=-1).reshape(len(self.codes), -1)[:, :k]
        return np.asarray(self.table.astype(np.int64)[flat] * np.repeat(self.multipliers.astype(np.int64), group, axis=1)[:, :k])


def lloyd(values: Array, rounds: int = 25) -> Array:
    """16 centres of weights within [-1, 1], as int8 of 1/127; never -128. The one nearest to 0 is 0, so that zeros stay zeros."""
    centres = np.quantile(values, (np.arange(16) + 0.5) / 16)
    for _ in range(rounds):
        nearest = np.abs(values[:, None] - centres).argmin(axis=1)
        total, count = np.bincount(nearest, values, 16), np.bincount(nearest, minlength=16)
        centres = np.where(count > 0, total / np.maximum(count, 1), centres)
    centres[np.abs(centres).argmin()] = 0
    return np.rint(np.clip(centres, -1, 1) * 127).astype(np.int8)


def table_of(kind: str, values: Array) -> Array:
    """The table for weights that were divided by the largest of their group."""
    if kind in TABLES:
        return np.array(TABLES[kind], np.int8)
    if kind == "kmeans":
        return lloyd(np.random.default_rng(0).choice(values, 20000) if values.size > 20000 else values)
    if kind == "ternary":
        return np.array([0, 127, -127] + [0] * 13, np.int8)
    raise InputError(f"codebook {kind!r} is unknown; there are {', '.join(KINDS)}")


def encode(weight: Array, kind: str = "linear", group: int = 64, least: Array | None = None) -> Codes:
    """Codes of weight[N, K]. Each group's scale is an integer times its channel's, with as many bits, up to 8, as int32 sums allow; codes are
    rounded against that integer. `least`[N]: scales may not be below. Raises InputError for an unknown kind, or a group that is no multiple of 4."""
    if group < 4 or group % 4:
        raise InputError(f"group {group} is no multiple of 4")
    n, k = weight.shape
    groups = -(-k // group)
    w = np.zeros((n, groups * group))
    w[:, :k] = weight
    w = w.reshape(n, groups, group)
    if kind == "ternary":
        size = np.abs(w)
        kept = size > 0.7 * size.sum(axis=2, keepdims=True) / np.minimum(group, k)
        top = (size * kept).sum(axis=2) / np.maximum(kept.sum(axis=2), 1)
    else:
        kept, top = np.ones(w.shape, bool), np.abs(w).max(axis=2)
    table = table_of(kind, (w / np.maximum(top, 1e-30)[..., None]).reshape(n, -1)[:, :k].reshape(-1))
    largest = int(np.abs(table.astype(np.int64)).max())
    most = max(1, min(MOST, 2**30 // (largest * 255 * k)))
    scale = np.maximum(top.max(axis=1), 1e-30) / (largest * most)
    if least is not None:
        scale = np.maximum(scale, least)
    multipliers = np.clip(np.rint(top / (largest * scale[:, None])), 1, most).astype(np.uint8)
    steps = w / (scale[:, None, None] * multipliers[..., None])
    codes = np.zeros(w.shape, np.uint8)
    best = np.full(w.shape, np.inf)
    for index, entry in enumerate(table.astype(np.float64)):
        error = np.where(kept, np.abs(steps - entry), abs(entry))
        closer = error < best
        codes[closer], best[closer] = index, error[closer]
    flat = codes.reshape(n, -1)[:, : k + k % 2]
    if flat.shape[1] < k + k % 2:
        flat = np.pad(flat, ((0, 0), (0, 1)))
    return Codes((flat[:, 0::2] | flat[:, 1::2] << 4).astype(np.uint8), table, multipliers, scale)
