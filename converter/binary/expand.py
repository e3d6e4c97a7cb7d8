"""The nodes of binary layers in plain ONNX, for execution in float.

- `BinarySign`: x, or scale * x + shift per channel (axis `axis`), to +1 where it is >= 0, else -1
- `BinaryConv`: s[N,C,H,W] of +-1, weight[O,C,KH,KW] of +-alpha[O], bias[O], maybe a residual that is added. `pad_value`: of the pads.
  With `sign` its output is the sign of the sum.
- `BinaryLinear`: s[..., K], weight[O,K], bias[O]; `sign` as above
- `StreamAdd`, `StreamConcat`, `StreamAveragePool`: as their ONNX namesakes, on int16 of one scale; `Widen`, `Narrow`: to int16 and back
"""

from __future__ import annotations

import numpy as np

from ..ir import Array, Float, Node
from ..onnx.composite import EXPANSIONS, affine


def sign_nodes(node: Node, source: str, output: str, constants: dict[str, Array]) -> list[Node]:
    """output = Where(source >= 0, 1, -1)"""
    names = [f"{output}/zero", f"{output}/one", f"{output}/minus"]
    for name, value in zip(names, (0.0, 1.0, -1.0), strict=True):
        constants[name] = np.array(value, np.float32)
    above = f"{output}/above"
    return [
        Node(f"{node.name}/above", "GreaterOrEqual", [source, names[0]], [above]),
        Node(f"{node.name}/sign", "Where", [above, names[1], names[2]], [output]),
    ]


def binary_sign(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    if len(node.inputs) == 1:
        return sign_nodes(node, node.inputs[0], output, constants)
    scaled = f"{output}/scaled"
    return [*affine(net, node, scaled, constants), *sign_nodes(node, scaled, output, constants)]


def binary_conv(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    attrs = {key: node.attrs[key] for key in ("strides", "dilations", "kernel_shape")}
    x, nodes = node.inputs[0], []
    pads, value = node.attrs["pads"], node.attrs["pad_value"]
    if value and any(pads):
        amounts, filler, padded = f"{output}/pads", f"{output}/filler", f"{output}/padded"
        constants[amounts] = np.array([0, 0, *pads[:2], 0, 0, *pads[2:]], np.int64)
        constants[filler] = np.array(value, np.float32)
        nodes.append(Node(f"{node.name}/pad", "Pad", [x, amounts, filler], [padded]))
        x, pads = padded, [0, 0, 0, 0]
    steps = [(Node(node.name, "Conv", [x, *node.inputs[1:3]], [""], {**attrs, "pads": pads}))]
    if len(node.inputs) > 3:
        steps.append(Node(f"{node.name}/add", "Add", ["", node.inputs[3]], [""]))
    return [*nodes, *_chain(node, steps, output, constants)]


def binary_linear(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    x, weight, bias = node.inputs
    if len(net.shape(x)) == 2:
        return _chain(node, [Node(node.name, "Gemm", list(node.inputs), [""], {"transB": 1})], output, constants)
    constants[f"{output}/turned"] = np.ascontiguousarray(net.constants[weight].T)
    steps = [Node(node.name, "MatMul", [x, f"{output}/turned"], [""]), Node(f"{node.name}/bias", "Add", ["", bias], [""])]
    return _chain(node, steps, output, constants)


def _chain(node: Node, steps: list[Node], output: str, constants: dict[str, Array]) -> list[Node]:
    """Connect steps ("" is the value between them), with a sign at the end where the node asks for one."""
    last = f"{output}/sum" if node.attrs.get("sign") else output
    for number, step in enumerate(steps):
        if number:
            step.inputs[0] = steps[number - 1].outputs[0]
        step.outputs = [last if number == len(steps) - 1 else f"{output}/part{number}"]
    return [*steps, *(sign_nodes(node, last, output, constants) if node.attrs.get("sign") else [])]


def renamed(net: Float, node: Node, output: str, constants: dict[str, Array]) -> list[Node]:
    """StreamAdd and its kin: the ONNX operator of the rest of the name; Widen and Narrow do nothing in float."""
    op = node.op.removeprefix("Stream") if node.op.startswith("Stream") else "Identity"
    return [Node(node.name, op, list(node.inputs), [output], dict(node.attrs))]


EXPANSIONS.update(BinarySign=binary_sign, BinaryConv=binary_conv, BinaryLinear=binary_linear)
EXPANSIONS.update(dict.fromkeys(("StreamAdd", "StreamConcat", "StreamAveragePool", "Widen", "Narrow"), renamed))
