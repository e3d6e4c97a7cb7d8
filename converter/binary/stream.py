"""Residual streams: the values that feed signs through additions are kept in int16 at one scale, so that no sign is lost to rounding."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Float, Node, Value

STREAM = {"Add": "StreamAdd", "Concat": "StreamConcat", "AveragePool": "StreamAveragePool"}
HEADROOM = 2.0  # the stream's range is this many times what calibration saw


def joined(node: Node) -> list[str]:
    """The inputs that have the scale of the node's output because both lie in a stream."""
    if node.op.startswith("Stream"):
        return list(node.inputs)
    return [node.inputs[3]] if node.op == "BinaryConv" and len(node.inputs) > 3 else []


def is_stream(node: Node) -> bool:
    """Whether the node's output is int16."""
    return node.op.startswith("Stream") or node.op == "Widen" or (node.op == "BinaryConv" and bool(node.attrs.get("stream")))


def streams(net: Float) -> None:
    """Mark the streams, add residuals inside binary convolutions, and put conversions at the ends."""
    members = _members(net)
    if not members:
        return
    for node in members:
        if node.op == "BinaryConv":
            node.attrs["stream"] = True
        else:
            node.op = STREAM[node.op]
    _add_residuals(net)
    _widen(net)
    _narrow(net)


def _members(net: Float) -> list[Node]:
    """Nodes whose outputs lie in a stream: reached backwards from the inputs of signs."""
    producers = net.producers()
    found: dict[int, Node] = {}
    todo = [node.inputs[0] for node in net.nodes if node.op == "BinarySign"]
    while todo:
        node = producers.get(todo.pop())
        if node is None or id(node) in found or not _can_stream(net, node):
            continue
        found[id(node)] = node
        if node.op != "BinaryConv":
            todo += node.inputs
    # an addition that only a non-binary layer reads still belongs to the stream that it ends
    for node in net.nodes:
        if node.op == "Add" and id(node) not in found and _can_stream(net, node):
            before = [producers.get(name) for name in node.inputs]
            if all(b is not None and (id(b) in found or b.op == "BinaryConv") for b in before):
                for b in before:
                    assert b is not None
                    found[id(b)] = b
                found[id(node)] = node
    return [node for node in net.nodes if id(node) in found]


def _can_stream(net: Float, node: Node) -> bool:
    if node.op == "BinaryConv":
        return not node.attrs.get("sign")
    rank = len(net.shape(node.output))
    if node.op not in STREAM or rank != 4 or any(name in net.constants for name in node.inputs):
        return False
    if node.op == "Add":
        return all(net.shape(name) == net.shape(node.output) for name in node.inputs)
    if node.clamp is not None:
        return False
    if node.op == "Concat":
        return bool(node.attrs["axis"] % rank != 0)
    return not any(node.attrs.get("pads", [])) and not node.attrs.get("ceil_mode") and set(node.attrs.get("dilations", [1])) == {1}


def _add_residuals(net: Float) -> None:
    """StreamAdd of a binary convolution's output, which nothing else reads: the convolution adds the other one itself."""
    for add in [node for node in net.nodes if node.op == "StreamAdd"]:
        producers, uses = net.producers(), net.consumers()
        for own, other in (add.inputs, add.inputs[::-1]):
            conv = producers.get(own)
            if conv is None or conv.op != "BinaryConv" or len(conv.inputs) > 3 or conv.clamp is not None or own == other:
                continue
            if net.single_use(own, uses):
                conv.inputs, conv.outputs, conv.clamp = [*conv.inputs, other], add.outputs, add.clamp
                net.nodes[net.nodes.index(add)] = conv  # the residual is known there
                net.nodes.remove(conv)
                break


def _convert(net: Float, op: str, name: str, at: int) -> str:
    """Insert a conversion of a value at a position of the list; returns the new value."""
    new = net.fresh(f"{name}/{op.lower()}")
    net.values[new] = Value(net.shape(name), net.values[name].dtype)
    net.nodes.insert(at, Node(new, op, [name], [new]))
    return new


def _reread(node: Node, old: str, new: str) -> None:
    """Nodes of an expression are shared with others, so that they are copied."""
    node.inputs = [new if used == old else used for used in node.inputs]
    node.body = [replace(inner, inputs=[new if used == old else used for used in inner.inputs]) for inner in node.body]


def _widen(net: Float) -> None:
    """int8 values that a stream reads."""
    done: dict[str, str] = {}
    for node in list(net.nodes):
        for place, name in enumerate(node.inputs):
            if name not in joined(node):
                continue
            producer = net.producers().get(name)
            if producer is not None and is_stream(producer):
                continue
            if name not in done:
                done[name] = _convert(net, "Widen", name, net.nodes.index(node))
            node.inputs[place] = done[name]


def _narrow(net: Float) -> None:
    """Values of a stream that another kind of node reads, or that are outputs of the network."""
    for node in [n for n in net.nodes if is_stream(n) and n.op != "Widen"]:
        name = node.output
        readers = [r for r in net.consumers().get(name, []) if name not in joined(r) and r.op != "BinarySign"]
        if name in net.outputs:
            inner = net.fresh(f"{name}/stream")
            net.values[inner] = Value(net.shape(name), net.values[name].dtype)
            node.outputs = [inner]
            for other in net.nodes:
                if other not in readers:
                    _reread(other, name, inner)
            net.nodes.insert(net.nodes.index(node) + 1, Node(f"{name}/narrow", "Narrow", [inner], [name]))
        elif readers:
            new = _convert(net, "Narrow", name, net.nodes.index(node) + 1)
            for reader in readers:
                _reread(reader, name, new)
