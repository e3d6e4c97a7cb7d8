"""A cleaned ONNX model as a `Float` network: names, attributes, arrays, and the batch made free where the source allows it."""

from __future__ import annotations

import math

import onnx
import onnx.helper
import onnx.numpy_helper

from ...checks import MAX_ARENA
from ...errors import InputError, UnsupportedError
from ..ir import Float, Node, Value
from .emit import run_once
from .load import refuse_unknown
from .qdq import import_qdq


def read(proto: onnx.ModelProto, batch_is_free: bool = True, aliases: dict[str, str] | None = None) -> Float:
    """`batch_is_free`: axis 0 of every input was symbolic in the source, so that constant target shapes may be generalised.

    `aliases` is filled, for an already quantized model, with the float value that each 8-bit name stands for.
    """
    refuse_unknown(proto)  # functions have been inlined since the first time
    graph = proto.graph
    version = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 17)
    net = Float(graph.name or "model", version)
    net.constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    if graph.sparse_initializer:
        raise UnsupportedError("sparse initializers are not supported; store the weights dense")
    for entry in [*graph.input, *graph.value_info, *graph.output]:
        tensor = entry.type.tensor_type
        if entry.name not in net.constants and tensor.elem_type and tensor.HasField("shape"):
            dims = tuple(dim.dim_value for dim in tensor.shape.dim)
            if all(dim > 0 for dim in dims):
                net.values[entry.name] = Value(dims, str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)))
    net.inputs = [entry.name for entry in graph.input if entry.name not in net.constants]
    net.outputs = list(dict.fromkeys(entry.name for entry in graph.output))
    if not net.inputs or not net.outputs:
        raise InputError("the model has no inputs, or no outputs")
    taken: set[str] = set()
    for position, node in enumerate(graph.node):
        net.nodes.append(_node(node, position, taken))
    refuse_huge(net)
    _infer_missing(net)
    refuse_huge(net)
    net.remove_dead()
    for name in net.inputs:
        net.values.setdefault(name, Value((1,)))
    net.check("import")
    net.whole = any(net.shape(name)[:1] != (1,) for name in net.inputs)
    net.free_batch = batch_is_free and not net.whole
    if net.free_batch:
        free_batch(net)
    import_qdq(net, {} if aliases is None else aliases)
    return net


def _node(node: onnx.NodeProto, position: int, taken: set[str]) -> Node:
    name = node.name or (node.output[0] if node.output else f"{node.op_type}_{position}")
    if name in taken:
        name = f"{name}#{position}"
    taken.add(name)
    attrs = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        attrs[attribute.name] = value.decode() if isinstance(value, bytes) else value
    domain = "" if node.domain == "ai.onnx" else node.domain
    return Node(name, node.op_type, list(node.input), list(node.output), attrs, domain)


def refuse_huge(net: Float) -> None:
    """Raise `InputError` for a value that no `Session` would have memory for, before anything computes it."""
    for name, value in net.values.items():
        if math.prod(value.shape) > MAX_ARENA:
            raise InputError(f"the value {name!r} has shape {list(value.shape)}, more than {MAX_ARENA:,} elements: correct the model's dimensions")


def _infer_missing(net: Float) -> None:
    """Where shape inference gave up, run the network once on zeros and take the shapes that come out."""
    missing = [name for node in net.nodes for name in node.outputs if name and name not in net.values]
    if missing:
        for name, array in run_once(net, missing).items():
            net.values[name] = Value(tuple(array.shape), str(array.dtype))


def free_batch(net: Float) -> None:
    """Target shapes that were folded with batch 1 get 0 ("as the input") in axis 0, which is what they meant in the source."""
    for node in net.nodes:
        if node.op != "Reshape" or node.inputs[1] not in net.constants or node.inputs[0] in net.constants:
            continue
        target = net.constants[node.inputs[1]].copy()
        if target.size and target[0] == 1 and net.shape(node.inputs[0])[:1] == (1,) and not node.attrs.get("allowzero"):
            target[0] = 0
            node.inputs[1] = net.constant(f"{node.name}/shape", target)
