"""Small ONNX models for tests of the importer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper as h
import onnx.numpy_helper
import onnx.shape_inference
import onnxruntime

F32 = npt.NDArray[np.float32]
RNG = np.random.default_rng(20)


def rand(*shape: int) -> F32:
    return RNG.normal(size=shape).astype(np.float32)


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    outputs: Sequence[str],
    opset: int = 17,
    **constants: npt.ArrayLike,
) -> onnx.ModelProto:
    """float32 inputs (a string is a free dimension); types and shapes of the outputs are inferred."""
    graph = h.make_graph(
        list(nodes),
        "g",
        [h.make_tensor_value_info(name, 1, list(shape)) for name, shape in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return onnx.shape_inference.infer_shapes(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8))


def reference(proto: onnx.ModelProto, feeds: Mapping[str, F32]) -> list[npt.NDArray[np.generic]]:
    """What onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return list(onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, dict(feeds)))
