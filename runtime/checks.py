"""Everything that must hold before a kernel runs: the graph's invariants, the limits, and the accumulator bounds.

Used on every load and after every conversion; nothing that a file claims is trusted.
"""

from __future__ import annotations

import numpy as np

from .errors import BoundError, FormatError
from .graph import DTYPES, RANGES, Graph, Port, Tensor
from .ops import Bound, Op, View

MAX_NODES = 100_000
MAX_AXIS = 2**31 - 1
MAX_ARENA = 2**31
MAX_MACS = 2**42


def check_graph(graph: Graph, *, max_arena: int = MAX_ARENA, max_macs: int = MAX_MACS) -> None:
    """Raise FormatError where the graph is not one that every backend can run safely."""
    if len(graph.nodes) > MAX_NODES:
        raise FormatError(f"{len(graph.nodes)} nodes; the limit is {MAX_NODES}")
    if not graph.inputs or not graph.outputs:
        raise FormatError("a graph needs at least one input and one output")
    for name, tensor in graph.tensors.items():
        check_tensor(graph, name, tensor, max_arena)
    known = set(graph.constants)
    written = set(known)
    for port in graph.inputs:
        check_port(graph, port, "input")
        if port.tensor in written:
            raise FormatError(f"input {port.name!r}: tensor {port.tensor!r} is a constant or another input already")
        written.add(port.tensor)
    for state in graph.states:
        if state.read not in graph.tensors or state.read in written:
            raise FormatError(f"state {state.read!r} is unknown, or an input or constant")
        written.add(state.read)
    work = 0
    for node in graph.nodes:
        work += check_node(graph, View(graph, node), written)
        if work > max_macs:
            raise FormatError(f"node {node.name!r}: the network needs more than max_macs = {max_macs} steps; raise the limit if that is meant")
    for port in graph.outputs:
        check_port(graph, port, "output")
        if port.tensor not in written:
            raise FormatError(f"output {port.name!r}: nothing writes tensor {port.tensor!r}")
    check_states(graph, written)
    total = sum(t.nbytes for t in graph.activations())
    if total > 64 * max_arena:
        raise FormatError(f"activations take {total} bytes; the limit is 64 times max_arena = {max_arena}")


def check_tensor(graph: Graph, name: str, t: Tensor, max_arena: int) -> None:
    def fail(reason: str) -> None:
        raise FormatError(f"tensor {name!r}: {reason}")

    if t.name != name or t.dtype not in DTYPES:
        fail(f"name {t.name!r} or dtype {t.dtype!r} is wrong; dtypes: {', '.join(DTYPES)}")
    if t.shape and (min(t.shape) <= 0 or max(t.shape) > MAX_AXIS or len(t.shape) > 8):
        fail(f"shape {list(t.shape)} must have at most 8 dimensions, each in 1..{MAX_AXIS}")
    if t.nbytes > max_arena:
        fail(f"{t.nbytes} bytes; the limit max_arena is {max_arena}")
    scales = t.scale if isinstance(t.scale, tuple) else (t.scale,)
    if not (min(scales, default=1.0) >= 2.0**-126 and sum(scales) <= 2.0**126):  # the edge needs the scale and its inverse in float32
        fail("a scale is outside 2^-126..2^126")
    least, most = RANGES[t.dtype]
    if not least <= t.zero_point <= most:
        fail(f"zero point {t.zero_point} is outside {t.dtype}")
    if name in graph.constants:
        a = graph.constants[name]
        if a.shape != t.shape or str(a.dtype) != t.dtype:
            fail(f"data is {a.dtype}{list(a.shape)}, the graph says {t.dtype}{list(t.shape)}")


def check_port(graph: Graph, port: Port, kind: str) -> None:
    if port.tensor not in graph.tensors:
        raise FormatError(f"{kind} {port.name!r}: tensor {port.tensor!r} is unknown")
    t = graph.tensors[port.tensor]
    if sorted(port.perm) != list(range(len(port.shape))) or len(port.shape) > 6 or any(not 0 < d <= MAX_AXIS for d in port.shape):
        raise FormatError(f"{kind} {port.name!r}: shape {list(port.shape)} and perm {list(port.perm)} must have the same 0 to 6 axes")
    if int(np.prod(port.shape, dtype=object)) != t.size:
        raise FormatError(f"{kind} {port.name!r}: shape {list(port.shape)} does not hold the {t.size} elements of tensor {port.tensor!r}")


def check_node(graph: Graph, v: View, written: set[str]) -> int:
    """Check one node and return its work."""
    op = v.node.attrs
    assert isinstance(op, Op)
    for name in (*v.node.inputs, *v.node.outputs):
        if name not in graph.tensors:
            v.fail(f"tensor {name!r} is unknown")
    for name in v.node.inputs:
        if name not in written:
            v.fail(f"tensor {name!r} is read before anything writes it")
    for name in v.node.outputs:
        if name in written:
            v.fail(f"tensor {name!r} is written twice")
        written.add(name)
    op.arity(v)
    if v.is_constant(0) and all(v.is_constant(i) for i in range(len(v.node.inputs))):
        v.fail("all inputs are constants; fold it")
    expected = op.shape(v)
    if expected != v.y().shape:
        v.fail(f"output {v.y().name!r} has shape {list(v.y().shape)}, the inputs give {list(expected)}")
    op.check(v)
    bounds = op.bounds(v)
    worst = bounds.unsafe() if bounds else None
    if bounds and worst is not None:
        raise BoundError(bound_message(bounds.row(worst)))
    return op.work(v)


def check_states(graph: Graph, written: set[str]) -> None:
    for state in graph.states:
        if state.write not in written or state.write in graph.constants:
            raise FormatError(f"state {state.read!r}: nothing writes {state.write!r}")
        a, b = graph.tensors[state.read], graph.tensors[state.write]
        if (a.shape, a.dtype) != (b.shape, b.dtype):
            raise FormatError(f"state {state.read!r}: {state.write!r} has another shape or dtype")


def bound_message(bound: Bound) -> str:
    return (
        f"node {bound.node!r}, channel {bound.channel}: the accumulator can reach {bound.lo}..{bound.hi}, beyond +-{bound.limit - 1}. "
        "Raise the weight scale of this channel, split its input channels, or use a rounding with a wider range (q31_single, or i64_15 for 16 bits)."
    )


def graph_bounds(graph: Graph) -> dict[str, list[Bound]]:
    """The proven accumulator range of every channel of every node that accumulates."""
    found = {}
    for node in graph.nodes:
        assert isinstance(node.attrs, Op)
        bounds = node.attrs.bounds(View(graph, node))
        if bounds:
            found[node.name] = [bounds.row(i) for i in range(len(bounds.lo))]
    return found


def batchable(graph: Graph) -> bool:
    """Whether one plan may serve any batch size: axis 0 is 1 everywhere and no op mixes it."""
    if any(p.tensor in graph.constants for p in graph.outputs):  # which a batch does not make longer
        return False
    if graph.states or any(not t.shape or t.shape[0] != 1 for t in graph.activations()):
        return False
    if any(not p.shape or p.shape[0] != 1 or p.perm[0] != 0 for p in (*graph.inputs, *graph.outputs)):
        return False
    return all(node.attrs.batchable(View(graph, node)) for node in graph.nodes if isinstance(node.attrs, Op))
