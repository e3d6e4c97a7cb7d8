"""Whole networks in a sparse form: every layer by itself, what no skipping of weights can save, and the sum of the layers' times."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..graph import Array

Row = dict[str, Any]


def nearly_empty(shape: tuple[int, ...]) -> Array:
    """Weights [O, ...] of which only the first four of every output channel are left.

    What such a layer takes is reading the inputs, requantization and writing the outputs, which no sparse form saves.
    """
    w = np.zeros((shape[0], int(np.prod(shape[1:]))), np.int8)
    w[:, :4] = 3
    return w.reshape(shape)


def totals(rows: list[Row]) -> list[Row]:
    """For each network, format and share of zeros the sums over its layers, as often as it has them.

    `dense_ms`; `sparse_ms`, all layers in this form; `planned_ms`, each in the faster of both; their ratios to dense; and `limit`, the ratio with
    every layer at its `least_ms`.

    rows: of `lowbit.sparsity` for networks. Layers that do not have the form on this instruction set count as dense ones.
    """
    found = []
    layers = {(r["network"], r["shape"]): r for r in rows}
    for network, name, share in dict.fromkeys((r["network"], r["format"], r["share"]) for r in rows):
        have = {r["shape"]: r for r in rows if (r["network"], r["format"], r["share"]) == (network, name, share)}
        dense = sparse = planned = least = 0.0
        for (owner, shape), any_row in layers.items():
            if owner != network:
                continue
            row = have.get(shape)
            each, count = (row or any_row)["dense_ms"], any_row["count"]
            dense += count * each
            sparse += count * (row["sparse_ms"] if row else each)
            planned += count * (min(each, row["sparse_ms"]) if row else each)
            least += count * min(each, any_row["least_ms"])
        found.append({"network": network, "format": name, "share": share, "dense_ms": dense, "sparse_ms": sparse, "ratio": dense / sparse,
                      "planned_ms": planned, "planned_ratio": dense / planned, "limit": dense / least})  # fmt: skip
    return found
