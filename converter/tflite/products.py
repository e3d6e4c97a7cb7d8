"""CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, FULLY_CONNECTED and BATCH_MATMUL."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ...graph import RANGES
from .importer import Importer, Refusal
from .reader import OperatorInfo
from .rescale import exact_single, quantize_multipliers

Array = npt.NDArray[Any]
Pads = tuple[int, int, int, int]


def geometry(padding: int, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """(output size, padding before, padding after) along one axis for SAME (0) or VALID (1); TFLite puts the odd element behind."""
    if stride < 1 or dilation < 1:
        raise Refusal(f"stride {stride}, dilation {dilation}")
    reach = (kernel - 1) * dilation + 1
    if padding == 0:
        out = -(-size // stride)
        total = max(0, (out - 1) * stride + reach - size)
        return out, total // 2, total - total // 2
    if padding != 1:
        raise Refusal(f"padding number {padding}")
    out = (size - reach + stride) // stride
    if out < 1:
        raise Refusal(f"the window of {reach} is larger than the input of {size}")
    return out, 0, 0


def window(
    padding: int, x: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], Pads]:
    """Output height and width, and pads (top, left, bottom, right), of a window over NHWC."""
    oh, top, bottom = geometry(padding, x[1], kernel[0], stride[0], dilation[0])
    ow, left, right = geometry(padding, x[2], kernel[1], stride[1], dilation[1])
    return (oh, ow), (top, left, bottom, right)


def weights(im: Importer, op: OperatorInfo, k: int, channels: int, axis: int) -> tuple[Array, Array, int]:
    """(values inside the graph as int8, one scale per output channel in float64, zero point) of constant weights."""
    index = im.operand(op, k)
    info = im.info(index)
    if info.dtype not in ("int8", "uint8", "int4", "int2"):
        raise Refusal(f"weights {info.name!r} are {info.dtype}")
    if info.scale.size == 0:
        raise Refusal(f"weights {info.name!r} have no scale")
    if info.scale.size not in (1, channels) or (info.scale.size > 1 and info.axis != axis):
        raise Refusal(f"weights {info.name!r} have {info.scale.size} scales along axis {info.axis}")
    values = (im.value(index).astype(np.int64) - im.offset(index)).astype(np.int8)
    zero_point = im.zero_point(index) if info.scale.size == 1 else 0
    return values, np.broadcast_to(info.scale.astype(np.float64), (channels,)), zero_point


def bias(im: Importer, op: OperatorInfo, k: int, channels: int) -> Array:
    """int64 bias, zeros where the operator has none."""
    if not im.has(op, k):
        return np.zeros(channels, np.int64)
    values = im.value(im.operand(op, k)).reshape(-1).astype(np.int64)
    if values.size != channels:
        raise Refusal(f"the bias has {values.size} values for {channels} channels")
    return values


def effective(im: Importer, op: OperatorInfo, scales: Array, x: int) -> Array:
    """input scale * weight scale / output scale per channel, in float64."""
    out = im.scale(op.outputs[0])
    if out <= 0:
        raise Refusal("the output has no scale")
    if im.info(x).dtype == "uint8":  # the kernels of that era multiply the first two in float32
        product = np.float32(im.scale(x)) * scales.astype(np.float32)
        return product.astype(np.float64) / out
    return im.scale(x) * scales / out


def rounding_of(im: Importer, op: OperatorInfo, x: int) -> str:
    """CONV_2D, DEPTHWISE_CONV_2D and TRANSPOSE_CONV: two roundings; with 16-bit inputs, one on a 64-bit accumulator unless its type is int32."""
    if im.dtype(x) != "int16":
        return "q31_double"
    if op.name != "DEPTHWISE_CONV_2D" and op.option("QuantizedBiasType") == 2:
        return "q31_double"
    return "i64_15"


def product(im: Importer, op: OperatorInfo, kind: str, source: str, x: int, w: tuple[Array, Array, int], b: Array, out: str, **attrs: Any) -> None:
    """Append a conv2d or dwconv2d node with its constants; `w` is (values, scales, zero point)."""
    rounding = rounding_of(im, op, x)
    multiplier, shift = quantize_multipliers(effective(im, op, w[1], x))
    finish(im, kind, source, w, b, (multiplier, shift), out, rounding=rounding, **attrs)


def finish(im: Importer, kind: str, source: str, w: tuple[Array, Array, int], b: Array, rescale: tuple[Array, Array], out: str, **attrs: Any) -> None:
    """Append the node of a product with its constant tensors, the clamp in attrs."""
    wide = attrs["rounding"] in ("i64_15", "float64") or im.graph.of(source).dtype == "int16"
    final = None
    if not wide and (np.abs(b) > 2**31 - 1).any():
        raise Refusal("a bias does not fit 32 bits")
    scales = tuple(float(s) for s in w[1]) if len(set(w[1].tolist())) > 1 else float(w[1][0])
    values = w[0]
    if wide:
        rescale = (rescale[0].astype(np.int64), rescale[1])
        if kind == "dwconv2d":
            values, attrs = np.ascontiguousarray(values.transpose(2, 0, 1))[..., None], {**attrs, "groups": im.graph.of(source).shape[3]}
        if kind == "dense":
            values = values[:, None, None, :]
            rows, n, k = im.graph.of(source).shape[0], values.shape[0], values.shape[-1]
            pixel = im.plain(f"{out}/pixel", (rows, 1, 1, n), im.graph.of(out).dtype, im.scale_of(out), im.graph.of(out).zero_point)
            source, final, out = im.reshape(source, (rows, 1, 1, k), f"{out}/rows"), out, pixel
        kind = "tfl_conv2d"
    inputs = [
        source,
        im.constant(f"{out}/weights", values, scales, w[2]),
        im.constant(f"{out}/bias", b.astype(np.int64 if wide else np.int32)),
        im.constant(f"{out}/multiplier", rescale[0]),
        im.constant(f"{out}/shift", rescale[1]),
    ]
    im.emit(kind, inputs, out, **attrs)
    if final is not None:
        im.emit("reshape", [out], final)


def conv_2d(im: Importer, op: OperatorInfo) -> None:
    x, w_index = op.inputs[0], im.operand(op, 1)
    shape, w_shape = im.shape(x), im.info(w_index).shape
    if len(shape) != 4 or len(w_shape) != 4 or w_shape[3] < 1 or shape[3] % w_shape[3]:
        raise Refusal(f"input {shape} with weights {w_shape}")
    w = weights(im, op, 1, w_shape[0], 0)
    stride = (op.option("StrideH"), op.option("StrideW"))
    dilation = (op.option("DilationHFactor"), op.option("DilationWFactor"))
    (oh, ow), pads = window(op.option("Padding"), shape, (w_shape[1], w_shape[2]), stride, dilation)
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    out = im.output(op, shape=(shape[0], oh, ow, w_shape[0]))
    groups = shape[3] // w_shape[3]
    product(
        im, op, "conv2d", im.x(x), x, w, bias(im, op, 2, w_shape[0]), out, stride=stride, dilation=dilation, pads=pads, groups=groups, lo=lo, hi=hi
    )


def depthwise_conv_2d(im: Importer, op: OperatorInfo) -> None:
    x, w_index = op.inputs[0], im.operand(op, 1)
    shape, w_shape = im.shape(x), im.info(w_index).shape
    if len(shape) != 4 or len(w_shape) != 4 or w_shape[0] != 1 or not shape[3] or w_shape[3] % shape[3]:
        raise Refusal(f"input {shape} with weights {w_shape}")
    values, scales, zero_point = weights(im, op, 1, w_shape[3], 3)
    stride = (op.option("StrideH"), op.option("StrideW"))
    dilation = (op.option("DilationHFactor"), op.option("DilationWFactor"))
    (oh, ow), pads = window(op.option("Padding"), shape, (w_shape[1], w_shape[2]), stride, dilation)
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    out = im.output(op, shape=(shape[0], oh, ow, w_shape[3]))
    b, attrs = bias(im, op, 2, w_shape[3]), {"stride": stride, "dilation": dilation, "pads": pads, "lo": lo, "hi": hi}
    if shape[3] == 1:  # one input channel: the same sums as an ordinary convolution, whose kernels are faster
        w = (np.ascontiguousarray(values[0].transpose(2, 0, 1))[..., None], scales, zero_point)
        product(im, op, "conv2d", im.x(x), x, w, b, out, groups=1, **attrs)
        return
    product(im, op, "dwconv2d", im.x(x), x, (values[0], scales, zero_point), b, out, **attrs)


def transpose_conv(im: Importer, op: OperatorInfo) -> None:
    """As an ordinary convolution that makes every phase of a stride x stride block as a channel group, and an interleave (T5)."""
    x, w_index = op.inputs[2], im.operand(op, 1)
    shape, w_shape = im.shape(x), im.info(w_index).shape
    if len(shape) != 4 or len(w_shape) != 4 or w_shape[3] != shape[3]:
        raise Refusal(f"input {shape} with weights {w_shape}")
    out_shape = tuple(int(d) for d in im.value(op.inputs[0]).reshape(-1))
    stride = (op.option("StrideH"), op.option("StrideW"))
    if len(out_shape) != 4 or min(stride) < 1 or max(stride) > 256:
        raise Refusal(f"output {out_shape}, stride {stride}")
    if int(np.prod([*stride, *w_shape], dtype=object)) > 2**26:
        raise Refusal(f"stride {stride} with weights {w_shape} would make too many weights")
    values, scales, zero_point = weights(im, op, 1, w_shape[0], 0)
    oc, kh, kw, c = w_shape
    pads, counts = [], []
    for axis, kernel in ((1, kh), (2, kw)):
        padding = op.option("Padding")
        before = geometry(padding, out_shape[axis], kernel, stride[axis - 1], 1)[1] if padding == 0 else 0
        pads.append(before)
        counts.append(-(-out_shape[axis] // stride[axis - 1]))
    # y[s*i + r] = sum over j of x[i + (r + pad - tap) / s] * w[tap] for the taps with (r + pad - tap) % s == 0
    phase = [[tap_positions(stride[a], (kh, kw)[a], pads[a], r) for r in range(stride[a])] for a in (0, 1)]
    low = [min([p for row in phase[a] for p, _ in row], default=0) for a in (0, 1)]
    high = [max([p for row in phase[a] for p, _ in row], default=0) for a in (0, 1)]
    taps = [high[a] - low[a] + 1 for a in (0, 1)]
    sh, sw = stride
    spread = np.full((sh, sw, oc, taps[0], taps[1], c), zero_point, np.int8)
    for r, row in enumerate(phase[0]):
        for q, column in enumerate(phase[1]):
            for py, ty in row:
                for px, tx in column:
                    spread[r, q, :, py - low[0], px - low[1]] = values[:, ty, tx]
    # output position i of the convolution reads x[i + low .. i + high]: pad so that exactly counts positions come out
    need = [(-low[a], counts[a] - 1 + high[a] - (shape[a + 1] - 1)) for a in (0, 1)]
    source = crop(im, im.x(x), need, f"{op.name}/{op.index}")
    padding4 = (max(0, need[0][0]), max(0, need[1][0]), max(0, need[0][1]), max(0, need[1][1]))
    tile = lambda v: np.tile(v, sh * sw)  # noqa: E731
    b = tile(bias(im, op, 3, oc))
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    final = im.output(op, shape=out_shape)
    blocks = im.add(op.outputs[0], "/phases", (shape[0], counts[0], counts[1], sh * sw * oc))
    w = (spread.reshape(sh * sw * oc, taps[0], taps[1], c), tile(scales), zero_point)
    attrs: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "pads": padding4, "groups": 1, "lo": lo, "hi": hi}
    product(im, op, "conv2d", source, x, w, b, blocks, **attrs)
    like = lambda suffix, dims: im.add(op.outputs[0], suffix, dims)  # noqa: E731
    n, (ch, cw) = shape[0], counts
    parts = im.emit("reshape", [blocks], like("/parts", (n, ch, cw, sh, sw, oc)))
    mixed = im.emit("transpose", [parts], like("/mixed", (n, ch, sh, cw, sw, oc)), perm=(0, 1, 3, 2, 4, 5))
    if (ch * sh, cw * sw) == out_shape[1:3]:
        im.emit("reshape", [mixed], final)
    else:
        whole = im.emit("reshape", [mixed], like("/whole", (n, ch * sh, cw * sw, oc)))
        im.emit("slice", [whole], final, begin=(0, 0, 0, 0), step=(1, 1, 1, 1))


def tap_positions(stride: int, kernel: int, pad: int, phase: int) -> list[tuple[int, int]]:
    """(relative input position, tap) of every tap that reaches output positions stride * i + phase."""
    return [((phase + pad - tap) // stride, tap) for tap in range(kernel) if (phase + pad - tap) % stride == 0]


def crop(im: Importer, source: str, need: list[tuple[int, int]], wish: str) -> str:
    """Cut the rows and columns that negative padding asks to leave out."""
    like = im.graph.of(source)
    cut = [(max(0, -a), max(0, -b)) for a, b in need]
    if not any(v for pair in cut for v in pair):
        return source
    n, h, w, c = like.shape
    dims = (n, h - sum(cut[0]), w - sum(cut[1]), c)
    if min(dims) < 1:
        raise Refusal(f"the output reads nothing of the input {like.shape}")
    scale = like.scale if isinstance(like.scale, float) else 1.0
    out = im.plain(f"{wish}/crop", dims, like.dtype, scale, like.zero_point)
    return im.emit("slice", [source], out, begin=(0, cut[0][0], cut[1][0], 0), step=(1, 1, 1, 1))


def fully_connected(im: Importer, op: OperatorInfo) -> None:
    x, w_index = op.inputs[0], im.operand(op, 1)
    w_shape = im.info(w_index).shape
    if len(w_shape) < 2 or op.option("WeightsFormat"):
        raise Refusal(f"weights {w_shape} in format {op.option('WeightsFormat')}")
    n, k = w_shape[-2], w_shape[-1]
    values, scales, zero_point = weights(im, op, 1, n, 0)
    values = values.reshape(-1, k)[:n]
    size = int(np.prod(im.shape(x)))
    if k < 1 or size % k:
        raise Refusal(f"input {im.shape(x)} with weights {w_shape}")
    lo, hi = im.clamp(op.outputs[0], op.option("FusedActivationFunction"))
    b = bias(im, op, 2, n)
    flat = im.reshape(im.x(x), (size // k, k), f"{op.name}/{op.index}/flat")
    info = im.info(op.outputs[0])
    final = im.output(op)
    if info.size != size // k * n:
        raise Refusal(f"output {info.shape}")
    out = final if info.shape == (size // k, n) else im.add(op.outputs[0], "/flat", (size // k, n))
    kind, rescale, rounding = dense_rescale(im, op, x, (values, scales, zero_point), b, (lo, hi))
    finish(im, kind, flat, (values, scales, zero_point), b, rescale, out, rounding=rounding, lo=lo, hi=hi)
    if out != final:
        im.emit("reshape", [out], final)


def dense_rescale(
    im: Importer, op: OperatorInfo, x: int, w: tuple[Array, Array, int], b: Array, clamp: tuple[int, int]
) -> tuple[str, tuple[Array, Array], str]:
    """How a fully connected layer rescales: the op, its multipliers, its rounding (T4)."""
    values, scales, w_zero = w
    out = im.scale(op.outputs[0])
    if out <= 0:
        raise Refusal("the output has no scale")
    wide = im.dtype(x) == "int16"
    effective_scales = im.scale(x) * scales / out
    if im.numerics == "tflm":
        return "dense", quantize_multipliers(effective_scales), "i64_15" if wide else "q31_double"
    if not wide:
        lo, hi = RANGES[im.dtype(x)]
        zx, zy = im.zero_point(x), im.zero_point(op.outputs[0])
        reach = np.abs(values.astype(np.int64) - w_zero).sum(axis=1) * max(hi - zx, zx - lo) + np.abs(b)
        pairs = [exact_single(float(s), clamp[0] - zy, clamp[1] - zy, int(r)) for s, r in zip(effective_scales, reach, strict=True)]
        if all(p is not None for p in pairs):
            return "dense", (np.array([p[0] for p in pairs if p], np.int32), np.array([p[1] for p in pairs if p], np.int32)), "q31_single"
    fractions, exponents = np.frexp(effective_scales)
    return "dense", ((fractions * 2.0**53).astype(np.int64), (exponents - 53).astype(np.int32)), "float64"


def batch_matmul(im: Importer, op: OperatorInfo) -> None:
    a, b = op.inputs[0], op.inputs[1]
    if im.dtype(a) not in ("int8", "int16") or im.dtype(b) not in ("int8", "int16"):
        raise Refusal(f"operands are {im.dtype(a)} and {im.dtype(b)}")
    scale = np.float32(im.scale(a)) * np.float32(im.scale(b))
    multiplier, shift = quantize_multipliers(np.array([float(scale) / im.scale(op.outputs[0])]))
    wide = im.dtype(a) == "int16"
    lo, hi = im.clamp(op.outputs[0], 0)
    attrs = {"adj_a": bool(op.option("AdjX")), "adj_b": bool(op.option("AdjY")), "multiplier": int(multiplier[0]), "shift": int(shift[0])}
    inputs = [im.x(a), im.x(b)]
    im.emit("tfl_batch_matmul", inputs, im.output(op), rounding="i64_15" if wide else "q31_double", lo=lo, hi=hi, **attrs)
