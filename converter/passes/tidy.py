"""Removes nodes that do nothing at inference and writes automatic paddings out as numbers."""

from __future__ import annotations

import numpy as np

from ..ir import Float, Node

WINDOWED = {"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"}


def tidy(net: Float) -> None:
    for node in list(net.nodes):
        if node.op in WINDOWED:
            explicit_pads(net, node)
        if does_nothing(net, node):
            bypass(net, node)


def does_nothing(net: Float, node: Node) -> bool:
    if not net.activations(node):
        return False
    if node.output in net.pinned and net.pinned[node.output] != net.pinned.get(node.inputs[0]):
        return False  # the source rounds here
    source = net.values.get(node.inputs[0])
    target = net.values[node.output]
    if node.op == "Identity":
        return True
    if node.op == "Dropout":
        return not training(net, node)
    if source is None:
        return False
    if node.op == "Cast":
        return source.dtype == target.dtype
    if node.op == "Pad":
        return len(node.inputs) > 1 and node.inputs[1] in net.constants and not np.any(net.constants[node.inputs[1]])
    if node.op in ("Concat", "Sum", "Max", "Min"):
        return len(node.inputs) == 1
    same_shape = source.shape == target.shape
    if node.op in ("Reshape", "Flatten", "Expand", "Tile", "Squeeze", "Unsqueeze", "Slice"):
        return same_shape and not (node.op == "Slice" and len(node.inputs) > 4 and np.any(net.constants.get(node.inputs[4], -1) < 0))
    if node.op == "Transpose":
        perm = node.attrs.get("perm", list(range(len(source.shape)))[::-1])
        return list(perm) == list(range(len(perm)))
    if node.op in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "GlobalAveragePool", "GlobalMaxPool"):
        return same_shape or (node.attrs.get("noop_with_empty_axes") == 1 and not _axes(net, node))
    return False


def training(net: Float, node: Node) -> bool:
    """Whether a Dropout drops, or its mask is used."""
    flag = node.inputs[2] if len(node.inputs) > 2 else ""
    used = {name for other in net.nodes for name in other.inputs} | set(net.outputs)
    masked = len(node.outputs) > 1 and node.outputs[1] in used
    return masked or (bool(flag) and (flag not in net.constants or bool(net.constants[flag])))


def _axes(net: Float, node: Node) -> bool:
    """Whether a reduction names any axis."""
    given = node.inputs[1] if len(node.inputs) > 1 else ""
    return bool(node.attrs.get("axes")) or (bool(given) and (given not in net.constants or net.constants[given].size > 0))


def bypass(net: Float, node: Node) -> None:
    """Let the readers of a node's output read its input; the name of a graph output is kept by renaming its producer's output."""
    source, target = node.inputs[0], node.output
    if target in net.outputs:
        producer = net.producers().get(source)
        if producer is None or source in net.outputs:
            return  # input to output, or one value under two output names: the runtime needs a node there
        producer.outputs = [target if name == source else name for name in producer.outputs]
        source, target = target, source
        if target in net.pinned:
            net.pinned[source] = net.pinned.pop(target)
    for other in net.nodes:
        other.inputs = [source if name == target else name for name in other.inputs]
    net.nodes.remove(node)


def explicit_pads(net: Float, node: Node) -> None:
    """ONNX `auto_pad`: SAME_UPPER puts the odd row at the end, SAME_LOWER at the start, VALID pads nothing."""
    mode = node.attrs.pop("auto_pad", "NOTSET")
    shape = net.shape(node.inputs[0])
    rank = len(shape) - 2
    if node.op in ("Conv", "ConvTranspose"):
        node.attrs.setdefault("kernel_shape", list(net.shape(node.inputs[1])[2:]))
    node.attrs.setdefault("strides", [1] * rank)
    node.attrs.setdefault("dilations", [1] * rank)
    if mode in ("SAME_UPPER", "SAME_LOWER") and node.op != "ConvTranspose":
        begin, end = [], []
        for size, kernel, stride, dilation in zip(shape[2:], node.attrs["kernel_shape"], node.attrs["strides"], node.attrs["dilations"], strict=True):
            total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
            small, large = total // 2, total - total // 2
            begin.append(small if mode == "SAME_UPPER" else large)
            end.append(large if mode == "SAME_UPPER" else small)
        node.attrs["pads"] = begin + end
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        node.attrs["auto_pad"] = mode  # ConvTranspose: its lowering derives the pads from the output shape
    node.attrs.setdefault("pads", [0] * (2 * rank))
    if node.op == "AveragePool" and net.opset < 19 and not any(d != 1 for d in node.attrs["dilations"]):
        node.attrs.pop("dilations")  # AveragePool has the attribute from opset 19 on only
