"""QOperator nodes (QLinearConv and its kin) written as DequantizeLinear, the float operator, QuantizeLinear; `qdq` then takes them all.

Operators of the ONNX standard, and of onnxruntime's com.microsoft domain (its `docs/ContribOperators.md`).
"""

from __future__ import annotations

import numpy as np

from ..ir import Float, Node, Value

# float operator, and the positions of (value, scale, zero point) of each input, then of the output's (scale, zero point)
SIMPLE: dict[str, tuple[str, tuple[int, ...], int]] = {
    "QLinearConv": ("Conv", (0, 3), 6),
    "QLinearMatMul": ("MatMul", (0, 3), 6),
    "QGemm": ("Gemm", (0, 3), 7),
    "QLinearAdd": ("Add", (0, 3), 6),
    "QLinearMul": ("Mul", (0, 3), 6),
    "QLinearAveragePool": ("AveragePool", (0,), 3),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", (0,), 3),
    "QLinearReduceMean": ("ReduceMean", (0,), 3),
    "QLinearSigmoid": ("Sigmoid", (0,), 3),
    "QLinearLeakyRelu": ("LeakyRelu", (0,), 3),
    "QLinearSoftmax": ("Softmax", (0,), 3),
}
BIAS = {"QLinearConv": 8, "QGemm": 6}
DROPPED = ("channels_last", "opset")


def expand(net: Float) -> None:
    result: list[Node] = []
    for node in net.nodes:
        if node.op == "QLinearConcat":
            triples = [(i, i + 1, i + 2) for i in range(2, len(node.inputs), 3)]
            result += _write(net, node, "Concat", triples, (0, 1), None)
        elif node.op in SIMPLE and not node.attrs.get("channels_last"):
            op, firsts, output = SIMPLE[node.op]
            triples = [(first, first + 1, first + 2) for first in firsts]
            result += _write(net, node, op, triples, (output, output + 1), BIAS.get(node.op))
        else:
            result.append(node)
    net.nodes = result


def _write(net: Float, node: Node, op: str, triples: list[tuple[int, int, int]], output: tuple[int, int], bias: int | None) -> list[Node]:
    nodes: list[Node] = []
    inputs = []
    for number, (value, scale, zero) in enumerate(triples):
        name = net.fresh(f"{node.output}/float{number}")
        net.values[name] = Value(net.shape(node.inputs[value]))
        weight_axis = {"Conv": 0, "MatMul": -1, "Gemm": 0 if node.attrs.get("transB") else 1}.get(op, 0) if number else 0
        source = [node.inputs[value], node.inputs[scale], *node.inputs[zero : zero + 1]]
        nodes.append(Node(f"{node.name}/dequantize{number}", "DequantizeLinear", source, [name], {"axis": weight_axis}))
        inputs.append(name)
    if bias is not None and len(node.inputs) > bias and node.inputs[bias]:
        step = net.constants[node.inputs[1]].astype(np.float64) * net.constants[node.inputs[4]].astype(np.float64)
        inputs.append(net.constant(f"{node.name}/bias", (net.constants[node.inputs[bias]] * step).astype(np.float32)))
    y = net.fresh(f"{node.output}/float")
    net.values[y] = Value(net.shape(node.output))
    attrs = {key: value for key, value in node.attrs.items() if key not in DROPPED}
    nodes.append(Node(node.name, op, inputs, [y], attrs))
    target = [y, node.inputs[output[0]], *node.inputs[output[1] : output[1] + 1]]
    nodes.append(Node(f"{node.name}/quantize", "QuantizeLinear", target, list(node.outputs)))
    return nodes
