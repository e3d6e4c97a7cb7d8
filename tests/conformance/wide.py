"""Random products of 16-bit activations with 8-bit weights: the sums of 64 bits and the rounding i64_15 (kernels/SPEC.md, 3.8)."""

from __future__ import annotations

from typing import Any

import numpy as np
from generate import CHANNELS, Array, Rng, data, one_node, out_size, pick, windows
from intq.graph import Graph
from intq.kernels.fixed_point import requantize_params

MOST = 2_000_000  # products


def tfl_conv2d(g: Graph, rng: Rng) -> Graph:
    """Convolutions, also depthwise and in groups, some with sums far beyond 32 bits; int16 weights and zero points go to other kernels."""
    kind = pick(rng, "conv", "conv", "depthwise", "depthwise", "groups", "deep", "dense")
    h, w = (1, 1) if kind == "dense" else (int(v) for v in rng.integers(1, 13, 2))
    c, o, groups = int(pick(rng, *CHANNELS)), int(pick(rng, *CHANNELS)), 1
    a = windows(rng, h, w, 5, True)
    if kind == "depthwise":
        groups = o = c
    elif kind == "groups":
        groups = int(rng.integers(2, 4))
        c, o = groups * min(c, 33), groups * min(o, 70)
    elif kind in ("deep", "dense"):
        c, o = int(pick(rng, 300, 700, 1025, 3000)), int(pick(rng, 1, 9, 17, 65))
    while (c // groups) * o * h * w * int(np.prod(a["kernel"])) > MOST and o > groups:
        o = max(o // groups // 2, 1) * groups
    w_dtype, zero = pick(rng, *["int8"] * 7, "int16"), int(pick(rng, *[0] * 9, 7))
    weights = data(rng, (o, *a["kernel"], c // groups), w_dtype)
    g.tensor("x", (1, h, w, c), "int16", zero_point=zero)
    inputs = ["x", g.constant("w", weights), *parameters(g, rng, weights)]
    size = out_size(h, w, a)
    del a["kernel"]
    lo, hi = (-32768, 32767) if rng.random() < 0.7 else sorted(int(v) for v in rng.integers(-32768, 32768, 2))
    attrs: dict[str, Any] = {**a, "groups": groups, "rounding": "i64_15", "lo": lo, "hi": hi}
    return one_node(g, "tfl_conv2d", attrs, inputs, (1, *size, o), "int16", zero_point=int(pick(rng, 0, 0, 0, -300)))


def parameters(g: Graph, rng: Rng, weights: Array) -> list[str]:
    """Biases up to 2^40, multipliers of 31 bits, scales from where all outputs are clamped to where all are 0."""
    reach = np.maximum(np.abs(weights.astype(np.int64)).sum(axis=(1, 2, 3)) * 32768, 1)
    bias = rng.integers(-reach, reach + 1) // int(pick(rng, 1, 64, 2**40))
    if rng.random() < 0.1:
        bias = rng.integers(-(2**40), 2**40, len(bias))
    multiplier, shift = requantize_params(2.0 ** rng.uniform(-3, 3, len(reach)) * 32767 / (reach + np.abs(bias)), "i64_15")
    arrays = {"bias": bias.astype(np.int64), "multiplier": multiplier.astype(np.int64), "shift": np.clip(shift, -31, 14).astype(np.int32)}
    return [g.constant(name, array) for name, array in arrays.items()]


FAMILIES = {"tfl_conv2d": tfl_conv2d}
