"""ConvTranspose as Conv: every phase of the stride is an ordinary convolution, and the phases are interleaved (sub-pixel convolution).

Shi et al. 2016 (Is the deconvolution layer the same as a convolutional layer?, arXiv:1609.07009), read backwards:
output[s*i + p] = sum over k of input[i - k] * weight[s*k + p].
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from ...errors import UnsupportedError
from ..ir import Array, Float, Node, QuantizedConstant, Value

MOST_PHASES = 2**16  # each becomes filters of its own


def convtranspose_to_conv(net: Float) -> None:
    for position in range(len(net.nodes) - 1, -1, -1):
        node = net.nodes[position]
        if (
            node.op == "ConvTranspose"
            and node.inputs[1] in net.constants
            and (len(node.inputs) < 3 or node.inputs[2] in net.constants or not node.inputs[2])
        ):
            net.nodes[position : position + 1] = _rewrite(net, node)


def _rewrite(net: Float, node: Node) -> list[Node]:
    x, weight = node.inputs[0], net.constants[node.inputs[1]]
    shape, out = net.shape(x), net.shape(node.output)
    rank, groups = len(shape) - 2, node.attrs.get("group", 1)
    stride, dilation = node.attrs.get("strides", [1] * rank), node.attrs.get("dilations", [1] * rank)
    if math.prod(stride) > MOST_PHASES:
        raise UnsupportedError(f"{node.name!r} (ConvTranspose): strides {list(stride)} have too many phases; way out: strides of at most 256")
    wide = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    begin = _begin(node, shape, out, wide)
    taps = [-(-k // s) for k, s in zip(wide, stride, strict=True)]
    kernel = _phases(_dilate(weight, dilation), groups, stride, taps)
    channels, phases = kernel.shape[:2]
    bias = net.constants[node.inputs[2]] if len(node.inputs) > 2 and node.inputs[2] else np.zeros(channels, np.float32)
    bias = np.repeat(bias[:, None], phases, axis=1)
    kernel, bias = _rows(kernel, groups), _rows(bias, groups)
    # Phase p of block i is output s*i + p before cropping, for every block that an output kept lies in; outside the input there are zeros.
    blocks = [max(-(-(b + o) // s), size) for b, o, s, size in zip(begin, out[2:], stride, shape[2:], strict=True)]
    pads = [t - 1 for t in taps] + [n - size for n, size in zip(blocks, shape[2:], strict=True)]
    y = f"{node.output}/phases"
    net.values[y] = Value((shape[0], channels * phases, *blocks))
    inputs = [x, net.constant(f"{node.name}/weight", kernel.astype(np.float32)), net.constant(f"{node.name}/bias", bias.astype(np.float32))]
    known = net.quantized.get(node.inputs[1])
    if known is not None and (known.scale.size == 1 or (known.axis == 1 and groups == 1)) and len(set(known.zero_point.tolist())) == 1:
        integers = _rows(_phases(_dilate(known.q.astype(np.int16) - int(known.zero_point[0]), dilation), groups, stride, taps), groups)
        scale = known.scale if known.scale.size == 1 else _rows(np.repeat(known.scale[:, None], phases, axis=1), groups)
        zero = known.zero_point[:1]
        net.quantized[inputs[1]] = QuantizedConstant((integers + int(zero[0])).astype(np.int8), scale, zero, 0)
    if node.output in net.pinned:
        net.pinned[y] = net.pinned[node.output]
    attrs = {"kernel_shape": taps, "strides": [1] * rank, "dilations": [1] * rank, "pads": pads, "group": groups}
    nodes = [Node(node.name, "Conv", inputs, [y], attrs, clamp=node.clamp)]
    if phases > 1:
        y = _interleave(net, node, nodes, y, groups == 1, channels, stride, blocks)
    size = [n * s for n, s in zip(blocks, stride, strict=True)]
    if begin != [0] * rank or size != list(out[2:]):
        ends = [b + o for b, o in zip(begin, out[2:], strict=True)]
        cut = [net.constant(f"{node.name}/{k}", np.array(v, np.int64)) for k, v in (("begin", begin), ("end", ends), ("axes", range(2, 2 + rank)))]
        nodes.append(Node(f"{node.name}/crop", "Slice", [y, *cut], [node.output]))
    else:
        nodes[-1].outputs = [node.output]
    return nodes


def _rows(values: Array, groups: int) -> Array:
    """[channels, phases, ...] as rows; with one group a phase's channels are neighbours, as in the result: rows are interleaved, not channels."""
    turned = values.swapaxes(0, 1) if groups == 1 else values
    return turned.reshape(-1, *values.shape[2:])


def _dilate(weight: Array, dilation: list[int]) -> Array:
    shape = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    wide = np.zeros((*weight.shape[:2], *shape), weight.dtype)
    places = (slice(None), slice(None), *(slice(None, None, d) for d in dilation))
    wide[places] = weight
    return wide


def _begin(node: Node, shape: tuple[int, ...], out: tuple[int, ...], kernel: list[int]) -> list[int]:
    """Rows cropped at the start. With `auto_pad` or `output_shape` ONNX derives the total from the sizes."""
    rank = len(kernel)
    mode = node.attrs.get("auto_pad", "NOTSET")
    if mode not in ("SAME_UPPER", "SAME_LOWER") and "output_shape" not in node.attrs:
        return list(node.attrs.get("pads", [0] * 2 * rank)[:rank])
    extra, stride = node.attrs.get("output_padding", [0] * rank), node.attrs.get("strides", [1] * rank)
    total = [max(s * (n - 1) + e + k - o, 0) for s, n, e, k, o in zip(stride, shape[2:], extra, kernel, out[2:], strict=True)]
    return [t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in total]


def _phases(weight: Array, groups: int, stride: list[int], taps: list[int]) -> Array:
    """Convolution weights of every output channel and phase: [G * O/G, phases, I/G, *taps]."""
    inputs, per_group = weight.shape[:2]
    wide = np.zeros((inputs, per_group, *(t * s for t, s in zip(taps, stride, strict=True))), weight.dtype)
    places = (slice(None), slice(None), *(slice(0, k) for k in weight.shape[2:]))
    wide[places] = weight
    kernels = []
    for phase in itertools.product(*(range(s) for s in stride)):
        every = (slice(None), slice(None), *(slice(p, None, s) for p, s in zip(phase, stride, strict=True)))
        part = wide[every]
        kernels.append(np.flip(part, axis=tuple(range(2, part.ndim))))
    stacked = np.stack(kernels, axis=2)  # [I, O/G, phases, *taps]
    stacked = stacked.reshape(groups, inputs // groups, per_group, len(kernels), *taps)
    turned = np.moveaxis(stacked, 1, 3)  # [G, O/G, phases, I/G, *taps]
    return turned.reshape(groups * per_group, len(kernels), inputs // groups, *taps)


def _interleave(net: Float, node: Node, nodes: list[Node], y: str, phase_first: bool, channels: int, stride: list[int], blocks: list[int]) -> str:
    """[N, phases * C, *blocks] or [N, C * phases, *blocks] -> [N, C, *(blocks * stride)]: reshape, transpose, reshape, all of them views."""
    rank = len(stride)
    split, wide = f"{node.output}/split", f"{node.output}/turned"
    target = f"{node.output}/interleaved"
    dims = (0, *stride, channels, *blocks) if phase_first else (0, channels, *stride, *blocks)
    net.values[split] = Value((net.shape(y)[0], *dims[1:]))
    channel, phase = (1 + rank, 1) if phase_first else (1, 2)
    perm = [0, channel, *(axis for i in range(rank) for axis in (2 + rank + i, phase + i))]
    net.values[wide] = Value(tuple(net.values[split].shape[a] for a in perm))
    size = [n * s for n, s in zip(blocks, stride, strict=True)]
    net.values[target] = Value((net.shape(y)[0], channels, *size))
    shapes = [
        net.constant(f"{node.name}/split", np.array(dims, np.int64)),
        net.constant(f"{node.name}/join", np.array([0, channels, *size], np.int64)),
    ]
    nodes += [
        Node(f"{node.name}/split", "Reshape", [y, shapes[0]], [split]),
        Node(f"{node.name}/turn", "Transpose", [split], [wide], {"perm": perm}),
        Node(f"{node.name}/join", "Reshape", [wide, shapes[1]], [target]),
    ]
    return target
