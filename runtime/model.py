"""Model: a checked integer graph with its numerics and recipe. `load` reads one, `save` writes one."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path
from typing import Any

from . import format
from .checks import MAX_ARENA, MAX_MACS, check_graph, graph_bounds
from .compress import compress, decompress
from .errors import FormatError, InputError, UnsupportedError, about
from .extras import missing
from .graph import Graph, Port
from .ops import Bound, Op, View

NUMERICS = ("litert", "tflm")  # whose rounding an imported .tflite model keeps: LiteRT's reference kernels', TensorFlow Lite Micro's


def check_numerics(numerics: str) -> None:
    if numerics not in NUMERICS:
        raise InputError(f"numerics {numerics!r}: one of {', '.join(NUMERICS)} is expected")


class Model:
    """A network of integers, validated. `graph` must not be changed once a Model holds it.

    Raises FormatError or BoundError where the graph breaks a rule.
    """

    def __init__(
        self, graph: Graph, *, numerics: str = "intq", recipe: dict[str, Any] | None = None, max_arena: int = MAX_ARENA, max_macs: int = MAX_MACS
    ) -> None:
        check_graph(graph, max_arena=max_arena, max_macs=max_macs)
        self.graph, self.numerics, self.recipe = graph, numerics, recipe or {}
        self.limits = (max_arena, max_macs)

    @property
    def name(self) -> str:
        return self.graph.name

    @property
    def inputs(self) -> list[Port]:
        return self.graph.inputs

    @property
    def outputs(self) -> list[Port]:
        return self.graph.outputs

    @functools.cached_property
    def bounds(self) -> dict[str, list[Bound]]:
        """Per node, the proven range of every channel's accumulator, computed from the constants."""
        return graph_bounds(self.graph)

    @property
    def weight_bytes(self) -> int:
        return sum(a.nbytes for a in self.graph.constants.values())

    def sizes(self) -> dict[str, int]:
        """Bytes of the network: weights as float32, as int8, the file as it is, and the file compressed where the library is there."""
        count, data = self.parameters, self.to_bytes()
        found = {"float": 4 * count, "int8": count, "packed": len(data)}
        with contextlib.suppress(UnsupportedError, InputError):
            found["compressed"] = len(compress(data, "zstd"))
        return found

    @property
    def parameters(self) -> int:
        """Weights that the network holds, whatever their bits."""
        return sum(n.attrs.parameters(View(self.graph, n)) for n in self.graph.nodes if isinstance(n.attrs, Op))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return sum(n.attrs.macs(View(self.graph, n)) for n in self.graph.nodes if isinstance(n.attrs, Op))

    def save(self, path: str | os.PathLike[str], compression: str | None = None) -> None:
        """Write an .intq file, atomically; with compression="zstd" entropy-coded, which `load` sees by itself."""
        format.write_atomically(path, compress(self.to_bytes(), compression))

    def to_bytes(self) -> bytes:
        return format.to_bytes(self.graph, self.numerics, self.recipe)

    @classmethod
    def from_bytes(cls, data: bytes, *, max_arena: int = MAX_ARENA, max_macs: int = MAX_MACS) -> Model:
        graph, numerics, recipe = format.from_bytes(decompress(data))
        return cls(graph, numerics=numerics, recipe=recipe, max_arena=max_arena, max_macs=max_macs)

    def describe(self) -> str:
        """The graph as text: one line per node with output shape, scale, zero point, MACs and the tightest bound."""
        lines = [f"{self.name}: numerics {self.numerics}, {len(self.graph.nodes)} nodes, {self.macs:,} MACs, {self.weight_bytes:,} bytes"]
        lines += [f"  input  {p.name} {list(p.shape)}" for p in self.inputs] + [f"  output {p.name} {list(p.shape)}" for p in self.outputs]
        for node in self.graph.nodes:
            v = View(self.graph, node)
            scale = v.y().scale
            bounds = self.bounds.get(node.name, [])
            used = max((max(-b.lo, b.hi) / b.limit for b in bounds), default=0.0)
            shown = f"{scale:.6g}" if isinstance(scale, float | int) else f"{len(scale)} scales"
            proof = f", accumulator at most {100 * used:.2g} % of its limit" if bounds else ""
            rounding = f" {node.attrs.rounding}" if hasattr(node.attrs, "rounding") else ""
            lines.append(f"  {node.op}{rounding} {node.name}: {v.y().dtype}{list(v.y().shape)} scale {shown} zero point {v.y().zero_point}{proof}")
        return "\n".join(lines)


def load(path: str | os.PathLike[str], *, numerics: str = "litert", max_arena: int = MAX_ARENA, max_macs: int = MAX_MACS) -> Model:
    """Read a model: .intq, or an already quantized .tflite with `numerics` "litert" or "tflm".

    Raises FormatError for a malformed file, BoundError where an accumulator could overflow, UnsupportedError for operators that intq lacks,
    InputError for a file that cannot be read.
    """
    check_numerics(numerics)
    path = Path(path)
    if path.suffix == ".onnx":
        raise InputError(f"{path}: a float model needs calibration data; use intq.converter.convert or `intq convert`")
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if path.suffix == ".tflite" or data[4:8] == b"TFL3":
        try:
            from .converter.tflite import load_tflite
        except ImportError as error:
            raise UnsupportedError(f"cannot read {path}: {missing(error)}") from None
        with about(path):
            return Model(load_tflite(data, numerics=numerics), numerics=numerics, max_arena=max_arena, max_macs=max_macs)
    with about(path):
        if not data:
            raise FormatError("the file is empty")
        return Model.from_bytes(data, max_arena=max_arena, max_macs=max_macs)
