"""Windows that do not fit their image, found before anything else looks at the shapes: ONNX's inference carries negative sizes on, and a Slice
of one ends the process."""

from __future__ import annotations

import math

import onnx
import onnx.helper
import onnx.shape_inference

from ...errors import InputError

SMALL = 4096  # elements; larger weights say nothing about shapes but by their own


def refuse_negative(proto: onnx.ModelProto) -> None:
    """Raise `InputError` for a node whose output would have a negative size. Slices are looked at once what they read is known to be sound."""
    outline = _outline(proto)
    held = {name: node for node in outline.graph.node if node.op_type == "Slice" for name in node.output[:1]}
    for node in held.values():
        node.op_type = "Held"
    while True:
        shapes = _shapes(outline)
        for node in outline.graph.node:
            for name in node.output:
                if min(shapes.get(name, [0]), default=0) < 0:
                    raise InputError(f"{node.name or name!r} ({node.op_type}): its output would have shape {shapes[name]}; correct its attributes")
        ready = [name for name, node in held.items() if node.input[0] in shapes]
        for name in ready:
            held.pop(name).op_type = "Slice"
        if not ready:
            return


def _outline(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with large weights as inputs: the same shapes, in little memory."""
    found = onnx.ModelProto()
    found.opset_import.extend(proto.opset_import)
    found.ir_version = proto.ir_version
    found.graph.name = proto.graph.name
    found.graph.node.extend(proto.graph.node)
    found.graph.input.extend(proto.graph.input)
    found.graph.output.extend(onnx.ValueInfoProto(name=entry.name) for entry in proto.graph.output)
    for tensor in proto.graph.initializer:
        if math.prod(tensor.dims) <= SMALL:
            found.graph.initializer.append(tensor)
        else:
            found.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return found


def _shapes(proto: onnx.ModelProto) -> dict[str, list[int]]:
    try:
        graph = onnx.shape_inference.infer_shapes(proto).graph
    except Exception:  # what else is wrong is found, and said, by those that look for it
        return {}
    values = (*graph.input, *graph.value_info, *graph.output)
    return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values if v.type.tensor_type.HasField("shape")}
