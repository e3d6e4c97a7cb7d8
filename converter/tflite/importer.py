"""The importer's state: which graph tensor stands for which tensor of the file, and helpers that the operator functions share.

Everything inside is int8, int16 or int32. A uint8 tensor of the file becomes an int8 one with zero point - 128 (weights too); its values
are the file's minus 128. Constants that only describe shapes are kept as NumPy arrays and never enter the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import FormatError, UnsupportedError
from ...graph import RANGES, Graph
from ...ops import REGISTRY
from .reader import OperatorInfo, Subgraph, TensorInfo
from .rescale import activation_range

Array = npt.NDArray[Any]
INTERNAL = {"uint8": "int8", "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int32", "bool": "int8", "int4": "int8", "int2": "int8"}
OFFSET = {"uint8": 128}


class Refusal(Exception):
    """Why one operator cannot be imported; the importer collects them all into one UnsupportedError."""


class Importer:
    """Builds one Graph from one subgraph. `numerics` is "litert" or "tflm"."""

    def __init__(self, subgraphs: list[Subgraph], numerics: str, name: str) -> None:
        self.subgraphs = subgraphs
        self.subgraph = subgraphs[0]
        self.numerics = numerics
        self.graph = Graph(name)
        self.values: dict[int, str] = {}  # tensor index -> graph tensor
        self.folded: dict[int, Array] = {}  # tensor index -> value known at import
        self.variables: dict[str, str] = {}  # resource name -> graph tensor that holds its current value
        self.entries: dict[str, str] = {}  # resource name -> graph tensor that holds its value when a call begins
        self.resources: dict[int, str] = {}  # tensor index of a handle -> resource name
        self.floats: dict[int, int | None] = {}  # float tensor at the edge -> the quantized tensor that stands for it (None: not yet known)
        self.used: set[str] = set()

    # ----- the file's tensors -----

    def info(self, index: int) -> TensorInfo:
        if index < 0:
            raise FormatError("an operator lacks a tensor that it needs")
        return self.subgraph.tensors[index]

    def operand(self, op: OperatorInfo, k: int) -> int:
        """The index of input k, -1 where it is optional and absent."""
        return op.inputs[k] if k < len(op.inputs) else -1

    def has(self, op: OperatorInfo, k: int) -> bool:
        return self.operand(op, k) >= 0

    def known(self, index: int) -> bool:
        return index in self.folded or self.info(index).constant

    def value(self, index: int) -> Array:
        """A tensor known at import, as the file has it (uint8 stays uint8)."""
        if index in self.folded:
            return self.folded[index]
        info = self.info(index)
        if not info.constant:
            raise Refusal(f"tensor {info.name!r} must be known before running (a constant, or made of shapes)")
        return info.data()

    def dtype(self, index: int) -> str:
        """The dtype inside the graph. Raises Refusal for floats and the like."""
        info = self.info(index)
        if info.dtype not in INTERNAL:
            raise Refusal(f"tensor {info.name!r} is {info.dtype}, inside of an integer graph")
        return INTERNAL[info.dtype]

    def quantized(self, index: int) -> bool:
        return self.info(index).scale.size > 0

    def scale(self, index: int) -> float:
        """The single scale of an activation, 1 where the tensor is not quantized."""
        info = self.info(index)
        if info.scale.size > 1:
            raise Refusal(f"tensor {info.name!r} has a scale per channel where one is expected")
        value = float(info.scale[0]) if info.scale.size else 1.0
        return value

    def zero_point(self, index: int) -> int:
        """The zero point inside the graph."""
        info = self.info(index)
        if info.zero_point.size == 0:
            return 0 if info.scale.size == 0 else -OFFSET.get(info.dtype, 0)
        zero_point = int(info.zero_point[0]) - OFFSET.get(info.dtype, 0)
        lo, hi = RANGES[self.dtype(index)]
        if not lo <= zero_point <= hi:
            raise FormatError(f"tensor {info.name!r}: zero point {int(info.zero_point[0])} does not fit {info.dtype}")
        return zero_point

    def offset(self, index: int) -> int:
        """What the file's values have over the graph's: 128 for uint8."""
        return OFFSET.get(self.info(index).dtype, 0)

    def clamp(self, index: int, activation: int) -> tuple[int, int]:
        """The output range of a fused activation on tensor `index`, inside the graph."""
        dtype = self.dtype(index)
        try:
            return activation_range(activation, self.scale(index), self.zero_point(index), *RANGES[dtype])
        except UnsupportedError as error:
            raise Refusal(str(error)) from error

    # ----- the graph's tensors -----

    def scale_of(self, tensor: str) -> float:
        """The scale of an activation of the graph."""
        scale = self.graph.of(tensor).scale
        return scale if isinstance(scale, float) else 1.0

    def unique(self, wish: str) -> str:
        name, k = wish, 1
        while name in self.used:
            k += 1
            name = f"{wish}#{k}"
        self.used.add(name)
        return name

    def add(self, index: int, suffix: str = "", shape: tuple[int, ...] | None = None) -> str:
        """A new activation like tensor `index` of the file, of another shape where given."""
        info = self.info(index)
        name = self.unique(info.name + suffix)
        scale = self.scale(index) or 1.0
        return self.graph.tensor(name, info.shape if shape is None else shape, self.dtype(index), scale, self.zero_point(index))

    def plain(self, wish: str, shape: tuple[int, ...], dtype: str, scale: float = 1.0, zero_point: int = 0) -> str:
        """A new activation with properties of its own."""
        return self.graph.tensor(self.unique(wish), shape, dtype, scale, zero_point)

    def constant(self, wish: str, array: Array, scale: Any = 1.0, zero_point: int = 0) -> str:
        return self.graph.constant(self.unique(wish), array, scale, zero_point)

    def x(self, index: int) -> str:
        """The graph tensor of an operand: an activation, or its constant inside the graph."""
        if index in self.values:
            return self.values[index]
        info = self.info(index)
        if index not in self.folded and not info.constant:
            if info.variable:
                return self.state(index)
            raise FormatError(f"tensor {info.name!r} is used before anything has made it")
        array = self.value(index).astype(np.int64) - self.offset(index)
        dtype = self.dtype(index)
        lo, hi = RANGES[dtype]
        if array.size and (array.min() < lo or array.max() > hi):
            raise Refusal(f"constant {info.name!r} has values outside of {dtype}")
        self.values[index] = self.constant(info.name, array.astype(dtype), self.scale(index) or 1.0, self.zero_point(index))
        return self.values[index]

    def same_float(self, x: int, y: int) -> None:
        """QUANTIZE of a float input of the model: the first one makes the port, another one needs the same parameters."""
        first = self.floats[x]
        if first is None:
            self.floats[x] = y
            self.values[y] = self.add(y)
            return
        here, there = self.info(y), self.info(first)
        if here.dtype != there.dtype or self.scale(y) != self.scale(first) or self.zero_point(y) != self.zero_point(first):
            raise Refusal("a float input is quantized in two different ways")
        self.values[y] = self.values[first]

    def state(self, index: int) -> str:
        """A variable tensor of the file, read before it is written in this call."""
        self.values[index] = self.add(index)
        return self.values[index]

    def shape(self, index: int) -> tuple[int, ...]:
        """Shape of an operand; the graph's where it is an activation."""
        if index in self.values:
            return self.graph.of(self.values[index]).shape
        return self.value(index).shape if index in self.folded else self.info(index).shape

    def output(self, op: OperatorInfo, k: int = 0, shape: tuple[int, ...] | None = None) -> str:
        """The graph tensor of output k; the shape of the file must be the one that the operator computes, where given."""
        index = op.outputs[k]
        info = self.info(index)
        if shape is not None and tuple(shape) != info.shape:
            raise FormatError(f"output {info.name!r} has the shape {info.shape}, but {op.name} makes {tuple(shape)}")
        if index in self.values:
            raise FormatError(f"tensor {info.name!r} is made twice")
        self.values[index] = self.add(index)
        return self.values[index]

    def emit(self, op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        """Append a node of the graph."""
        self.graph.node(REGISTRY[op](**attrs), inputs, [output])
        return output

    def tabulate(self, source: int, target: int, fn: Callable[[Array], Array], out: str) -> None:
        """out = fn(source), a function of single values in the file's domain, as a table over all 8-bit or 16-bit inputs."""
        wide = self.dtype(source) == "int16"
        raw = np.arange(2**16 if wide else 2**8)  # the table is indexed by the raw bits
        x = raw.astype(np.uint16 if wide else np.uint8).view(np.int16 if wide else np.int8).astype(np.int64)
        y = fn(x + self.offset(source)) - self.offset(target)
        lo, hi = RANGES[self.dtype(target)]
        table = np.clip(y, lo, hi).astype(self.dtype(target))
        name = self.constant(f"{out}/table", table)
        small = not wide and table.dtype == np.int8
        self.emit("lut8" if small else "tfl_lut", [self.x(source), name], out)

    def reshape(self, tensor: str, shape: tuple[int, ...], wish: str) -> str:
        """The tensor in another shape of as many elements; itself where nothing changes."""
        like = self.graph.of(tensor)
        if like.shape == tuple(shape):
            return tensor
        out = self.plain(wish, shape, like.dtype, like.scale if isinstance(like.scale, float) else 1.0, like.zero_point)
        return self.emit("reshape", [tensor], out)
