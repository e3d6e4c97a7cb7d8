"""The ONNX standard's own node tests (`onnx.backend.test`): which are in scope, and how one is run."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import intq
import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
from intq.converter import convert
from intq.converter.coverage import INSIDE, onnx_operators
from onnx.backend.test.loader import load_model_tests

# Why a case is out of scope. Cases of another type than float32 are no part of the count: integers are what comes out of intq.
REASONS = {
    "type": "the first input is no float32 tensor",
    "empty": "an input or output has no elements or no axes",
    "version": "the operator's version is older than opset 11, or newer than onnxruntime executes",
    "peer": "onnxruntime, which calibrates, computes something else than the standard says",
    "training": "training mode, or the mask of a dropout",
    "last index": "the last of several equal elements (select_last_index)",
    "three axes": "a transposed convolution along three image axes",
    "dilated": "dilated pooling",
    "indices": "the indices of a pooling",
    "tensor exponent": "an exponent that varies along several axes, or is no float",
    "batch": "the batch axis is removed, or axes are put in front of it",
    "outside": "a constant put outside the image",
    "resolution": "differences that 8 bits over the range of the input do not show",
}
PATTERNS = {
    "logsoftmax_large_number": "resolution",
    "select_last_index": "last index",
    "averagepool_3d_dilations": "dilated",
    "maxpool_3d_dilations": "dilated",
    "convtranspose_3d": "three axes",
    "pool_2d_dilations": "dilated",
    "maxpool_with_argmax": "indices",
    "training": "training",
    "dropout_default_mask": "training",
    "test_pow": "tensor exponent",
    "expand_dim_changed": "batch",
    "test_squeeze": "batch",
    "matmul_1d_1d": "empty",
    "extrapolation_value": "outside",
}
SCALAR_POWERS = ("test_pow_bcast_scalar",)
# Operators that leave the graph before integers are made of it, or that only an expression of one tensor may hold.
FOLDED = {"Shape", "Size", "Constant", "ConstantOfShape", "Range", "QuantizeLinear", "DequantizeLinear", *INSIDE}


@dataclass
class NodeCase:
    name: str
    op: str
    model: onnx.ModelProto
    inputs: list[np.ndarray]
    outputs: list[np.ndarray]
    reason: str = ""


@functools.cache
def cases() -> list[NodeCase]:
    """All node tests of supported operators; `reason` says why one is out of scope."""
    supported = set(onnx_operators()) - FOLDED
    found = []
    for test in load_model_tests(kind="node"):
        model = test.model
        ops = {node.op_type for node in model.graph.node}
        if len(ops) != 1 or not ops <= supported or any(node.domain for node in model.graph.node):
            continue
        inputs, outputs = ([_array(a) for a in arrays] for arrays in test.data_sets[0])
        case = NodeCase(test.name, ops.pop(), model, inputs, outputs)
        case.reason = out_of_scope(case)
        found.append(case)
    return found


def _array(value: object) -> np.ndarray:
    """A tensor; sequences and optionals become an array of objects, which is out of scope."""
    return np.asarray(value) if isinstance(value, (np.ndarray, np.generic)) else np.zeros(1, object)


def out_of_scope(case: NodeCase) -> str:
    version = next((entry.version for entry in case.model.opset_import if entry.domain == ""), 0)
    if not case.inputs or case.inputs[0].dtype != np.float32:
        return "type"
    for pattern, reason in PATTERNS.items():
        if pattern in case.name and case.name not in SCALAR_POWERS and not (pattern == "test_squeeze" and "negative" in case.name):
            return reason
    if any(a.size == 0 or a.dtype == object for a in [*case.outputs, case.inputs[0]]) or case.inputs[0].ndim == 0:
        return "empty"
    if version < 11:
        return "version"
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        session = onnxruntime.InferenceSession(case.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, dict(zip([info.name for info in case.model.graph.input], case.inputs, strict=True)))
    except Exception:  # onnxruntime has a dozen exception classes without a common base
        return "version"
    same = all(np.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True) for a, b in zip(results, case.outputs, strict=True) if a.dtype == np.float32)
    return "" if same else "peer"


def frozen(case: NodeCase) -> onnx.ModelProto:
    """The model with every input but the first as an initializer."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for info, array in zip(list(model.graph.input)[1:], case.inputs[1:], strict=True):
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, info.name))
        model.graph.input.remove(info)
    return model


def run(case: NodeCase) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    """(expected, integer result, output scale, error that quantizing the input alone makes in float) per output."""
    proto = frozen(case)
    x = case.inputs[0]
    name = proto.graph.input[0].name
    model = convert(proto, calibration={name: x}, recipe="fast")
    tensor = model.graph.tensors[model.inputs[0].tensor]
    grid = np.clip(np.rint(x / tensor.scale) + tensor.zero_point, -128, 127)
    rounded = (np.float32(tensor.scale) * (grid - tensor.zero_point)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    exact, shifted = session.run(None, {name: x}), session.run(None, {name: rounded})
    result = intq.Session(model).run(x)
    results = result if isinstance(result, dict) else {model.outputs[0].name: result}
    rows = []
    for port, expected, a, b in zip(model.outputs, case.outputs, exact, shifted, strict=False):
        inherited = float(np.abs(a.astype(np.float64) - b).max()) if a.size else 0.0
        rows.append((expected, results[port.name], float(np.asarray(model.graph.tensors[port.tensor].scale)), inherited))
    return rows
