"""Random graphs of one op, within the rules of the loader: odd sizes, extreme values, zero points at both ends, scales from 2^-38 to 32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from intq.graph import Graph, Port
from intq.kernels.fixed_point import requantize_params
from intq.ops import REGISTRY

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
ROUNDINGS = ("q15", "q15", "shift", "q31_single", "q31_double")
CHANNELS = (1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 24, 31, 32, 33, 47, 48, 63, 64, 65, 96, 127, 128, 129, 160, 257)
DTYPES = ("int8", "int8", "int16", "int32", "uint8")


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def zero_point(rng: Rng) -> int:
    return int(pick(rng, -128, 127, 0, int(rng.integers(-128, 128))))


def data(rng: Rng, shape: tuple[int, ...], dtype: str = "int8") -> Array:
    """Random over the dtype, only its ends, constant at one end, or mostly one value."""
    info = np.iinfo(dtype)
    kind = int(rng.integers(6))
    if kind == 0:
        return rng.choice(np.array([info.min, info.max], dtype), shape)
    if kind == 1:
        return np.full(shape, pick(rng, info.min, info.max), dtype)
    x = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    if kind == 2:
        x[rng.random(shape) < 0.9] = int(pick(rng, 0, info.min, info.max))
    return x


def clamp(rng: Rng) -> dict[str, int]:
    if rng.random() < 0.6:
        return {"lo": -128, "hi": 127}
    lo, hi = sorted(int(v) for v in rng.integers(-128, 128, 2))
    return {"lo": lo, "hi": hi}


def scales(rng: Rng, rounding: str, span: Array) -> Array:
    """Effective scales for accumulators within +-span: mostly such that outputs fill their range, some over all that the loader takes."""
    wanted = 127 / np.maximum(span, 1) * 2.0 ** rng.uniform(-2, 4, span.shape)
    if rng.random() < 0.15:
        wanted = 2.0 ** rng.uniform(-38, 5, span.shape)
    limit = 2.0**30 / np.maximum(span, 1)  # a left shift must keep the accumulator within int32
    wanted = np.minimum(np.minimum(wanted, 32.0), limit / 64 if rounding == "q15" else limit)
    return 2.0 ** np.clip(np.floor(np.log2(wanted)), -31, 0) if rounding == "shift" else wanted


def output_constants(g: Graph, rng: Rng, rounding: str, span: Array) -> list[str]:
    """multiplier and shift constants, one entry per element of span."""
    multiplier, shift = requantize_params(scales(rng, rounding, span), rounding)
    return [g.constant("multiplier", multiplier), g.constant("shift", shift)]


def one_node(g: Graph, op: str, attrs: dict[str, Any], inputs: list[str], shape: tuple[int, ...], dtype: str = "int8", **kw: Any) -> Graph:
    """Finish a graph: one node from `inputs` to the output, every activation a port."""
    g.tensor("y", shape, dtype, **kw)
    g.node(REGISTRY[op](**attrs), inputs, ["y"])
    ports = [n for n in dict.fromkeys(inputs) if n not in g.constants]
    g.inputs = [Port(name=n, tensor=n, shape=g.of(n).shape, perm=tuple(range(len(g.of(n).shape)))) for n in ports]
    g.outputs = [Port(name="y", tensor="y", shape=shape, perm=tuple(range(len(shape))))]
    return g


def windows(rng: Rng, h: int, w: int, biggest: int, dilate: bool) -> dict[str, Any]:
    """kernel, stride, dilation and pads that fit an image."""
    kernel = tuple(int(pick(rng, 1, 3, int(rng.integers(1, biggest + 1)))) for _ in range(2))
    pads = tuple(int(rng.integers(0, k)) if rng.random() < 0.7 else 0 for k in kernel * 2)
    kernel = tuple(min(k, size + pads[i] + pads[i + 2]) for i, (k, size) in enumerate(zip(kernel, (h, w), strict=True)))
    pads = tuple(min(p, k - 1) for p, k in zip(pads, kernel * 2, strict=True))
    kernel = tuple(min(k, size + pads[i] + pads[i + 2]) for i, (k, size) in enumerate(zip(kernel, (h, w), strict=True)))
    room = [size + pads[i] + pads[i + 2] for i, size in enumerate((h, w))]
    dilation = tuple(int(rng.integers(1, max((r - 1) // (k - 1), 1) + 1)) if dilate and k > 1 and rng.random() < 0.3 else 1
                     for k, r in zip(kernel, room, strict=True))  # fmt: skip
    return {"kernel": kernel, "stride": tuple(int(pick(rng, 1, 1, 2, 3)) for _ in range(2)), "dilation": dilation, "pads": pads}


def out_size(h: int, w: int, a: dict[str, Any]) -> tuple[int, int]:
    return tuple(
        (size + a["pads"][i] + a["pads"][i + 2] - a["dilation"][i] * (a["kernel"][i] - 1) - 1) // a["stride"][i] + 1 for i, size in enumerate((h, w))
    )  # type: ignore[return-value]


def product_constants(g: Graph, rng: Rng, rounding: str, w: Array, axis: int) -> list[str]:
    """Weights, bias, multiplier and shift; the bias stays small where a large one could overflow."""
    wz = int(rng.integers(-128, 128)) if rng.random() < 0.2 else 0
    channels = w.shape[axis]
    reach = np.abs(np.moveaxis(w.astype(np.int64) - wz, axis, 0)).reshape(channels, -1).sum(axis=1) * 255
    most = np.minimum(reach * pick(rng, 0, 1, 4), 2**29)
    bias = rng.integers(-most, most + 1)
    return [
        g.constant("w", w, zero_point=wz), g.constant("bias", bias.astype(np.int32)), *output_constants(g, rng, rounding, reach + most + 1.0)
    ]  # fmt: skip


def image(rng: Rng, most: int) -> tuple[int, int]:
    """Height and width: mostly small, sometimes enough for several blocks of work per thread."""
    most = 80 if rng.random() < 0.05 else most
    return int(rng.integers(1, most)), int(rng.integers(1, most))


def conv2d(g: Graph, rng: Rng) -> Graph:
    rounding, (h, w) = pick(rng, *ROUNDINGS), image(rng, 15)
    groups = int(pick(rng, 1, 1, 1, 2, 3))
    cg, og = int(pick(rng, *CHANNELS[:20])), int(pick(rng, *CHANNELS[:20]))
    a = windows(rng, h, w, 7, True)
    while h * w * cg * og * groups * a["kernel"][0] * a["kernel"][1] > 3_000_000 and cg * og > 1:
        cg, og = max(cg // 2, 1), max(og // 2, 1)
    g.tensor("x", (1, h, w, cg * groups), zero_point=zero_point(rng))
    inputs = ["x", *product_constants(g, rng, rounding, data(rng, (og * groups, *a["kernel"], cg)), 0)]
    oh, ow = out_size(h, w, a)
    del a["kernel"]
    return one_node(
        g, "conv2d", {**a, "groups": groups, "rounding": rounding, **clamp(rng)}, inputs, (1, oh, ow, og * groups), zero_point=zero_point(rng)
    )


def dwconv2d(g: Graph, rng: Rng) -> Graph:
    rounding, (h, w) = pick(rng, *ROUNDINGS), image(rng, 18)
    c, depth = int(pick(rng, *CHANNELS)), int(pick(rng, 1, 1, 1, 2, 5))
    a = windows(rng, h, w, 6, True)
    g.tensor("x", (1, h, w, c), zero_point=zero_point(rng))
    inputs = ["x", *product_constants(g, rng, rounding, data(rng, (*a["kernel"], c * depth)), 2)]
    oh, ow = out_size(h, w, a)
    del a["kernel"]
    return one_node(g, "dwconv2d", {**a, "rounding": rounding, **clamp(rng)}, inputs, (1, oh, ow, c * depth), zero_point=zero_point(rng))


def dense(g: Graph, rng: Rng) -> Graph:
    rounding, k, n = pick(rng, *ROUNDINGS), int(pick(rng, *CHANNELS, 300, 1000)), int(pick(rng, *CHANNELS))
    lead = tuple(int(d) for d in rng.integers(1, 9, int(rng.integers(0, 3))))
    g.tensor("x", (1, *lead, k), zero_point=zero_point(rng))
    inputs = ["x", *product_constants(g, rng, rounding, data(rng, (n, k)), 0)]
    return one_node(g, "dense", {"rounding": rounding, **clamp(rng)}, inputs, (1, *lead, n), zero_point=zero_point(rng))


def operands(g: Graph, rng: Rng) -> tuple[list[str], tuple[int, ...]]:
    """Two inputs that broadcast; sometimes one is a constant or both are the same tensor."""
    rank = int(rng.integers(1, 6))
    full = (1, *(int(d) for d in rng.integers(1, 8, rank - 1)), int(pick(rng, *CHANNELS, 1000)))
    shapes = [tuple(1 if rng.random() < 0.2 else d for d in full) for _ in range(2)]
    names = []
    for name, shape in zip("ab", shapes, strict=True):
        if name == "b" and rng.random() < 0.25:
            cut = int(rng.integers(0, len(shape)))
            names.append(g.constant("b", data(rng, shape[cut:]), zero_point=zero_point(rng)))
        else:
            names.append(g.tensor(name, shape, zero_point=zero_point(rng)))
    if rng.random() < 0.05:
        names[1] = "a"
        g.tensors.pop("b")
        g.constants.pop("b", None)
    return names, np.broadcast_shapes(*(g.of(n).shape for n in names))


def add(g: Graph, rng: Rng) -> Graph:
    names, shape = operands(g, rng)
    m1, m2 = (int(pick(rng, -32768, 32767, int(rng.integers(-32768, 32768)), int(rng.integers(16384, 32768)))) for _ in range(2))
    shift = int(pick(rng, int(rng.integers(1, 31)), 15, 16, 14))
    return one_node(g, "add", {"m1": m1, "m2": m2, "shift": shift, **clamp(rng)}, names, shape, zero_point=zero_point(rng))


def mul(g: Graph, rng: Rng) -> Graph:
    names, shape = operands(g, rng)
    rounding = pick(rng, *ROUNDINGS)
    multiplier, shift = requantize_params(scales(rng, rounding, np.array([65025.0])), rounding)
    attrs = {"multiplier": int(multiplier[0]), "shift": int(shift[0]), "rounding": rounding, **clamp(rng)}
    return one_node(g, "mul", attrs, names, shape, zero_point=zero_point(rng))


def pooling(rng: Rng) -> tuple[int, int, int, dict[str, Any], tuple[int, int]]:
    """Image and window such that no window sees padding only."""
    while True:
        h, w, c = int(rng.integers(1, 20)), int(rng.integers(1, 20)), int(pick(rng, *CHANNELS))
        a = windows(rng, h, w, 9, False)
        out = out_size(h, w, a)
        if all((o - 1) * a["stride"][i] - a["pads"][i] < size for i, (o, size) in enumerate(zip(out, (h, w), strict=True))):
            del a["dilation"]
            return h, w, c, a, out


def avg_pool(g: Graph, rng: Rng) -> Graph:
    h, w, c, a, out = pooling(rng)
    kh, kw = a["kernel"]
    rounding, include = pick(rng, *ROUNDINGS), bool(rng.integers(2))
    divisors = (kh * kw,) if include else tuple(sorted({i * j for i in range(1, kh + 1) for j in range(1, kw + 1)}))
    g.tensor("x", (1, h, w, c), zero_point=zero_point(rng))
    inputs = ["x", *output_constants(g, rng, rounding, np.full(len(divisors), 255.0 * kh * kw))]
    attrs = {**a, "divisors": divisors, "count_include_pad": include, "rounding": rounding, **clamp(rng)}
    return one_node(g, "avg_pool", attrs, inputs, (1, *out, c), zero_point=zero_point(rng))


def max_pool(g: Graph, rng: Rng) -> Graph:
    h, w, c, a, out = pooling(rng)
    zp = zero_point(rng)
    g.tensor("x", (1, h, w, c), zero_point=zp)
    return one_node(g, "max_pool", {**a, **clamp(rng)}, ["x"], (1, *out, c), zero_point=zp)


def mean(g: Graph, rng: Rng) -> Graph:
    shape = (1, *(int(d) for d in rng.integers(1, 12, int(rng.integers(1, 4)))), int(pick(rng, *CHANNELS)))
    first = int(rng.integers(1, len(shape)))
    axes = tuple(range(first, int(rng.integers(first, len(shape))) + 1))
    rounding = pick(rng, *ROUNDINGS)
    g.tensor("x", shape, zero_point=zero_point(rng))
    inputs = ["x", *output_constants(g, rng, rounding, np.array([255.0 * np.prod([shape[i] for i in axes])]))]
    keep = bool(rng.integers(2))
    out = tuple(1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes)
    return one_node(g, "mean", {"axes": axes, "rounding": rounding, **clamp(rng)}, inputs, out, zero_point=zero_point(rng))


def any_shape(rng: Rng, most: int = 6) -> tuple[int, ...]:
    return (1, *(int(d) for d in rng.integers(1, 9, int(rng.integers(1, most)))))


def standardize(g: Graph, rng: Rng) -> Graph:
    shape = (*any_shape(rng, 4), int(pick(rng, *CHANNELS, 1000)))
    first = int(rng.integers(1, len(shape)))
    last = int(rng.integers(first, len(shape)))
    g.tensor("x", shape, zero_point=zero_point(rng))
    epsilon = int(pick(rng, 0, 1, int(2 ** rng.uniform(0, 40)), 2**60))
    attrs = {"axes": tuple(range(first, last + 1)), "multiplier": int(rng.integers(2**30, 2**31)), "shift": int(pick(rng, 5, 6, 4, 0, 12, -31, 30))}
    return one_node(g, "standardize", {**attrs, "epsilon": epsilon, **clamp(rng)}, ["x"], shape, zero_point=zero_point(rng))


def concat(g: Graph, rng: Rng) -> Graph:
    shape, dtype = any_shape(rng), pick(rng, *DTYPES)
    axis = int(rng.integers(1, len(shape)))
    parts = [(*shape[:axis], int(rng.integers(1, 9)), *shape[axis + 1 :]) for _ in range(int(rng.integers(1, 5)))]
    names = [g.tensor(f"x{i}", s, dtype) for i, s in enumerate(parts)]
    if len(parts) > 1 and rng.random() < 0.2:
        names[-1] = g.constant("c", data(rng, parts[-1], dtype))
        del g.tensors[f"x{len(parts) - 1}"]
    return one_node(g, "concat", {"axis": axis}, names, (*shape[:axis], sum(p[axis] for p in parts), *shape[axis + 1 :]), dtype)


def pad(g: Graph, rng: Rng) -> Graph:
    shape, dtype = any_shape(rng), pick(rng, *DTYPES)
    before, after = ((0, *(int(v) for v in rng.integers(0, 4, len(shape) - 1))) for _ in range(2))
    g.tensor("x", shape, dtype)
    value = int(data(rng, (1,), dtype)[0])
    out = tuple(d + b + a for d, b, a in zip(shape, before, after, strict=True))
    return one_node(g, "pad", {"before": before, "after": after, "value": value}, ["x"], out, dtype)


def slice_(g: Graph, rng: Rng) -> Graph:
    shape, dtype = any_shape(rng), pick(rng, *DTYPES)
    begin, step, out = [0], [1], [1]
    for d in shape[1:]:
        s, b = int(pick(rng, 1, 1, 2, -1, -2, 0)), int(rng.integers(d))
        longest = 1 + ((d - 1 - b) // s if s > 0 else b // -s if s < 0 else 3)
        begin, step, out = [*begin, b], [*step, s], [*out, int(rng.integers(1, longest + 1))]
    g.tensor("x", shape, dtype)
    return one_node(g, "slice", {"begin": tuple(begin), "step": tuple(step)}, ["x"], tuple(out), dtype)


def reshape(g: Graph, rng: Rng) -> Graph:
    shape, dtype = any_shape(rng), pick(rng, *DTYPES)
    g.tensor("x", shape, dtype)
    rest = [d for d in rng.permutation(shape[1:]).tolist() if d != 1 or rng.random() < 0.5]
    return one_node(g, "reshape", {}, ["x"], (1, *rest), dtype)


def transpose(g: Graph, rng: Rng) -> Graph:
    shape, dtype = any_shape(rng), pick(rng, *DTYPES)
    perm = (0, *(int(p) + 1 for p in rng.permutation(len(shape) - 1)))
    g.tensor("x", shape, dtype)
    return one_node(g, "transpose", {"perm": perm}, ["x"], tuple(shape[p] for p in perm), dtype)


def indices(g: Graph, rng: Rng, name: str, size: int) -> str:
    index = rng.integers(0, size, int(rng.integers(1, 12))).astype(np.int32)
    return g.constant(name, np.sort(index) if rng.integers(2) else index)


def gather(g: Graph, rng: Rng) -> Graph:
    shape, dtype = any_shape(rng), pick(rng, *DTYPES)
    axis = int(rng.integers(1, len(shape)))
    g.tensor("x", shape, dtype)
    index = indices(g, rng, "index", shape[axis])
    return one_node(g, "gather", {"axis": axis}, ["x", index], (*shape[:axis], g.of(index).size, *shape[axis + 1 :]), dtype)


def resize_nearest(g: Graph, rng: Rng) -> Graph:
    shape, dtype = (1, *(int(d) for d in rng.integers(1, 9, 2)), int(pick(rng, *CHANNELS))), pick(rng, *DTYPES)
    g.tensor("x", shape, dtype)
    rows, cols = indices(g, rng, "rows", shape[1]), indices(g, rng, "cols", shape[2])
    return one_node(g, "resize_nearest", {}, ["x", rows, cols], (1, g.of(rows).size, g.of(cols).size, shape[3]), dtype)


def lut8(g: Graph, rng: Rng) -> Graph:
    source, target = (pick(rng, "int8", "uint8") for _ in range(2))
    shape = (*any_shape(rng, 4), int(pick(rng, *CHANNELS, 5000)))
    g.tensor("x", shape, source)
    return one_node(g, "lut8", {}, ["x", g.constant("table", data(rng, (256,), target))], shape, target)


def lut8_channels(g: Graph, rng: Rng) -> Graph:
    shape, count = (*any_shape(rng, 4), int(pick(rng, *CHANNELS, 500))), int(pick(rng, 1, 2, 3, 17, 256))
    g.tensor("x", shape)
    which = g.constant("which", rng.integers(0, count, shape[-1]).astype(np.int32))
    return one_node(g, "lut8_channels", {}, ["x", g.constant("tables", data(rng, (count, 256))), which], shape)


def softmax(g: Graph, rng: Rng) -> Graph:
    shape = (*any_shape(rng, 3), int(pick(rng, *CHANNELS, 1000)))
    g.tensor("x", shape, zero_point=zero_point(rng))
    table = np.rint(2.0**23 * np.exp(-np.arange(256) * 2.0 ** rng.uniform(-16, 6))).astype(np.int32)
    bits = int(pick(rng, 8, 8, 9, 12, 20))
    return one_node(g, "softmax", {"bits": bits}, ["x", g.constant("table", table)], shape, scale=2.0**-bits, zero_point=-128)


FAMILIES: dict[str, Callable[[Graph, Rng], Graph]] = {
    f.__name__.strip("_"): f
    for f in (
        conv2d,
        dwconv2d,
        dense,
        add,
        mul,
        avg_pool,
        max_pool,
        mean,
        standardize,
        concat,
        pad,
        slice_,
        *(reshape, transpose, gather, resize_nearest),
        *(lut8, lut8_channels),
        softmax,
    )
}


def case(family: str, seed: int, families: dict[str, Callable[[Graph, Rng], Graph]] = FAMILIES) -> tuple[Graph, dict[str, Array]]:
    """The graph of a seed and three samples per input (one, where an input is no batch)."""
    rng = np.random.default_rng([seed, sorted(families).index(family)])
    g = families[family](Graph(f"{family}{seed}"), rng)
    return g, {p.name: data(rng, (3, *p.shape[1:]), g.of(p.tensor).dtype) for p in g.inputs}
