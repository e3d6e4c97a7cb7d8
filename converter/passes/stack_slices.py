"""Conv along three image axes that mixes nothing along the first one: the slices are stacked in one image, with rows of zeros between them.

A slice takes `rows` rows, its padding among them, a multiple of the stride; so each begins at an output row of its own, and the output rows that
would look into the next slice are cut off.
"""

from __future__ import annotations

import numpy as np

from ..ir import Array, Float, Node, Value


def stack_slices(net: Float) -> None:
    for position in range(len(net.nodes) - 1, -1, -1):
        node = net.nodes[position]
        if node.op == "Conv" and node.inputs[1] in net.constants and _fits(net, node):
            net.nodes[position : position + 1] = _rewrite(net, node)


def _geometry(node: Node) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and pads."""
    attrs = node.attrs
    return list(attrs.get("strides") or [1] * 3), list(attrs.get("dilations") or [1] * 3), list(attrs.get("pads") or [0] * 6)


def _fits(net: Float, node: Node) -> bool:
    kernel = net.shape(node.inputs[1])[2:]
    if len(kernel) != 3 or kernel[0] != 1 or 1 in kernel[1:] or 1 in net.shape(node.output)[2:]:
        return False  # what has one position along some axis, or one tap along two, is one image as it is
    stride, _, pads = _geometry(node)
    return stride[0] == 1 and not pads[0] and not pads[3] and min(pads) >= 0 and node.attrs.get("auto_pad", "NOTSET") == "NOTSET"


def _rewrite(net: Float, node: Node) -> list[Node]:
    x, weight = node.inputs[0], net.constants[node.inputs[1]]
    (batch, channels, depth, height, width), out = net.shape(x), net.shape(node.output)
    stride, dilation, pads = _geometry(node)
    reach = (weight.shape[3] - 1) * dilation[1] + 1
    rows = -(-(pads[1] + height + pads[4]) // stride[1]) * stride[1]
    count = rows // stride[1]
    nodes: list[Node] = []

    def add(op: str, label: str, source: str, constant: Array | list[int], shape: tuple[int, ...], more: list[str] | None = None) -> str:
        name = net.fresh(f"{node.output}/{label}")
        net.values[name] = Value(shape)
        given = net.constant(f"{node.name}/{label}", np.asarray(constant, np.int64))
        nodes.append(Node(f"{node.name}/{label}", op, [source, given, *(more or [])], [name]))
        return name

    if rows != height:
        ends = [0, 0, 0, pads[1], 0, 0, 0, 0, rows - height - pads[1], 0]
        x = add("Pad", "apart", x, ends, (batch, channels, depth, rows, width))
    x = add("Reshape", "stacked", x, [0, channels, depth * rows, width], (batch, channels, depth * rows, width))
    flat = net.fresh(f"{node.output}/flat")
    net.values[flat] = Value((batch, out[1], depth * count, out[4]))
    attrs = {
        **{key: value for key, value in node.attrs.items() if key == "group"},
        "kernel_shape": list(weight.shape[3:]),
        "strides": stride[1:],
        "dilations": dilation[1:],
        "pads": [0, pads[2], max(reach - stride[1], 0), pads[5]],
    }
    inputs = [x, net.constant(f"{node.name}/weight", weight[:, :, 0]), *node.inputs[2:]]
    nodes.append(Node(node.name, "Conv", inputs, [flat], attrs, clamp=node.clamp))
    y = add("Reshape", "slices", flat, [0, out[1], depth, count, out[4]], (batch, out[1], depth, count, out[4]))
    if count != out[3]:
        end, axis = (net.constant(f"{node.name}/{label}", np.array([v], np.int64)) for label, v in (("end", out[3]), ("axis", 3)))
        add("Slice", "cut", y, [0], tuple(out), [end, axis])
    nodes[-1].outputs = [node.output]
    return nodes
