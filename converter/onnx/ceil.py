"""Pools that round their size up, where their last window would begin in the padding: PyTorch and onnxruntime leave that window out, and so
does ONNX from opset 22 on; the shapes that ONNX infers for older opsets count it."""

from __future__ import annotations

import onnx
import onnx.helper
import onnx.shape_inference

from ...errors import UnsupportedError


def settle_ceil(proto: onnx.ModelProto) -> None:
    """Rewrite such pools in place to the size that they have, without `ceil_mode`. Raises `UnsupportedError` where no pads say the same."""
    done: set[int] = set()
    while True:
        pools = [(i, node) for i, node in enumerate(proto.graph.node) if i not in done and _rounds_up(node)]
        if not pools:
            return
        shapes = _shapes(proto)
        for i, node in pools:
            done.add(i)
            if _settle(node, shapes.get(node.input[0])):
                del proto.graph.value_info[:]  # later shapes follow from the new one
                break


def _rounds_up(node: onnx.NodeProto) -> bool:
    attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    return node.op_type in ("MaxPool", "AveragePool") and bool(attrs.get("ceil_mode")) and attrs.get("auto_pad", b"NOTSET") == b"NOTSET"


def _shapes(proto: onnx.ModelProto) -> dict[str, list[int]]:
    graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.value_info, *graph.output)}


def _settle(node: onnx.NodeProto, shape: list[int] | None) -> bool:
    """Whether the node had a window to leave out. `shape` is its input's, 0 or None where it is not known."""
    attrs = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    rank = len(attrs["kernel_shape"])
    ones, pads = [1] * rank, list(attrs.get("pads", [0] * 2 * rank))
    strides, dilations = attrs.get("strides", ones), attrs.get("dilations", ones)
    if shape is None or len(shape) != 2 + rank or min(shape[2:]) <= 0:
        return False
    over, ends = False, []
    for a, (size, kernel, stride, dilation) in enumerate(zip(shape[2:], attrs["kernel_shape"], strides, dilations, strict=True)):
        reach, inside = (kernel - 1) * dilation + 1, size + pads[a]
        count = -(-(inside + pads[rank + a] - reach) // stride) + 1
        left_out = (count - 1) * stride >= inside
        over = over or left_out
        ends.append(max((count - left_out - 1) * stride + reach - inside, pads[rank + a]))
    if not over:
        return False
    if attrs.get("count_include_pad") and ends != pads[rank:]:
        raise UnsupportedError(f"{node.name!r} (AveragePool): it counts the padding and rounds its size up (ceil_mode); way out: set ceil_mode=0")
    kept = [a for a in node.attribute if a.name not in ("ceil_mode", "pads")]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", [*pads[:rank], *ends])])
    return True
