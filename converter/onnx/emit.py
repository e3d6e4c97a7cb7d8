"""A `Float` network written back as ONNX, and executed by onnxruntime: calibration, comparison and tables all go through here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import onnx.helper as helper
import onnx.numpy_helper
import onnxruntime

from ...errors import UnsupportedError
from ..ir import INF, Array, Float, Node
from .composite import EXPANSIONS
from .load import first_line


def to_onnx(net: Float, outputs: Iterable[str] | None = None) -> onnx.ModelProto:
    """The network as an ONNX model whose outputs are the values named (default: its own). The batch is `N` where it is free."""
    wanted = list(dict.fromkeys(outputs if outputs is not None else net.outputs))
    constants: dict[str, Array] = {}
    nodes: list[onnx.NodeProto] = []
    for node in net.nodes:
        _emit(net, node, nodes, constants)
    used = {name for node in nodes for name in node.input} | set(wanted)
    constants.update({name: array for name, array in net.constants.items() if name in used})
    inputs = []
    for name in net.inputs:
        value = net.values[name]
        shape = ("N", *value.shape[1:]) if net.free_batch else value.shape
        inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype)), shape))
    results = []
    for name in wanted:
        if name in net.constants or name in net.values:
            dtype = net.constants[name].dtype if name in net.constants else np.dtype(net.values[name].dtype)
            results.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), None))
        else:
            results.append(onnx.ValueInfoProto(name=name))  # onnxruntime infers the type
    graph = helper.make_graph(nodes, net.name, inputs, results, [onnx.numpy_helper.from_array(a, n) for n, a in constants.items()])
    domains = {node.domain for node in nodes} - {""}
    imports = [helper.make_opsetid("", net.opset)] + [helper.make_opsetid(domain, 1) for domain in sorted(domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _emit(net: Float, node: Node, nodes: list[onnx.NodeProto], constants: dict[str, Array]) -> None:
    outputs = list(node.outputs)
    if node.clamp is not None:
        outputs[0] = unclamped(node.output)
    if node.op in EXPANSIONS:
        for inner in EXPANSIONS[node.op](net, node, outputs[0], constants):
            nodes.append(proto_of(inner, inner.outputs))
    else:
        nodes.append(proto_of(node, outputs))
    if node.clamp is not None:
        limits = []
        for label, bound in zip(("lo", "hi"), node.clamp, strict=True):
            limits.append("" if abs(bound) == INF else f"{node.output}/{label}")
            if limits[-1]:
                constants[limits[-1]] = np.array(bound, np.float32)
        nodes.append(helper.make_node("Clip", [outputs[0], *limits], [node.output], name=f"{node.name}/clamp"))


def unclamped(output: str) -> str:
    """The name of a value before its clamp."""
    return f"{output}/unclamped"


def proto_of(node: Node, outputs: list[str]) -> onnx.NodeProto:
    attributes = {key: value for key, value in node.attrs.items() if not (isinstance(value, list) and not value)}
    return helper.make_node(node.op, node.inputs, outputs, name=node.name, domain=node.domain or None, **attributes)


def session(proto: onnx.ModelProto, optimise: bool = False, threads: int = 0) -> onnxruntime.InferenceSession:
    """An onnxruntime CPU session without its own rewriting (the tensors asked for must exist), silent about warnings."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # many small sessions, and seldom a core to spare
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen exception classes without a common base
        raise UnsupportedError(f"onnxruntime cannot execute the float model: {first_line(error)}") from error


def run(proto: onnx.ModelProto, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """Every output of a small model, by name."""
    names = [entry.name for entry in proto.graph.output]
    return dict(zip(names, session(proto).run(names, dict(feeds)), strict=True))


def run_once(net: Float, outputs: list[str]) -> dict[str, Array]:
    """The named values for one sample of zeros."""
    feeds = {name: np.zeros(net.values[name].shape, net.values[name].dtype) for name in net.inputs}
    free, net.free_batch = net.free_batch, False
    try:
        return run(to_onnx(net, outputs), feeds)
    finally:
        net.free_batch = free
