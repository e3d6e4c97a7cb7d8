"""The shapes that the kernel benchmark sweeps: `shapes.csv`, one line per distinct node of the networks, and back to a graph.

    python -m intq.bench.shapes --models FOLDER        # write shapes.csv again, from the converted networks

A line holds the op, the shapes, dtypes and zero points of its tensors and its attributes. Constants are not kept: weights are
drawn, and multipliers follow from the number of products that an accumulator sums, so that outputs fill their range.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ..graph import Array, Graph, Port
from ..ops import REGISTRY, Op

FILE = Path(__file__).parent / "shapes.csv"
FIELDS = ("network", "count", "op", "inputs", "output", "attrs")
SPREAD = 74.0  # standard deviation of uniform int8


@dataclass(frozen=True)
class TensorShape:
    """`2x8x8x16:int8@-128`, with `=` behind it for a constant."""

    shape: tuple[int, ...]
    dtype: str
    zero_point: int
    constant: bool = False

    @classmethod
    def parse(cls, text: str) -> TensorShape:
        text, constant = text.rstrip("="), text.endswith("=")
        dims, _, rest = text.partition(":")
        dtype, _, zero = rest.partition("@")
        return cls(tuple(int(d) for d in dims.split("x")), dtype, int(zero or 0), constant)

    def __str__(self) -> str:
        return f"{'x'.join(map(str, self.shape))}:{self.dtype}@{self.zero_point}{'=' if self.constant else ''}"


@dataclass(frozen=True)
class Case:
    """One node: which network has it and how often, its tensors and its attributes."""

    network: str
    count: int
    op: str
    inputs: tuple[TensorShape, ...]
    output: TensorShape
    attrs: str  # JSON

    @property
    def label(self) -> str:
        """What a reader of the table wants: op, activation shape, weight shape, stride."""
        shapes = " * ".join("x".join(map(str, t.shape)) for t in self.inputs if not t.constant or t.dtype == "int8")
        stride = json.loads(self.attrs).get("stride", [1, 1])
        return f"{self.op} {shapes}" + (f" /{stride[0]}" if stride != [1, 1] else "")

    def graph(self) -> Graph:
        """A graph of this one node, constants drawn from a fixed seed."""
        g = Graph(self.label)
        random = np.random.default_rng(11)
        names = []
        for i, t in enumerate(self.inputs):
            if t.constant:
                names.append(g.constant(f"c{i}", self._constant(i, t, random), zero_point=t.zero_point))
            else:
                names.append(g.tensor(f"x{i}", t.shape, t.dtype, 0.05, t.zero_point))
                g.inputs.append(Port(name=f"x{i}", tensor=f"x{i}", shape=t.shape, perm=tuple(range(len(t.shape)))))
        out = self.output
        scale = 1 / 256 if self.op == "softmax" else 0.05
        g.tensor("y", out.shape, out.dtype, scale, out.zero_point)
        g.outputs.append(Port(name="y", tensor="y", shape=out.shape, perm=tuple(range(len(out.shape)))))
        g.node(msgspec.json.decode(self.attrs, type=REGISTRY[self.op]), names, ["y"])
        return g

    def _constant(self, i: int, t: TensorShape, random: np.random.Generator) -> Array:
        if t.dtype == "int8":
            return random.integers(-127, 128, t.shape, dtype=np.int8)
        if self.op in ("conv2d", "dwconv2d", "dense"):
            if i == 2:
                return random.integers(-1000, 1001, t.shape).astype(t.dtype)
            return self._scales(i == 3, t, 40.0 / (SPREAD * 150.0 * np.sqrt(self.depth)))
        if self.op in ("avg_pool", "mean"):
            divisors = json.loads(self.attrs).get("divisors") or [self.depth]
            return self._scales(i == 1, t, 1.0 / np.array(divisors, np.float64))
        if self.op == "softmax":
            return np.rint(2.0**23 * np.exp(-0.05 * np.arange(256))).astype(t.dtype)
        size = self.output.shape[i] if self.op == "resize_nearest" else t.shape[0]
        return (np.arange(size) * self.inputs[0].shape[max(i, 1)] // max(size, 1)).astype(t.dtype)

    def _scales(self, multiplier: bool, t: TensorShape, scale: Any) -> Array:
        """Multipliers or shifts of a rounding for real scales; see SPEC 3 for what they mean."""
        rounding = json.loads(self.attrs).get("rounding", "q15")
        fraction, exponent = np.frexp(np.broadcast_to(np.asarray(scale, np.float64) * (64 if rounding == "q15" else 1), t.shape))
        bits = 15 if rounding == "q15" else 31
        return np.minimum(np.rint(fraction * 2.0**bits), 2.0**bits - 1).astype(t.dtype) if multiplier else exponent.astype(t.dtype)

    @property
    def depth(self) -> int:
        """How many values one accumulator sums."""
        if self.op in ("conv2d", "dense"):
            return int(np.prod(self.inputs[1].shape[1:]))
        if self.op == "dwconv2d":
            return int(np.prod(self.inputs[1].shape[:2]))
        return max(1, int(np.prod(self.inputs[0].shape)) // max(int(np.prod(self.output.shape)), 1))

    def arrays(self) -> list[Array]:
        """Inputs over their whole range, one array per activation."""
        random = np.random.default_rng(12)
        info = [np.iinfo(t.dtype) for t in self.inputs]
        return [random.integers(r.min, r.max + 1, t.shape).astype(t.dtype) for t, r in zip(self.inputs, info, strict=True) if not t.constant]


def read(file: Path = FILE) -> list[Case]:
    """The cases of a shapes.csv."""
    with open(file, newline="") as lines:
        return [
            Case(r["network"], int(r["count"]), r["op"], tuple(TensorShape.parse(t) for t in r["inputs"].split(" ") if t),
                 TensorShape.parse(r["output"]), r["attrs"])
            for r in csv.DictReader(lines)
        ]  # fmt: skip


def of_graph(graph: Graph, network: str) -> list[Case]:
    """The nodes of a graph that differ in more than zero points and multipliers; those that only rename bytes are left out."""
    found: dict[tuple[Any, ...], tuple[Case, int]] = {}
    for node in graph.nodes:
        if node.op == "reshape" or len(node.outputs) != 1:
            continue
        assert isinstance(node.attrs, Op)
        tensors = [graph.tensors[n] for n in (*node.inputs, *node.outputs)]
        shapes = [TensorShape(t.shape, t.dtype, t.zero_point, t.name in graph.constants) for t in tensors]
        fields = {k: v for k, v in msgspec.to_builtins(node.attrs).items() if k != "op"}
        case = Case(network, 1, node.op, tuple(shapes[:-1]), shapes[-1], json.dumps(fields, sort_keys=True))
        geometry = {k: v for k, v in fields.items() if k not in ("m1", "m2", "shift", "multiplier", "lo", "hi")}
        key = (node.op, *((t.shape, t.dtype, t.constant) for t in shapes), json.dumps(geometry, sort_keys=True))
        first, count = found.get(key, (case, 0))
        found[key] = (first, count + 1)
    return [replace(case, count=count) for case, count in found.values()]


def generic() -> list[Case]:
    """Shapes of no network: the GEMM and GEMV that are quoted everywhere, and ops that the networks lack."""
    t = TensorShape.parse
    image = "1x56x56x64:int8@3"
    products = [
        Case("generic", 1, "dense", (t(f"{m}x{k}:int8@3"), t(f"{n}x{k}:int8@0="), *[t(f"{n}:int32@0=")] * 3), t(f"{m}x{n}:int8@0"), "{}")
        for m, n, k in ((1024, 1024, 1024), (1, 4096, 4096))
    ]
    resize = (t("1x28x28x64:int8@3"), t("56:int32@0="), t("56:int32@0="))
    return [
        *products,
        Case("generic", 1, "mul", (t(image), t("1x1x1x64:int8@-128")), t(image), '{"multiplier": 20000, "shift": -2}'),
        Case("generic", 1, "lut8", (t(image), t("256:int8@0=")), t(image), "{}"),
        Case("generic", 1, "concat", (t(image), t(image)), t("1x56x56x128:int8@3"), '{"axis": 3}'),
        Case("generic", 1, "transpose", (t(image),), t("1x64x56x56:int8@3"), '{"perm": [0, 3, 1, 2]}'),
        Case("generic", 1, "pad", (t(image),), t("1x58x58x64:int8@3"), '{"before": [0, 1, 1, 0], "after": [0, 1, 1, 0], "value": 3}'),
        Case("generic", 1, "resize_nearest", resize, t(image), "{}"),
    ]


def write(cases: Iterable[Case], file: Path = FILE) -> None:
    with open(file, "w", newline="") as lines:
        out = csv.writer(lines, lineterminator="\n")
        out.writerow(FIELDS)
        for c in cases:
            out.writerow([c.network, c.count, c.op, " ".join(map(str, c.inputs)), str(c.output), c.attrs])


def main(argv: list[str] | None = None) -> None:
    from ..converter import convert
    from . import networks

    parser = argparse.ArgumentParser(description="write shapes.csv from the networks of the benchmark")
    parser.add_argument("--models", help="folder with the networks' .onnx files (default: INTQ_SHARED)")
    folder = networks.models_folder(parser.parse_args(argv).models)
    cases = generic()
    for network in networks.NETWORKS:
        model = convert(str(network.path(folder)), calibration=network.calibration(folder))
        cases += of_graph(model.graph, network.name)
    write(cases)
    print(f"{FILE}: {len(cases)} shapes")


if __name__ == "__main__":
    main()
