"""The operators of float `.tflite` models in ONNX, one function each, named like it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cut import strided_index
from .float import Handler, Translator
from .importer import Refusal
from .move import ints, squeezed
from .pool import axes_of
from .products import window
from .reader import OperatorInfo


def convolution(t: Translator, op: OperatorInfo, w: Any, group: int, kernel: tuple[int, int]) -> None:
    """CONV_2D and DEPTHWISE_CONV_2D; w as ONNX has it, [O, I/group, KH, KW]."""
    x = op.inputs[0]
    stride = (op.option("StrideH"), op.option("StrideW"))
    dilation = (op.option("DilationHFactor"), op.option("DilationWFactor"))
    _, pads = window(op.option("Padding"), t.info(x).shape, kernel, stride, dilation)
    wish = t.wish(op)
    inputs = [t.take(x, "nchw"), t.weight(w.astype(np.float32), f"{wish}/w")]
    if t.has(op, 2):
        inputs.append(t.weight(t.number(op.inputs[2]).reshape(-1), f"{wish}/b"))
    name = t.put("Conv", inputs, wish, group=group, kernel_shape=kernel, strides=stride, dilations=dilation, pads=pads)
    t.give(op, t.activate(name, op.option("FusedActivationFunction")), "nchw")


def conv_2d(t: Translator, op: OperatorInfo) -> None:
    w = t.number(op.inputs[1]).transpose(0, 3, 1, 2)
    convolution(t, op, w, t.info(op.inputs[0]).shape[3] // w.shape[1], (w.shape[2], w.shape[3]))


def depthwise_conv_2d(t: Translator, op: OperatorInfo) -> None:
    w = t.number(op.inputs[1])
    convolution(t, op, w[0].transpose(2, 0, 1)[:, None], t.info(op.inputs[0]).shape[3], (w.shape[1], w.shape[2]))


def transpose_conv(t: Translator, op: OperatorInfo) -> None:
    w, wish = t.number(op.inputs[1]), t.wish(op)
    shape, out = t.info(op.inputs[2]).shape, t.info(op.outputs[0]).shape
    stride = (op.option("StrideH"), op.option("StrideW"))
    pads = []
    for axis in (0, 1):
        full = (shape[1 + axis] - 1) * stride[axis] + w.shape[1 + axis]
        total = max(full - out[1 + axis], 0) if op.option("Padding") == 0 else 0
        pads.append((total // 2, full - out[1 + axis] - total // 2))
    if any(b < 0 for _, b in pads):
        raise Refusal(f"output {out} of input {shape}")
    inputs = [t.take(op.inputs[2], "nchw"), t.weight(w.transpose(3, 0, 1, 2), f"{wish}/w")]
    if t.has(op, 3):
        inputs.append(t.weight(t.number(op.inputs[3]).reshape(-1), f"{wish}/b"))
    ends = [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]
    name = t.put("ConvTranspose", inputs, wish, kernel_shape=w.shape[1:3], strides=stride, pads=ends)
    t.give(op, t.activate(name, op.option("FusedActivationFunction")), "nchw")


def fully_connected(t: Translator, op: OperatorInfo) -> None:
    w, wish = t.number(op.inputs[1]), t.wish(op)
    x, out = t.info(op.inputs[0]).shape, t.info(op.outputs[0]).shape
    k = w.shape[-1]
    name = t.take(op.inputs[0])
    rows = int(np.prod(x)) // k
    if x != (rows, k):
        name = t.put("Reshape", [name, t.target((rows, k), wish)], f"{wish}/flat")
    inputs = [name, t.weight(w.reshape(-1, k), f"{wish}/w")]
    if t.has(op, 2):
        inputs.append(t.weight(t.number(op.inputs[2]).reshape(-1), f"{wish}/b"))
    name = t.activate(t.put("Gemm", inputs, wish, transB=1), op.option("FusedActivationFunction"))
    if out != (rows, w.shape[0]):
        name = t.put("Reshape", [name, t.target(out, wish)], f"{wish}/out")
    t.give(op, name)


def pool(kind: str) -> Handler:
    def run(t: Translator, op: OperatorInfo) -> None:
        kernel, stride = (op.option("FilterHeight"), op.option("FilterWidth")), (op.option("StrideH"), op.option("StrideW"))
        _, pads = window(op.option("Padding"), t.info(op.inputs[0]).shape, kernel, stride, (1, 1))
        name = t.put(kind, [t.take(op.inputs[0], "nchw")], t.wish(op), kernel_shape=kernel, strides=stride, pads=pads)
        t.give(op, t.activate(name, op.option("FusedActivationFunction")), "nchw")

    return run


def elementwise(kind: str) -> Handler:
    """Two inputs, broadcast; constants of fewer dimensions are aligned to NHWC's last axis."""

    def run(t: Translator, op: OperatorInfo) -> None:
        a, b = op.inputs[0], op.inputs[1]
        layout = t.layout(a, b)
        out_rank = len(t.info(op.outputs[0]).shape)
        names = []
        for i in (a, b):
            if layout == "nchw" and t.known(i):
                value = t.number(i)
                value = value.reshape((1,) * (out_rank - value.ndim) + value.shape)
                names.append(t.weight(value.transpose(0, 3, 1, 2), t.info(i).name))
            else:
                names.append(t.take(i, layout))
        t.give(
            op,
            t.activate(
                t.put(kind, names, t.wish(op)),
                op.option("FusedActivationFunction") if op.options is not None and hasattr(op.options, "FusedActivationFunction") else 0,
            ),
            layout,
        )

    return run


def unary(kind: str, **attrs: Any) -> Handler:
    def run(t: Translator, op: OperatorInfo) -> None:
        layout = t.layout(op.inputs[0])
        t.give(op, t.put(kind, [t.take(op.inputs[0], layout)], t.wish(op), **attrs), layout)

    return run


def clip(low: float, high: float) -> Handler:
    def run(t: Translator, op: OperatorInfo) -> None:
        layout = t.layout(op.inputs[0])
        limits = [t.weight(np.array(v, np.float32), t.wish(op)) for v in (low, high)]
        t.give(op, t.put("Clip", [t.take(op.inputs[0], layout), *limits], t.wish(op)), layout)

    return run


def leaky_relu(t: Translator, op: OperatorInfo) -> None:
    unary("LeakyRelu", alpha=float(op.option("Alpha")))(t, op)


def rsqrt(t: Translator, op: OperatorInfo) -> None:
    layout = t.layout(op.inputs[0])
    root = t.put("Sqrt", [t.take(op.inputs[0], layout)], t.wish(op))
    t.give(op, t.put("Reciprocal", [root], t.wish(op)), layout)


def square(t: Translator, op: OperatorInfo) -> None:
    layout = t.layout(op.inputs[0])
    x = t.take(op.inputs[0], layout)
    t.give(op, t.put("Mul", [x, x], t.wish(op)), layout)


def squared_difference(t: Translator, op: OperatorInfo) -> None:
    elementwise("Sub")(t, op)
    held = t.held[op.outputs[0]]
    for layout, name in held.items():
        held[layout] = t.put("Mul", [name, name], t.wish(op))


def gelu(t: Translator, op: OperatorInfo) -> None:
    """x/2 * (1 + erf(x / sqrt 2)), or its approximation by tanh."""
    layout = t.layout(op.inputs[0])
    x, wish = t.take(op.inputs[0], layout), t.wish(op)
    number = lambda v: t.weight(np.array(v, np.float32), f"{wish}/c")  # noqa: E731
    if op.option("Approximate"):
        cube = t.put("Mul", [t.put("Mul", [x, x], wish), x], wish)
        inner = t.put("Add", [x, t.put("Mul", [cube, number(0.044715)], wish)], wish)
        curve = t.put("Tanh", [t.put("Mul", [inner, number(np.sqrt(2 / np.pi))], wish)], wish)
    else:
        curve = t.put("Erf", [t.put("Mul", [x, number(np.sqrt(0.5))], wish)], wish)
    half = t.put("Mul", [x, number(0.5)], wish)
    t.give(op, t.put("Mul", [half, t.put("Add", [curve, number(1.0)], wish)], wish), layout)


def softmax(t: Translator, op: OperatorInfo) -> None:
    beta = float(op.option("Beta", 1.0))
    x = t.take(op.inputs[0])
    if beta != 1.0:
        x = t.put("Mul", [x, t.weight(np.array(beta, np.float32), t.wish(op))], t.wish(op))
    t.give(op, t.put("Softmax", [x], t.wish(op), axis=-1))


def reduction(kind: str) -> Handler:
    """The mean over height and width of an image stays in NCHW."""

    def run(t: Translator, op: OperatorInfo) -> None:
        axes, _ = axes_of(t, op)
        keep, x = bool(op.option("KeepDims")), op.inputs[0]
        inputs: list[str]
        if t.layout(x) == "nchw" and axes == (1, 2):
            inputs, axes, layout = [t.take(x, "nchw")], (2, 3), "nchw"
        else:
            inputs, layout = [t.take(x)], "nhwc"
        attrs: dict[str, Any] = {"keepdims": int(keep)}
        if kind == "ReduceSum":
            inputs.append(t.weight(np.array(axes, np.int64), t.wish(op)))
        else:
            attrs["axes"] = axes
        t.give(op, t.put(kind, inputs, t.wish(op), **attrs), layout)

    return run


def view(t: Translator, op: OperatorInfo) -> None:
    out = t.info(op.outputs[0]).shape
    x = t.info(op.inputs[0]).shape
    held = t.held.get(op.inputs[0], {})
    name = held.get("nchw") if len(x) == 4 and x[1] == x[2] == 1 else None  # one pixel: both layouts are the same bytes
    t.give(op, t.put("Reshape", [name or t.take(op.inputs[0]), t.target(out, t.wish(op))], t.wish(op)))


def squeeze(t: Translator, op: OperatorInfo) -> None:
    if squeezed(op, t.info(op.inputs[0]).shape) != t.info(op.outputs[0]).shape:
        raise Refusal("the output has another shape")
    view(t, op)


def transpose(t: Translator, op: OperatorInfo) -> None:
    t.give(op, t.put("Transpose", [t.take(op.inputs[0])], t.wish(op), perm=ints(t, op.inputs[1])))


def concatenation(t: Translator, op: OperatorInfo) -> None:
    rank = len(t.info(op.outputs[0]).shape)
    layout, axis = t.layout(*op.inputs), op.option("Axis") % rank
    names = [t.take(i, layout) for i in op.inputs]
    where = {0: 0, 1: 2, 2: 3, 3: 1}[axis] if layout == "nchw" else axis
    name = t.put("Concat", names, t.wish(op), axis=where)
    t.give(op, t.activate(name, op.option("FusedActivationFunction")), layout)


def padding(t: Translator, op: OperatorInfo) -> None:
    """PAD, PADV2 and MIRROR_PAD."""
    layout = t.layout(op.inputs[0])
    pairs = t.value(op.inputs[1]).reshape(-1, 2)
    if layout == "nchw":
        pairs = pairs[[0, 3, 1, 2]]
    inputs = [t.take(op.inputs[0], layout), t.weight(np.concatenate([pairs[:, 0], pairs[:, 1]]).astype(np.int64), t.wish(op))]
    if op.name == "PADV2":
        inputs.append(t.weight(t.number(op.inputs[2]).reshape(()), t.wish(op)))
    if op.name == "MIRROR_PAD" and op.option("Mode") != 0:
        raise Refusal("ONNX has no symmetric padding")
    t.give(op, t.put("Pad", inputs, t.wish(op), mode="reflect" if op.name == "MIRROR_PAD" else "constant"), layout)


def box(t: Translator, op: OperatorInfo, k: int, begin: list[int], step: list[int], shape: tuple[int, ...]) -> None:
    """Output k as a strided box of the data operand, reshaped where axes are dropped."""
    x = op.inputs[1] if op.name == "SPLIT" else op.inputs[0]
    ends = [b + (n - 1) * s + (1 if s > 0 else -1) for b, n, s in zip(begin, shape, step, strict=True)]
    ends = [-(2**31) if s < 0 and e < 0 else e for e, s in zip(ends, step, strict=True)]
    touched = [i for i, d in enumerate(t.info(x).shape) if (begin[i], shape[i], step[i]) != (0, d, 1)]
    name, wish = t.take(x), t.wish(op, k)
    if touched:
        parts = [t.weight(np.array([v[i] for i in touched], np.int64), wish) for v in (begin, ends, list(range(len(begin))), step)]
        name = t.put("Slice", [name, *parts], wish)
    if shape != t.info(op.outputs[k]).shape:
        name = t.put("Reshape", [name, t.target(t.info(op.outputs[k]).shape, wish)], wish)
    t.give(op, name if touched else t.put("Identity", [name], wish), k=k)


def slice_(t: Translator, op: OperatorInfo) -> None:
    box(t, op, 0, ints(t, op.inputs[1]), [1] * len(t.info(op.inputs[0]).shape), t.info(op.outputs[0]).shape)


def strided_slice(t: Translator, op: OperatorInfo) -> None:
    begin, step, shape, _ = strided_index(op, t.info(op.inputs[0]).shape, *(t.value(i) for i in op.inputs[1:4]))
    box(t, op, 0, begin, step, shape)


def split(t: Translator, op: OperatorInfo) -> None:
    x = op.inputs[1] if op.name == "SPLIT" else op.inputs[0]
    shape = t.info(x).shape
    axis = ints(t, op.inputs[0 if op.name == "SPLIT" else 2])[0] % len(shape)
    at = 0
    for k, y in enumerate(op.outputs):
        begin = [0] * len(shape)
        begin[axis] = at
        box(t, op, k, begin, [1] * len(shape), t.info(y).shape)
        at += t.info(y).shape[axis]


def resize(mode: str) -> Handler:
    def run(t: Translator, op: OperatorInfo) -> None:
        out, x = t.info(op.outputs[0]).shape, t.info(op.inputs[0]).shape
        corners, half = op.option("AlignCorners"), op.option("HalfPixelCenters")
        where = "align_corners" if corners else "half_pixel" if half else "asymmetric"
        scales = t.weight(np.array([1, 1, out[1] / x[1], out[2] / x[2]], np.float32), t.wish(op))
        rounding = "round_prefer_ceil" if corners else "floor"
        attrs = {"mode": mode, "coordinate_transformation_mode": where, **({"nearest_mode": rounding} if mode == "nearest" else {})}
        t.give(op, t.put("Resize", [t.take(op.inputs[0], "nchw"), "", scales], t.wish(op), **attrs), "nchw")

    return run


def batch_matmul(t: Translator, op: OperatorInfo) -> None:
    names = []
    for k, flag in ((0, "AdjX"), (1, "AdjY")):
        name, rank = t.take(op.inputs[k]), len(t.info(op.inputs[k]).shape)
        if op.option(flag):
            name = t.put("Transpose", [name], t.wish(op), perm=[*range(rank - 2), rank - 1, rank - 2])
        names.append(name)
    t.give(op, t.put("MatMul", names, t.wish(op)))


def dequantize(t: Translator, op: OperatorInfo) -> None:
    """Of a constant stored in fewer bits."""
    if not t.known(op.inputs[0]):
        raise Refusal("it dequantizes an activation: quantized models are imported, not translated")
    t.folded[op.outputs[0]] = t.number(op.inputs[0])


HANDLERS: dict[str, Handler] = {
    "CONV_2D": conv_2d, "DEPTHWISE_CONV_2D": depthwise_conv_2d, "TRANSPOSE_CONV": transpose_conv, "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": pool("AveragePool"), "MAX_POOL_2D": pool("MaxPool"), "ADD": elementwise("Add"), "SUB": elementwise("Sub"),
    "MUL": elementwise("Mul"), "DIV": elementwise("Div"), "MAXIMUM": elementwise("Max"), "MINIMUM": elementwise("Min"),
    "SQUARED_DIFFERENCE": squared_difference, "PRELU": elementwise("PRelu"), "RELU": unary("Relu"), "RELU6": clip(0, 6),
    "RELU_N1_TO_1": clip(-1, 1), "LEAKY_RELU": leaky_relu, "ELU": unary("Elu"), "HARD_SWISH": unary("HardSwish"), "LOGISTIC": unary("Sigmoid"),
    "TANH": unary("Tanh"), "GELU": gelu, "EXP": unary("Exp"), "SQRT": unary("Sqrt"), "RSQRT": rsqrt, "ABS": unary("Abs"), "NEG": unary("Neg"),
    "SQUARE": square, "SOFTMAX": softmax, "MEAN": reduction("ReduceMean"), "SUM": reduction("ReduceSum"), "REDUCE_MAX": reduction("ReduceMax"),
    "RESHAPE": view, "EXPAND_DIMS": view, "SQUEEZE": squeeze, "TRANSPOSE": transpose, "CONCATENATION": concatenation, "PAD": padding,
    "PADV2": padding, "MIRROR_PAD": padding, "SLICE": slice_, "STRIDED_SLICE": strided_slice, "SPLIT": split, "SPLIT_V": split,
    "RESIZE_BILINEAR": resize("linear"), "RESIZE_NEAREST_NEIGHBOR": resize("nearest"), "BATCH_MATMUL": batch_matmul, "DEQUANTIZE": dequantize,
}  # fmt: skip
