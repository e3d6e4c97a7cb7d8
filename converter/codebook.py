"""4-bit weights: tables of 16 integers, codes into them, and integer multipliers per group; and fully connected layers rewritten to use them.

Tables: linear int4; powers of two (Miyashita et al. 2016, arXiv:1603.01025); sums of two powers (APoT, Li et al. 2020, arXiv:1909.13144);
k-means (Han et al. 2016, arXiv:1510.00149); ternary with the threshold 0.7 E|w| (TWN, Li et al. 2016, arXiv:1605.04711).
"""

from __future__ import annotations

import msgspec
import numpy as np

from ..errors import InputError
from ..graph import Graph
from ..kernels.fixed_point import requantize_params
from ..model import Model
from ..ops import REGISTRY
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


def recode(model: Model, kind: str = "linear", group: int = 64, least: int = 2**12) -> Model:
    """The model with every `dense` of at least `least` weights turned into `dense_codes`, from its int8 weights and scales."""
    graph = Graph(model.graph.name)
    old = model.graph
    graph.tensors, graph.constants = dict(old.tensors), dict(old.constants)
    graph.inputs, graph.outputs, graph.states = old.inputs, old.outputs, old.states
    for node in old.nodes:
        if node.op != "dense" or node.attrs.rounding == "i64_15" or old.constants[node.inputs[1]].size < least or old.of(node.inputs[1]).zero_point:  # type: ignore[attr-defined]
            graph.nodes.append(node)
            continue
        x, y, w = (old.of(name) for name in (node.inputs[0], node.outputs[0], node.inputs[1]))
        assert isinstance(x.scale, float)
        assert isinstance(y.scale, float)
        real = np.broadcast_to(np.asarray(w.scale, np.float64), (w.shape[0],))
        found = encode(old.constants[w.name].astype(np.float64) * real[:, None], kind, group)
        whole = np.rint(old.constants[node.inputs[2]] * real / found.scale).clip(-(2**29), 2**29).astype(np.int32)
        multiplier, shift = requantize_params(x.scale * found.scale / y.scale, "q31_single")
        fields = {
            "codes": found.codes, "table": found.table, "multipliers": found.multipliers, "bias": whole, "multiplier": multiplier, "shift": shift,
        }  # fmt: skip
        names = [node.inputs[0], *(graph.constant(f"{node.name}/{key}/4bit", array) for key, array in fields.items())]
        attrs = REGISTRY["dense_codes"](group=group, rounding="q31_single", lo=node.attrs.lo, hi=node.attrs.hi)  # type: ignore[attr-defined]
        graph.node(attrs, names, list(node.outputs), node.name)
    used = {name for node in graph.nodes for name in node.inputs}
    graph.constants = {name: array for name, array in graph.constants.items() if name in used}
    graph.tensors = {name: t for name, t in graph.tensors.items() if name in graph.constants or name not in old.constants}
    return Model(graph, numerics=model.numerics, recipe={**model.recipe, "codes": {"kind": kind, "group": group}})
