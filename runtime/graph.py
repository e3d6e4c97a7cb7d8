"""The integer graph: tensors, nodes, ports. Start reading the runtime here.

A graph is a list of nodes in execution order over named tensors. Activations are stored NHWC (or any shape for data that is
no image) with one scale and one zero point each; weights carry one scale per output channel. Scales are metadata: what runs
are the integers in the attributes and constants of the nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt

from .errors import FormatError

Array = npt.NDArray[Any]
DTYPES = ("int8", "uint8", "int16", "int32", "int64")
RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


class Tensor(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An activation or a constant. `scale` is a number, or one number per channel of a weight; `zero_point` is an integer of the dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | tuple[float, ...] = 1.0
    zero_point: int = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=object)) if self.shape else 1

    @property
    def nbytes(self) -> int:
        return self.size * np.dtype(self.dtype).itemsize


class Attrs(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of the typed attributes of an op; one subclass per op, in `intq.ops`."""

    op: ClassVar[str]


class Node(msgspec.Struct, kw_only=True):
    """One operation. `inputs` and `outputs` are tensor names, constants included."""

    name: str
    attrs: Attrs
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @property
    def op(self) -> str:
        return self.attrs.op


class Port(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A graph input or output as the source model knows it.

    A source array of shape `shape` (axis 0 is the batch) is permuted by `perm` and reshaped to the tensor's shape to get the storage layout.
    """

    name: str
    tensor: str
    shape: tuple[int, ...]
    perm: tuple[int, ...]


class State(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A variable kept between calls: tensor `read` holds the value on entry, `write` what is kept on exit. Starts at the zero point of `read`."""

    read: str
    write: str


class Graph:
    """Nodes in execution order, tensors by name, constant arrays by tensor name, ports and state variables."""

    def __init__(self, name: str = "model") -> None:
        self.name = name
        self.tensors: dict[str, Tensor] = {}
        self.constants: dict[str, Array] = {}
        self.nodes: list[Node] = []
        self.inputs: list[Port] = []
        self.outputs: list[Port] = []
        self.states: list[State] = []

    # ----- building -----

    def tensor(
        self, name: str, shape: tuple[int, ...], dtype: str = "int8", scale: float | tuple[float, ...] = 1.0, zero_point: int = 0
    ) -> str:
        """Add an activation and return its name; the name must be new."""
        if name in self.tensors:
            raise FormatError(f"tensor {name!r} is defined twice")
        shape = tuple(int(d) for d in shape)
        self.tensors[name] = Tensor(name=name, shape=shape, dtype=dtype, scale=scale, zero_point=int(zero_point))
        return name

    def constant(self, name: str, array: Array, scale: float | tuple[float, ...] = 1.0, zero_point: int = 0) -> str:
        """Add a constant array and return its name."""
        array = np.ascontiguousarray(array)
        self.tensor(name, array.shape, str(array.dtype), scale, zero_point)
        self.constants[name] = array
        return name

    def node(self, attrs: Attrs, inputs: list[str], outputs: list[str], name: str | None = None) -> Node:
        """Append a node; its name defaults to that of its first output."""
        node = Node(name=name or outputs[0], attrs=attrs, inputs=tuple(inputs), outputs=tuple(outputs))
        self.nodes.append(node)
        return node

    # ----- reading -----

    def of(self, name: str) -> Tensor:
        return self.tensors[name]

    def activations(self) -> Iterator[Tensor]:
        """Every tensor that is no constant."""
        return (t for t in self.tensors.values() if t.name not in self.constants)

    def consumers(self) -> dict[str, list[Node]]:
        uses: dict[str, list[Node]] = {name: [] for name in self.tensors}
        for node in self.nodes:
            for name in node.inputs:
                uses[name].append(node)
        return uses

    def producers(self) -> dict[str, Node]:
        return {name: node for node in self.nodes for name in node.outputs}
