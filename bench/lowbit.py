"""Crossover curves: time against sparsity for each sparse format, and against bits per weight, beside the dense kernel of the same ISA."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import Model, Session, choose
from ..errors import InputError
from ..graph import Array, Graph, Port
from ..kernels.fixed_point import requantize_params
from ..ops import REGISTRY, sparse
from . import gemv, peaks, shapes, whole
from .environment import describe
from .timing import Sample, interleave

SHARES = (0.5, 0.7, 0.8, 0.9, 0.95)
MOSTLY = (0.9, 0.95)  # of whole networks
FORMATS = {
    "blocks 16x64": ("b16x64", (16, 64)), "blocks 16x4": ("b16x4", (16, 4)), "blocks 1x4": ("b1x4", (1, 4)), "blocks 1x4 as csr": ("csr", (1, 4)),
    "unstructured": ("csr", (1, 1)), "unstructured as 1x4": ("b1x4", (1, 1)),
}  # name -> form, and the block that is pruned  # fmt: skip
SHAPES = {"3x3 56x56x64": (56, 64, 64, 3), "3x3 14x14x256": (14, 256, 256, 3), "1x1 14x14x1024 to 256": (14, 1024, 256, 1)}  # size, C, O, kernel


def _ports(g: Graph) -> Graph:
    for ports, name in ((g.inputs, "x"), (g.outputs, "y")):
        shape = g.of(name).shape
        ports.append(Port(name=name, tensor=name, shape=shape, perm=tuple(range(len(shape)))))
    return g


def _scales(g: Graph, channels: int, scale: float) -> list[str]:
    multiplier, shift = requantize_params(np.full(channels, scale), "q15")
    return [g.constant("bias", np.zeros(channels, np.int32)), g.constant("multiplier", multiplier), g.constant("shift", shift)]


def _pruned(shape: tuple[int, ...], share: float, block: tuple[int, int]) -> Array:
    random = np.random.default_rng(5)
    w = random.integers(1, 128, (shape[0], int(np.prod(shape[1:])))) * random.choice([-1, 1], (shape[0], int(np.prod(shape[1:]))))
    drop = random.random((-(-w.shape[0] // block[0]), -(-w.shape[1] // block[1]))) < share
    drop = np.repeat(np.repeat(drop, block[0], axis=0), block[1], axis=1)[: w.shape[0], : w.shape[1]]
    return np.where(drop, 0, w).astype(np.int8).reshape(shape)


def _conv(shape: tuple[int, int, int, int], w: Array) -> Graph:
    size, c, o, kernel = shape
    g, pad = Graph("curve"), kernel // 2
    g.tensor("x", (1, size, size, c))
    inputs = ["x", g.constant("w", w), *_scales(g, o, 1e-4)]
    g.tensor("y", (1, size, size, o))
    g.node(REGISTRY["conv2d"](pads=(pad, pad, pad, pad)), inputs, ["y"])
    return _ports(g)


def _binary(shape: tuple[int, int, int, int]) -> Graph:
    size, c, o, kernel = shape
    g, pad = Graph("curve"), kernel // 2
    g.tensor("x", (1, size, size, -(-c // 64) * 8), "uint8")
    bits = np.random.default_rng(0).integers(0, 256, (o, kernel, kernel, c // 64 * 8)).astype(np.uint8)
    inputs = ["x", g.constant("w", bits), *_scales(g, o, 0.02)]
    g.tensor("y", (1, size, size, o))
    g.node(REGISTRY["bconv2d"](channels=c, pads=(pad, pad, pad, pad), pad_value=1), inputs, ["y"])
    return _ports(g)


def _planes(shape: tuple[int, int, int, int], w_bits: int, x_bits: int) -> Graph:
    """A table that leaves levels of a few bits, then a convolution with weights of a few bits."""
    size, c, o, kernel = shape
    g, pad, random = Graph("curve"), kernel // 2, np.random.default_rng(0)
    g.tensor("x", (1, size, size, c))
    g.tensor("u", (1, size, size, c))
    g.node(REGISTRY["lut8"](), ["x", g.constant("table", random.integers(0, 2**x_bits, 256).astype(np.int8))], ["u"])
    w = 2 * random.integers(0, 2**w_bits, (o, kernel, kernel, c)) - (2**w_bits - 1)
    inputs = ["u", g.constant("w", w.astype(np.int8)), *_scales(g, o, 1e-1)]
    g.tensor("y", (1, size, size, o))
    g.node(REGISTRY["conv2d"](pads=(pad, pad, pad, pad)), inputs, ["y"])
    return _ports(g)


def forced(graph: Graph, name: str, isa: str) -> Session:
    """A session whose products take the form whose name contains `name`, whatever the clock says."""

    limits = dict(sparse.SHAPES)
    choose.PREFER[:] = [name]
    sparse.SHAPES.update({key: (channels, 1.0) for key, (channels, _) in limits.items()})
    try:
        return Session(Model(graph), isa=isa)
    finally:
        choose.PREFER.clear()
        sparse.SHAPES.update(limits)


@dataclass(frozen=True)
class Layer:
    """A layer to prune: its graph from weights [O, KH, KW, C] or [N, K]; the network that has it, or "", and how often."""

    weights: tuple[int, ...]
    graph: Callable[[Array], Graph]
    network: str = ""
    count: int = 1


def _case(case: shapes.Case, w: Array) -> Graph:
    graph = case.graph()
    graph.constants["c1"] = w
    return graph


def made(networks: Sequence[str]) -> dict[str, Layer]:
    """The layers to prune, by label: those of networks whose name starts as one of these (`shapes.csv`), or SHAPES. Raises InputError."""
    if not networks:
        return {label: Layer((s[2], s[3], s[3], s[1]), functools.partial(_conv, s)) for label, s in SHAPES.items()}
    found = [c for c in shapes.read() if c.op in ("conv2d", "dense") and any(c.network.startswith(name) for name in networks)]
    if not found:
        raise InputError("no network of shapes.csv is named so")
    return {f"{c.network}: {c.label}": Layer(c.inputs[1].shape, functools.partial(_case, c), c.network, c.count)
            for c in found if json.loads(c.attrs).get("groups", 1) == 1}  # fmt: skip


def sparsity(isa: str, networks: Sequence[str] = (), rounds: int = 11, seconds: float = 0.002) -> list[dict[str, Any]]:
    """One row per shape, format and share of zeros: median milliseconds dense and sparse, their ratio round by round, and whether bytes agree.

    For networks a row also has `network`, `count`, and `least_ms`: the layer with no more than a block for every output (`whole.nearly_empty`).
    """
    rows = []
    for label, layer in made(networks).items():
        more = {}
        if networks:
            floor = forced(layer.graph(whole.nearly_empty(layer.weights)), "b16x4", isa)
            more = {"network": layer.network, "count": layer.count, "least_ms": interleave([floor.invoke], rounds, seconds)[0].median * 1e3}
        for name, (variant, block) in FORMATS.items():
            for share in SHARES if not networks else MOSTLY:
                graph = layer.graph(_pruned(layer.weights, share, block))
                sessions = [forced(graph, form, isa) for form in ("dense", variant)]
                if not any(f"spconv2d_{variant}" in kernel for _, kernel in sessions[1].kernels()):
                    continue  # no kernel of this instruction set, or more than half of the weights are left
                x = np.random.default_rng(1).integers(-128, 128, graph.inputs[0].shape, dtype=np.int8)
                same = np.array_equal(*(s.run_quantized(x) for s in sessions))
                dense, skipping = interleave([s.invoke for s in sessions], rounds, seconds)
                rows.append({"shape": label, "format": name, "share": share, "dense_ms": dense.median * 1e3, "sparse_ms": skipping.median * 1e3,
                             "ratio": ratio(dense, skipping), "same": same, **more})  # fmt: skip
    return rows


def ratio(slow: Sample, fast: Sample) -> float:
    """Median over the rounds: what disturbs a round disturbs both."""
    return float(np.median(np.divide(slow.seconds, fast.seconds)))


def countable(networks: Sequence[str]) -> dict[str, tuple[int, int, int, int]]:
    """Size, C, O, kernel of convolutions to count bits in: of networks (see `made`), without strides, whose channels fill words; or SHAPES."""
    found = {} if networks else dict(SHAPES)
    for label, layer in made(networks).items() if networks else ():
        o, kernel, c = layer.weights[0], layer.weights[1], layer.weights[-1]
        size = layer.graph(np.zeros(layer.weights, np.int8)).inputs[0].shape[1]
        if len(layer.weights) == 4 and c % 64 == 0 and not label.endswith("/2"):
            found[label] = (size, c, o, kernel)
    return found


def bits(isa: str, networks: Sequence[str] = (), rounds: int = 11, seconds: float = 0.002) -> list[dict[str, Any]]:
    """Time of an int8 convolution and of the same one in 1 bit, and by planes of bits (w weight bits, a activation bits), with per cent of the
    popcount peak."""
    cap = "avx512vnni" if isa == "avx512bitalg" else isa
    peak = popcount_peak()
    pairs: list[tuple[str, str, int, Session, Session]] = []
    for label, s in countable(networks).items():
        dense = Session(Model(_conv(s, _pruned((s[2], s[3], s[3], s[1]), 0, (1, 1)))), isa=cap)
        work = 2 * s[0] * s[0] * s[1] * s[2] * s[3] * s[3]
        pairs.append((label, "binary", work, dense, forced(_binary(s), "popcount", isa)))
        for w, a in ((1, 1), (1, 2), (2, 2)):
            graph = _planes(s, w, a)
            pairs.append((label, f"w{w}a{a}", work * w * a, forced(graph, "dense", cap), forced(graph, "bit planes", isa)))
    rows = []
    for label, name, work, eight, fewer in pairs:
        dense_time, small = interleave([eight.invoke, fewer.invoke], rounds, seconds)
        counted = 100 * work / small.median / peak if peak else 0.0
        rows.append({"shape": label, "bits": name, "int8_ms": dense_time.median * 1e3, "ms": small.median * 1e3, "ratio": ratio(dense_time, small),
                     "percent_of_popcount_peak": counted})  # fmt: skip
    return rows


def popcount_peak() -> float:
    """Binary operations per second that this machine can do at most, 0 where its best popcount is no instruction."""
    row = next((r for r in peaks.usable_peaks() if r.variant == "popcount"), None)
    return peaks.best_rate(row, 0.05) if row else 0.0


def run(what: list[str], isa: str, networks: Sequence[str] = ()) -> dict[str, Any]:
    """The curves named in `what` ("sparsity", "bits"), timed under the cap `isa`, ready for JSON (docs/json.md). `networks`: see `made`."""
    result: dict[str, Any] = {"environment": describe(isa)}
    if "sparsity" in what:
        result["sparsity"] = sparsity(isa, networks)
        result["break_even"] = break_even(result["sparsity"])
        if networks:
            result["networks"] = whole.totals(result["sparsity"])
    if "bits" in what:
        result["bits"] = bits(isa, networks)
        result["from_memory"] = gemv.measure("avx512vnni" if isa == "avx512bitalg" else isa, 11, 0.01)
    return result


def break_even(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each shape and format the least share of zeros, of those timed, from which on the sparse form is the faster one."""
    found = []
    for shape, name in dict.fromkeys((r["shape"], r["format"]) for r in rows):
        line = [r for r in rows if (r["shape"], r["format"]) == (shape, name)]
        slow = [i for i, r in enumerate(line) if r["ratio"] < 1]
        rest = line[slow[-1] + 1 :] if slow else line
        found.append({"shape": shape, "format": name, "share": rest[0]["share"] if rest else None})
    return found


def tables(result: dict[str, Any]) -> list[Any]:
    from rich.table import Table

    made = []
    for key in ("sparsity", "break_even", "networks", "bits", "from_memory"):
        if key not in result:
            continue
        table = Table(title=key)
        for column in result[key][0]:
            table.add_column(column)
        for row in result[key]:
            table.add_row(*(f"{v:.4f}" if isinstance(v, float) else str(v) for v in row.values()))
        made.append(table)
    return made


def chart(result: dict[str, Any], path: Path) -> None:
    """Time against the share of zeros, a panel per shape with the dense kernel in it, and speed over dense int8 with fewer bits."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shapes, narrow = list(dict.fromkeys(r["shape"] for r in result.get("sparsity", []))), result.get("bits", [])
    panels = len(shapes) + bool(narrow)
    figure, axes = plt.subplots(1, panels, figsize=(5 * panels, 4), layout="constrained", squeeze=False)
    for axis, shape in zip(axes[0], shapes, strict=False):
        for number, name in enumerate(FORMATS):
            line = [r for r in result["sparsity"] if (r["shape"], r["format"]) == (shape, name)]
            if line:
                axis.plot([r["share"] for r in line], [r["sparse_ms"] for r in line], marker="o", label=name, color=f"C{number}")
        dense = [(share, float(np.median(times))) for share in SHARES
                 if (times := [r["dense_ms"] for r in result["sparsity"] if (r["shape"], r["share"]) == (shape, share)])]  # fmt: skip
        axis.plot(*zip(*dense, strict=True), color="black", linestyle="--", label="dense int8")
        axis.set(title=shape, xlabel="share of zeros", ylabel="milliseconds (lower is faster)", yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter("{x:g}")
    if narrow:
        axes[0][-1].barh([f"{r['shape']}, {r['bits']}" for r in narrow], [r["ratio"] for r in narrow])
        axes[0][-1].set(title="fewer bits", xlabel="times as fast as int8")
        axes[0][-1].axvline(1, color="grey", linewidth=1)
    labels = {label: line for axis in axes[0][: len(shapes)] for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if labels:
        figure.legend(labels.values(), labels.keys(), loc="outside lower center", ncols=len(labels))
    figure.savefig(path)
    plt.close(figure)
