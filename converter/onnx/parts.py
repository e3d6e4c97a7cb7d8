"""Split of a constant, which the folding of onnxscript leaves alone for its several outputs, as in packed weights of attention."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir


def split_constants(model: ir.Model) -> None:
    """Parts of an initializer become initializers under the names of the outputs."""
    outputs = set(model.graph.outputs)
    for node in list(model.graph):
        whole = ir.convenience.get_const_tensor(node.inputs[0]) if node.op_type == "Split" and node.inputs[0] is not None else None
        if whole is None or not outputs.isdisjoint(node.outputs):
            continue
        array, axis = whole.numpy(), node.attributes["axis"].as_int() if "axis" in node.attributes else 0
        given = node.inputs[1] if len(node.inputs) > 1 else None
        count = -(-array.shape[axis] // len(node.outputs))
        sizes = ir.convenience.get_const_tensor(given) if given is not None else None
        if given is not None and sizes is None:
            continue
        ends = np.cumsum(sizes.numpy()) if sizes is not None else [count * (i + 1) for i in range(len(node.outputs))]
        for output, part in zip(list(node.outputs), np.split(array, ends[:-1], axis), strict=True):
            name, output.name = output.name, None
            value = ir.val(name, const_value=ir.tensor(part, name=name))
            model.graph.register_initializer(value)
            ir.convenience.replace_all_uses_with(output, value)
        model.graph.remove(node)
