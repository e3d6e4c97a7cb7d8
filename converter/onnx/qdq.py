"""Already quantized models: QuantizeLinear and DequantizeLinear are read as what they say about scales, and leave the graph.

A pair around an activation fixes its scale and zero point; one on a constant fixes the integers of a weight. What is left is a
float network whose numbers need no calibration. uint8 becomes int8 by taking 128 off the values and the zero point.
"""

from __future__ import annotations

import numpy as np

from ...errors import UnsupportedError
from ..ir import Array, Float, Node, QuantizedConstant
from .qoperator import expand

SHIFT = {"int8": 0, "uint8": 128}
WEIGHTS = {"DequantizeLinear", "QuantizeLinear"}


def quantized(net: Float) -> bool:
    return any(node.op in ("QuantizeLinear", "DequantizeLinear") or node.op.startswith(("QLinear", "QGemm")) for node in net.nodes)


def import_qdq(net: Float, alias: dict[str, str]) -> None:
    """Rewrite in place.

    Fills `alias` (a quantized or dequantized name -> the float value that it stands for), `net.pinned` (scale and zero point by
    value) and `net.quantized` (integers by constant).
    """
    if not quantized(net):
        return
    expand(net)
    faults: list[str] = []
    result: list[Node] = []
    for node in net.nodes:
        node.inputs = [alias.get(name, name) for name in node.inputs]
        if node.op not in WEIGHTS:
            result.append(node)
            for name in node.outputs:
                if name in net.values and net.values[name].dtype in SHIFT:
                    net.values[name].dtype = "float32"  # an operator that moves integers: the same elements in float
            continue
        try:
            if node.inputs[0] in net.constants:
                _constant(net, node)
            else:
                _activation(net, node, alias, result)
        except UnsupportedError as error:
            faults.append(f"{node.name!r} ({node.op}): {error}; way out: quantize to int8 or uint8 with constant scales")
    if faults:
        raise UnsupportedError(f"{len(faults)} node(s) cannot be converted:\n  " + "\n  ".join(faults))
    net.nodes = result
    renamed = {name: alias[name] for name in net.outputs if name in alias}
    _keep_output_names(net, renamed, alias)
    net.remove_dead()
    net.check("import of quantized nodes")


def _scale(net: Float, node: Node) -> tuple[Array, Array]:
    """Scale (float64) and zero point (int64) as given; a missing zero point is 0 of uint8 (ONNX QuantizeLinear)."""
    names = [*node.inputs, ""][1:3]
    if names[0] not in net.constants or (names[1] and names[1] not in net.constants):
        raise UnsupportedError("its scale or zero point is computed at run time")
    scale = net.constants[names[0]].astype(np.float64)
    zero = net.constants[names[1]] if names[1] else np.zeros(scale.shape, np.uint8)
    return scale, zero


def _constant(net: Float, node: Node) -> None:
    """A weight or bias: the float constant that the pair makes of it, and its integers."""
    array = net.constants[node.inputs[0]]
    scale, zero = _scale(net, node)
    axis = node.attrs.get("axis", 1) % max(array.ndim, 1)
    shape = [-1 if a == axis else 1 for a in range(array.ndim)] if scale.size > 1 else [1] * array.ndim
    spread, offset = scale.reshape(shape), zero.astype(np.int64).reshape(shape)
    if node.op == "QuantizeLinear":
        info = np.iinfo(zero.dtype)
        net.constants[node.output] = np.clip(np.rint(array / spread) + offset, info.min, info.max).astype(zero.dtype)
        return
    integers = array.astype(np.int64)
    net.constants[node.output] = ((integers - offset) * spread).astype(np.float32)
    shift = SHIFT.get(str(array.dtype))
    if shift is not None:
        moved = offset.reshape(-1) - shift
        net.quantized[node.output] = QuantizedConstant((integers - shift).astype(np.int8), scale.reshape(-1), moved, axis)


def _activation(net: Float, node: Node, alias: dict[str, str], result: list[Node]) -> None:
    source = node.inputs[0]
    if node.op == "DequantizeLinear":
        alias[node.output] = source
        return
    scale, zero = _scale(net, node)
    shift = SHIFT.get(str(zero.dtype))
    if scale.size != 1 or shift is None:
        raise UnsupportedError(f"activations are quantized to {zero.dtype} with {scale.size} scales")
    found = (float(scale.reshape(())), int(zero.reshape(())) - shift)
    if net.pinned.setdefault(source, found) == found:
        alias[node.output] = source
        return
    # The same value at a second scale: a copy of its own.
    net.values[node.output] = net.values[source]
    net.pinned[node.output] = found
    result.append(Node(node.name, "Requantize", [source], [node.output]))


def _keep_output_names(net: Float, renamed: dict[str, str], alias: dict[str, str]) -> None:
    """A graph output behind a pair keeps its name: the value it stands for takes it."""
    for output, value in renamed.items():
        if value in net.inputs or value in net.outputs:
            net.nodes.append(Node(output, "Requantize", [value], [output]))
            net.pinned[output] = net.pinned[value]
            net.values[output] = net.values[value]
            continue
        for node in net.nodes:
            node.inputs = [output if name == value else name for name in node.inputs]
            node.outputs = [output if name == value else name for name in node.outputs]
        net.values[output] = net.values[value]
        if value in net.pinned:
            net.pinned[output] = net.pinned.pop(value)
        alias.update({name: output for name, target in alias.items() if target == value})
