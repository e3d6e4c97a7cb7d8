"""Collects one C file while emitters walk the graph: kernels used, constant arrays, layer structs and the calls of the run function."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from ..arena import Interval, place
from ..errors import UnsupportedError
from ..graph import Array, Graph
from ..ops import View

TEXT = Path(__file__).parent / "text"
CTYPES = {"int8": "int8_t", "uint8": "uint8_t", "int16": "int16_t", "uint16": "uint16_t", "int32": "int32_t", "int64": "int64_t"}
ALIGN = 8
MULTIPLIER = {"q15": "int16_t", "q15_right": "int16_t"}  # the C type of a channel's multiplier; int32_t elsewhere


class Layer(msgspec.Struct):
    """What one node became: its comment, its calls, bytes of constants, MACs."""

    name: str
    comment: str
    calls: list[str]
    constant_bytes: int = 0
    macs: int = 0


def identifier(text: str) -> str:
    """A C identifier close to the text."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower()
    return f"m_{name}" if not name or name[0].isdigit() else name


class Source:
    """State of one export. Emitters call `use`, `array`, `struct` and `call`; tensors appear in calls through `ref`."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.kernels: dict[tuple[str, str], str] = {}
        self.data: list[str] = []
        self.layers: list[Layer] = []
        self.max_taps = 0
        self.names: dict[str, str] = {}  # tensor -> C variable
        self.aliases: dict[str, str] = {}
        self.scratch: dict[str, tuple[int, int]] = {}  # C variable -> bytes, layer
        self.arrays: dict[tuple[str, bytes], str] = {}
        self.touched: dict[str, list[int]] = {}  # tensor -> layers that use it
        self.kept: dict[str, int] = {}  # C variable of a state -> offset at the start of the arena
        self.kept_bytes = 0

    # ----- kernels -----

    def use(self, kernel: str, rounding: str = "", **words: str) -> None:
        """Add a file of text/ and what it needs, once for every choice of the @words@ in it."""
        text = (TEXT / f"{kernel}.c").read_text()
        words = {"rounding": rounding, "multiplier": MULTIPLIER.get(rounding, "int32_t"), **words}
        first, _, rest = text.partition("\n")
        needs = first.startswith("needs:")
        body = filled(rest if needs else text, words)
        if (kernel, body) in self.kernels:
            return
        self.kernels[kernel, body] = ""
        for name in first.removeprefix("needs:").split() if needs else ():
            self.use(filled(name, words), **words)
        del self.kernels[kernel, body]  # after what it needs
        self.kernels[kernel, body] = body

    # ----- constants -----

    def array(self, hint: str, array: Array, note: str = "") -> str:
        """A const array; equal contents are stored once. Returns its name."""
        array = np.ascontiguousarray(array)
        key = (str(array.dtype), array.tobytes())
        if key not in self.arrays:
            name = self.arrays[key] = f"{self.layer_name}_{hint}"
            values = array.reshape(-1).tolist()
            ctype = CTYPES[str(array.dtype)]
            shape = note or "x".join(map(str, array.shape))
            self.data.append(f"static const {ctype} {name}[{len(values)}] = {{ /* {shape} */\n{rows(values, str(array.dtype))}}};")
            if self.layers:
                self.layers[-1].constant_bytes += array.nbytes
        return self.arrays[key]

    def struct(self, ctype: str, fields: dict[str, Any], hint: str = "layer") -> str:
        """A const struct of a layer; a dict stands for a struct within. Returns the expression of its address."""
        name = f"{self.layer_name}_{hint}"
        self.data.append(f"static const {ctype} {name} = {{\n{struct_fields(fields, 4)}}};")
        return f"&{name}"

    # ----- tensors -----

    def ref(self, name: str) -> str:
        """The C variable of an activation, or the array of a constant."""
        if name in self.graph.constants:
            return self.array("constant", self.graph.constants[name])
        root = self.root(name)
        self.touched.setdefault(root, []).append(len(self.layers) - 1)
        return self.names[root]

    def root(self, name: str) -> str:
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def temporary(self, nbytes: int, hint: str) -> str:
        """Scratch of this layer within the arena."""
        name = f"{self.layer_name}_{hint}"
        self.scratch[name] = (nbytes, len(self.layers) - 1)
        return name

    # ----- layers -----

    @property
    def layer_name(self) -> str:
        return self.layers[-1].name if self.layers else "network"

    def begin(self, v: View, number: int) -> None:
        op = v.node.attrs
        macs = int(op.macs(v))  # type: ignore[attr-defined]
        inputs = [v.x(i) for i in range(len(v.node.inputs)) if not v.is_constant(i)]
        shapes = ", ".join(dims(t.shape) for t in inputs)
        work = f", {macs:,} MACs" if macs else ""
        comment = f'{number + 1}. {v.node.op} "{readable(v.node.name)}": {shapes} -> {dims(v.y().shape)}{work}'
        self.layers.append(Layer(f"{v.node.op}_{number + 1}", comment, [], 0, macs))

    def call(self, text: str) -> None:
        self.layers[-1].calls.append(text)

    def unsupported(self, v: View, what: str) -> NoReturn:
        raise UnsupportedError(f"node {v.node.name!r}: {what} has no C export")

    # ----- memory -----

    def arena(self, outside: set[str]) -> tuple[dict[str, int], int, int]:
        """Offsets by C variable, the arena's bytes, and the lower bound: the largest sum of tensors alive at once."""
        spans = []
        kept = self.kept_bytes
        for name, at in self.touched.items():
            if name not in outside and self.names[name] not in self.kept:
                size = max(t.nbytes for t in self.graph.activations() if self.root(t.name) == name)
                spans.append(Interval(self.names[name], size, min(at), max(at)))
        steps = range(len(self.layers))
        bound = max((sum(s.size for s in spans if s.first <= i <= s.last) for i in steps), default=0)
        spans += [Interval(name, size, at, at) for name, (size, at) in self.scratch.items()]
        offsets, total = place(spans, 0, ALIGN)
        return {name: at + kept for name, at in offsets.items()} | self.kept, total + kept, bound + kept


def filled(text: str, words: dict[str, str]) -> str:
    """The text with every @word@ replaced."""
    return re.sub(r"@(\w+)@", lambda m: words[m[1]], text)


def dims(shape: Sequence[int]) -> str:
    """A shape without its batch of one: 49x10x1."""
    return "x".join(map(str, shape[1:] if len(shape) > 1 and shape[0] == 1 else shape)) or "1"


def readable(name: str) -> str:
    """A node's name for a comment: printable, of bounded length, unable to end or start one."""
    name = re.sub(r"[^\x20-\x7e]|\\|\?\?", "?", name.split(";")[0]).replace("*/", "* /").replace("/*", "/ *").replace('"', "'")
    return name if len(name) <= 80 else "..." + name[-77:]


def number(value: int, dtype: str) -> str:
    """A literal that no compiler warns about."""
    if dtype == "int64":
        return f"INT64_C({value})" if value > -(2**63) else "INT64_MIN"
    return "INT32_MIN" if value == -(2**31) else str(value)


def rows(values: list[int], dtype: str) -> str:
    """Values as lines of at most 120 columns."""
    out, line = [], "   "
    for value in values:
        item = f" {number(value, dtype)},"
        if len(line) + len(item) > 120:
            out.append(line)
            line = "   "
        line += item
    return "\n".join([*out, line]) + "\n"


def struct_fields(fields: dict[str, Any], indent: int) -> str:
    pad, out = " " * indent, ""
    for name, value in fields.items():
        if isinstance(value, dict):
            out += f"{pad}.{name} = {{\n{struct_fields(value, indent + 4)}{pad}}},\n"
        else:
            out += f"{pad}.{name} = {number(int(value), 'int32') if not isinstance(value, str) else value},\n"
    return out
