"""Half and double precision models as float32 ones: the integers are made from either, and onnxruntime computes few operators in other types."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import AttributeProto, TensorProto

ALWAYS = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def to_float32(proto: onnx.ModelProto) -> None:
    """In place: float16 and bfloat16 everywhere, double where an input of the model has it."""
    others = set(ALWAYS)
    if any(entry.type.tensor_type.elem_type == TensorProto.DOUBLE for entry in proto.graph.input):
        others.add(TensorProto.DOUBLE)
    _graph(proto.graph, others)
    for function in proto.functions:
        _nodes(function.node, others)


def _graph(graph: onnx.GraphProto, others: set[int]) -> None:
    for entry in [*graph.input, *graph.output, *graph.value_info]:
        if entry.type.tensor_type.elem_type in others:
            entry.type.tensor_type.elem_type = TensorProto.FLOAT
    for tensor in graph.initializer:
        _tensor(tensor, others)
    _nodes(graph.node, others)


def _nodes(nodes: Iterable[onnx.NodeProto], others: set[int]) -> None:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _tensor(attribute.t, others)
            elif attribute.type == AttributeProto.GRAPH:
                _graph(attribute.g, others)
            elif attribute.name in ("to", "dtype") and attribute.i in others:
                attribute.i = TensorProto.FLOAT


def _tensor(tensor: onnx.TensorProto, others: set[int]) -> None:
    if tensor.data_type in others:
        array = onnx.numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
