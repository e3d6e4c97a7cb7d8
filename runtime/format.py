"""The .intq file: a safetensors container whose metadata key `intq` holds the graph as JSON.

Weights are plain, but for those of 4, 2 and 1 bits, which are packed; what a kernel wants is made at load.
Version 1 of the JSON: {"version", "name", "numerics", "recipe", "tensors", "nodes", "inputs", "outputs", "states", "packed",
"tables"}; unknown keys are errors.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import safetensors
import safetensors.numpy

from .errors import FormatError
from .graph import Graph, Node, Port, State, Tensor
from .ops import REGISTRY
from .packing import bits_of, coded, lookup, pack, unpack

VERSION = 1


class Header(msgspec.Struct):
    """The part of a safetensors header that is not about arrays."""

    metadata: dict[str, str] = msgspec.field(default_factory=dict, name="__metadata__")


class NodeRecord(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: msgspec.Raw


class GraphRecord(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    version: int
    name: str
    numerics: str
    recipe: dict[str, Any] = {}
    tensors: list[Tensor]
    nodes: list[NodeRecord]
    inputs: list[Port]
    outputs: list[Port]
    states: list[State] = []
    packed: dict[str, int] = {}
    tables: dict[str, list[int]] = {}


def to_bytes(graph: Graph, numerics: str, recipe: dict[str, Any]) -> bytes:
    """Serialize; the same graph gives the same bytes."""
    packed = {name: bits for name, array in graph.constants.items() if (bits := bits_of(array)) < 8}
    tables = {}
    arrays = dict(graph.constants)
    for name, array in graph.constants.items():
        if (found := coded(array)) is not None:
            tables[name], packed[name] = found[0].tolist(), found[1]
            arrays[name] = np.searchsorted(found[0], array).astype(np.int8)
    record = GraphRecord(
        version=VERSION,
        name=graph.name,
        numerics=numerics,
        recipe=recipe,
        tensors=list(graph.tensors.values()),
        nodes=[NodeRecord(n.name, n.op, n.inputs, n.outputs, msgspec.Raw(msgspec.json.encode(n.attrs))) for n in graph.nodes],
        inputs=graph.inputs,
        outputs=graph.outputs,
        states=graph.states,
        packed=dict(sorted(packed.items())),
        tables=dict(sorted(tables.items())),
    )
    arrays = {name: pack(array, packed[name]) if name in packed else array for name, array in arrays.items()}
    return bytes(safetensors.numpy.save(arrays, {"intq": msgspec.json.encode(record).decode()}))


def from_bytes(data: bytes) -> tuple[Graph, str, dict[str, Any]]:
    """Parse a file's bytes into (graph, numerics, recipe). Structure only: `checks.check_graph` proves that it can run.

    Raises FormatError with the place and the reason.
    """
    try:
        arrays = safetensors.numpy.load(data)
        length = int.from_bytes(data[:8], "little")
        text = msgspec.json.decode(data[8 : 8 + length], type=Header).metadata.get("intq")
    except Exception as error:  # the library raises several kinds for broken containers
        raise FormatError(f"not an .intq file: {error}") from None
    if not isinstance(text, str):
        raise FormatError("not an .intq file: a safetensors container without the metadata key 'intq'")
    try:
        record = msgspec.json.decode(text.encode(), type=GraphRecord)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError) as error:
        raise FormatError(f"graph: {error}") from None
    if record.version != VERSION:
        raise FormatError(f"format version {record.version}; this release reads version {VERSION}")
    return build(record, arrays), record.numerics, record.recipe


def build(record: GraphRecord, arrays: dict[str, np.ndarray[Any, Any]]) -> Graph:
    graph = Graph(record.name)
    for tensor in record.tensors:
        if tensor.name in graph.tensors:
            raise FormatError(f"tensor {tensor.name!r} is defined twice")
        graph.tensors[tensor.name] = tensor
    for name, array in arrays.items():
        if name not in graph.tensors:
            raise FormatError(f"data for tensor {name!r}, which the graph does not have")
        bits = record.packed.get(name)
        graph.constants[name] = np.ascontiguousarray(array) if bits is None else unpack(array, bits, graph.tensors[name])
        if bits is not None and name in record.tables:
            graph.constants[name] = lookup(graph.constants[name], record.tables[name], bits, name)
    for node in record.nodes:
        if node.op not in REGISTRY:
            raise FormatError(f"node {node.name!r}: op {node.op!r} is unknown to this release; known: {', '.join(sorted(REGISTRY))}")
        try:
            attrs = msgspec.json.decode(node.attrs, type=REGISTRY[node.op])
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise FormatError(f"node {node.name!r} ({node.op}): {error}") from None
        graph.nodes.append(Node(name=node.name, attrs=attrs, inputs=node.inputs, outputs=node.outputs))
    graph.inputs, graph.outputs, graph.states = record.inputs, record.outputs, record.states
    return graph


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise the OSError that writing `path` would end in, before the work whose result it is to hold."""
    target = Path(path)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(target.parent))
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write to a temporary file beside `path`, sync, rename: a crash leaves the old file or the new one, never half of one.

    A link stays and its target is written; a device or a pipe takes the bytes as they are. Raises OSError that names `path`.
    """
    check_target(path)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None  # not the temporary file's name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
