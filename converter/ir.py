"""The float network between ONNX and the integer graph: ONNX nodes over named values, plus three things ONNX lacks.

A node may carry a `clamp` (an activation fused into it), a `body` (the ONNX nodes that an `Affine`, `Unary` or other composite
stands for, so that it can always be executed in float) and keeps the layer's name in the source model. Shapes are those of
a single sample: axis 0, where it is the batch, is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FormatError

Array = npt.NDArray[Any]
INF = float("inf")


@dataclass
class Node:
    """One operation; `op` is the ONNX operator, or a composite's name when `body` is given. An absent optional input is ''."""

    name: str
    op: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)
    domain: str = ""
    clamp: tuple[float, float] | None = None
    body: list[Node] = field(default_factory=list)

    @property
    def output(self) -> str:
        return self.outputs[0]


@dataclass
class Value:
    """Shape (batch 1) and NumPy dtype name of an activation."""

    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True)
class QuantizedConstant:
    """Integers that a source model stores for a constant: real = scale * (q - zero_point) along `axis`, int8."""

    q: Array
    scale: Array
    zero_point: Array
    axis: int


class Float:
    """A float network in execution order: `values` describes the activations, `constants` holds every array.

    `free_batch` says that any N may be put in place of the 1 in axis 0. `pinned` and `quantized` are empty unless the source is
    quantized already.
    """

    def __init__(self, name: str = "model", opset: int = 17) -> None:
        self.name = name
        self.opset = opset
        self.nodes: list[Node] = []
        self.values: dict[str, Value] = {}
        self.constants: dict[str, Array] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []
        self.free_batch = True
        self.lifted = False  # nodes of the source move the batch
        self.whole = False  # axis 0 is no batch: the source fixes it to another size than 1, and the network runs on exactly that
        self.levels: dict[str, tuple[float, int]] = {}  # scale and zero point of activations that the source rounds to a few levels
        self.signs: set[str] = set()  # activations of which nothing but the sign is read
        self.masked: set[str] = set()  # sums of scores and a mask, which only a Softmax reads
        self.pinned: dict[str, tuple[float, int]] = {}  # scale and int8 zero point of activations that the source fixes
        self.quantized: dict[str, QuantizedConstant] = {}  # integers of constants that the source fixes

    def shape(self, name: str) -> tuple[int, ...]:
        if name in self.constants:
            return tuple(int(d) for d in self.constants[name].shape)
        return self.values[name].shape

    def producers(self) -> dict[str, Node]:
        return {name: node for node in self.nodes for name in node.outputs if name}

    def consumers(self) -> dict[str, list[Node]]:
        """Every node that reads a value, in order; a graph output adds nothing here (see `single_use`)."""
        uses: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    uses.setdefault(name, []).append(node)
        return uses

    def single_use(self, name: str, uses: dict[str, list[Node]]) -> bool:
        """Exactly one node reads `name`, and it is no graph output."""
        return len(uses.get(name, [])) == 1 and name not in self.outputs

    def fresh(self, stem: str) -> str:
        """A name that no value or constant has yet."""
        if stem not in self.constants and stem not in self.values:
            return stem
        number = 1
        while f"{stem}_{number}" in self.constants or f"{stem}_{number}" in self.values:
            number += 1
        return f"{stem}_{number}"

    def constant(self, stem: str, array: Array) -> str:
        """Store an array under a new name and return the name."""
        name = self.fresh(stem)
        self.constants[name] = np.asarray(array)
        return name

    def activations(self, node: Node) -> list[str]:
        """The inputs of a node that are computed, in order."""
        return [name for name in node.inputs if name and name not in self.constants]

    def remove_dead(self) -> None:
        """Drop nodes, values and constants that no output needs."""
        needed = set(self.outputs)
        kept = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(name for name in node.inputs if name)
                needed.update(name for inner in walk(node.body) for name in inner.inputs if name in self.constants)
        self.nodes = kept[::-1]
        needed.update(self.inputs)
        made = {name for node in self.nodes for name in node.outputs}
        self.values = {name: value for name, value in self.values.items() if name in needed or name in made}
        self.constants = {name: array for name, array in self.constants.items() if name in needed}

    def check(self, after: str) -> None:
        """Raise `FormatError` where an invariant is broken: order, single definition, known shapes. `after` names the pass to blame."""
        defined = set(self.constants) | set(self.inputs)
        for node in self.nodes:
            for name in node.inputs:
                if name and name not in defined:
                    raise FormatError(f"{after}: node {node.name!r} reads {name!r} before it is computed")
            for name in node.outputs:
                if name in defined:
                    raise FormatError(f"{after}: {name!r} is computed twice, the second time by {node.name!r}")
                if name and name not in self.values:
                    raise FormatError(f"{after}: the shape of {name!r} is unknown")
                defined.add(name)
        for name in self.outputs:
            if name not in defined:
                raise FormatError(f"{after}: nothing computes the output {name!r}")


def walk(nodes: list[Node]) -> Iterator[Node]:
    """The nodes of a body, and of their bodies."""
    for node in nodes:
        yield node
        yield from walk(node.body)
