"""Random graphs of one low-bit op, for the conformance runs."""

from __future__ import annotations

from typing import Any

import numpy as np
from generate import Array, Rng, clamp, data, one_node, out_size, output_constants, pick, scales, windows, zero_point
from intq.graph import Graph
from intq.kernels.fixed_point import requantize_params

BITS = (1, 3, 31, 32, 33, 63, 64, 65, 100, 128, 200, 256)
OUTPUTS = (1, 5, 31, 32, 33, 63, 64, 65, 96, 97, 130)


def pack(bits: Array) -> Array:
    """0 and 1 along the last axis to rows of whole 64-bit words."""
    padded = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 64) * 64), np.uint8)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little")


def binary(g: Graph, rng: Rng) -> tuple[dict[str, Any], tuple[int, int], int, int]:
    """Input, weights, attributes, output size, channels and the largest |sum|."""
    h, w, c, o = int(rng.integers(1, 12)), int(rng.integers(1, 12)), int(pick(rng, *BITS)), int(pick(rng, *OUTPUTS))
    a = windows(rng, h, w, 5, True)
    g.tensor("x", (1, h, w, -(-c // 64) * 8), "uint8")
    bits = rng.integers(0, 2, (o, *a["kernel"], c)) if rng.random() < 0.8 else np.full((o, *a["kernel"], c), int(rng.integers(2)))
    g.constant("w", pack(bits))
    size = out_size(h, w, a)
    peak = a["kernel"][0] * a["kernel"][1] * (-(-c // 64) * 128)
    del a["kernel"]
    return {**a, "channels": c, "pad_value": int(rng.integers(-1, 2))}, size, o, peak


def bconv2d(g: Graph, rng: Rng) -> Graph:
    a, size, o, peak = binary(g, rng)
    rounding = pick(rng, "q15", "shift", "q31_single", "q31_double", "i64_15", "i64_15")
    fraction = int(rng.integers(0, 9))
    span = np.full(o, float(peak << fraction) * 2)
    bias = rng.integers(-(peak << fraction), (peak << fraction) + 1, o)
    g.constant("bias", bias.astype(np.int32))
    if rounding == "i64_15":
        wanted = 32767 / span * 2.0 ** rng.uniform(-2, 4, o)
        limits = {"lo": int(pick(rng, -32768, -1000)), "hi": int(pick(rng, 32767, 900))}
        zp = int(pick(rng, 0, int(rng.integers(-2000, 2000))))
    else:
        wanted, limits, zp = scales(rng, rounding, span), clamp(rng), zero_point(rng)
    multiplier, shift = requantize_params(wanted, rounding)
    inputs = ["x", "w", "bias", g.constant("multiplier", multiplier), g.constant("shift", shift)]
    if rounding == "i64_15" and rng.random() < 0.5:
        inputs.append(g.tensor("residual", (1, *size, o), "int16"))
    attrs = {**a, "fraction": fraction, "rounding": rounding, **limits}
    return one_node(g, "bconv2d", attrs, inputs, (1, *size, o), "int16" if rounding == "i64_15" else "int8", zero_point=zp)


def thresholds(g: Graph, rng: Rng, count: int, reach: int) -> list[str]:
    t = rng.integers(-reach, reach + 1, count)
    t[rng.random(count) < 0.05] = int(pick(rng, -(2**31), 2**31 - 1))
    return [g.constant("threshold", t.astype(np.int32)), g.constant("flip", rng.integers(0, 2, count).astype(np.int32))]


def bconv2d_bits(g: Graph, rng: Rng) -> Graph:
    a, size, o, peak = binary(g, rng)
    inputs = ["x", "w", *thresholds(g, rng, o, max(1, peak // 8))]
    return one_node(g, "bconv2d_bits", a, inputs, (1, *size, -(-o // 64) * 8), "uint8")


def bsign(g: Graph, rng: Rng) -> Graph:
    shape = (1, *(int(d) for d in rng.integers(1, 7, int(rng.integers(0, 3)))), int(pick(rng, *BITS)))
    dtype = pick(rng, "int8", "int16")
    g.tensor("x", shape, dtype)
    inputs = ["x", *thresholds(g, rng, shape[-1], int(np.iinfo(dtype).max))]
    return one_node(g, "bsign", {}, inputs, (*shape[:-1], -(-shape[-1] // 64) * 8), "uint8")


def add16(g: Graph, rng: Rng) -> Graph:
    shape = (1, int(rng.integers(1, 9)), int(pick(rng, 1, 7, 64, 1000, 3000)))
    lo, hi = sorted(int(v) for v in data(rng, (2,), "int16"))
    names = [g.tensor(n, shape, "int16") for n in "ab"]
    return one_node(g, "add16", {"lo": lo, "hi": hi}, names, shape, "int16")


def avg_pool16(g: Graph, rng: Rng) -> Graph:
    kernel = tuple(int(v) for v in rng.integers(1, 5, 2))
    shape = (1, kernel[0] + int(rng.integers(0, 8)), kernel[1] + int(rng.integers(0, 8)), int(pick(rng, *BITS)))
    stride = tuple(int(v) for v in rng.integers(1, 4, 2))
    g.tensor("x", shape, "int16")
    out = tuple((shape[1 + i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
    return one_node(g, "avg_pool16", {"kernel": kernel, "stride": stride}, ["x"], (1, *out, shape[3]), "int16")


def rescale16(g: Graph, rng: Rng) -> Graph:
    shape = (1, int(rng.integers(1, 9)), int(pick(rng, 1, 7, 64, 1000, 3000)))
    attrs = {"multiplier": int(rng.integers(0, 2**15)), "shift": int(rng.integers(1, 31)), **clamp(rng)}
    g.tensor("x", shape, "int16")
    return one_node(g, "rescale16", attrs, ["x"], shape, zero_point=zero_point(rng))


def dense_codes(g: Graph, rng: Rng) -> Graph:
    rounding, k, n = pick(rng, "q15", "shift", "q31_single", "q31_double"), int(pick(rng, *BITS, 300, 1000)), int(pick(rng, *OUTPUTS))
    group = int(pick(rng, 4, 32, 64, 128, -(-k // 4) * 4))
    lead = tuple(int(d) for d in rng.integers(1, 6, int(rng.integers(0, 2))))
    g.tensor("x", (1, *lead, k), zero_point=zero_point(rng))
    most = min(255, 2**30 // (128 * 255 * k))
    g.constant("codes", rng.integers(0, 256, (n, (k + 1) // 2)).astype(np.uint8))
    g.constant("codebook", data(rng, (16,)))
    g.constant("multipliers", rng.integers(0, most + 1, (n, -(-k // group))).astype(np.uint8))
    reach = float(most * 128 * 255 * k)
    bias = rng.integers(-(2**20), 2**20, n).astype(np.int32)
    multiplier, shift = requantize_params(scales(rng, rounding, np.full(n, reach + 2**21)), rounding)
    inputs = ["x", "codes", "codebook", "multipliers", *(g.constant(c, a) for c, a in (("bias", bias), ("multiplier", multiplier), ("shift", shift)))]
    return one_node(g, "dense_codes", {"group": group, "rounding": rounding, **clamp(rng)}, inputs, (1, *lead, n), zero_point=zero_point(rng))


def adder2d(g: Graph, rng: Rng) -> Graph:
    h, w, c, o = int(rng.integers(1, 12)), int(rng.integers(1, 12)), int(pick(rng, 1, 3, 5, 16, 31, 64, 65)), int(pick(rng, *OUTPUTS))
    a = windows(rng, h, w, 5, True)
    size, kernel = out_size(h, w, a), a.pop("kernel")
    rounding, zp = pick(rng, "q15", "shift", "q31_single", "q31_double"), zero_point(rng)
    g.tensor("x", (1, h, w, c), zero_point=zp)
    g.constant("w", data(rng, (o, *kernel, c)), zero_point=zp)
    reach = 255 * kernel[0] * kernel[1] * c
    g.constant("bias", rng.integers(0, reach + 1, o).astype(np.int32))
    inputs = ["x", "w", "bias", *output_constants(g, rng, rounding, np.full(o, float(reach)))]
    return one_node(g, "adder2d", {**a, "rounding": rounding, **clamp(rng)}, inputs, (1, *size, o), zero_point=zero_point(rng))


FAMILIES = {f.__name__: f for f in (dense_codes, adder2d, bconv2d, bconv2d_bits, bsign, add16, avg_pool16, rescale16)}
