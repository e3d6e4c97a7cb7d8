"""Binary layers and the int16 streams between them to the integer graph (kernels/SPEC_lowbit.md)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from ...kernels.fixed_point import requantize_params
from ..binary.recognise import alpha
from ..ir import INF, Array, Node
from ..quantize import QParam
from .context import Context, Refused, lowers

FRACTION = 8  # bits of the bias behind the point of a sum, where there is room for them
ROOM = 2**29  # of the accumulator
INT32 = 2**31 - 1


def pack(bits: Array) -> Array:
    """Booleans along the last axis to rows of whole 64-bit words, least significant first."""
    padded = np.zeros((*bits.shape[:-1], -(-bits.shape[-1] // 64) * 64), np.uint8)
    padded[..., : bits.shape[-1]] = bits
    return np.packbits(padded, axis=-1, bitorder="little")


def stream_param(ctx: Context, name: str) -> QParam:
    """The parameters of a value in a stream (the dry run knows int8 only)."""
    param = ctx.param(name)
    return param if param.dtype == "int16" else QParam(param.scale, 0, "int16")


def least(scale: float, shift: float) -> tuple[int, int]:
    """(threshold, flip): for integers s, scale * s + shift >= 0 is (s >= threshold) != flip. Exact (L2.4)."""
    a, b = Fraction(scale), Fraction(shift)
    if a == 0:
        return -INT32 - 1, int(b < 0)
    edge = -b / a
    threshold = math.ceil(edge) if a > 0 else math.floor(edge) + 1
    return max(-INT32 - 1, min(INT32, threshold)), int(a < 0)


def put_thresholds(ctx: Context, node: Node, pairs: list[tuple[int, int]]) -> list[str]:
    table = np.array(pairs, np.int32)
    return [ctx.put(f"{node.name}/threshold", table[:, 0]), ctx.put(f"{node.name}/flip", table[:, 1])]


def produce_bits(ctx: Context, node: Node, shape: tuple[int, ...], order: tuple[int, ...] | None = None) -> str:
    """The tensor of a value that is packed; only binary layers read it."""
    result = ctx.graph.tensor(ctx.fresh(node.output), (*shape[:-1], -(-shape[-1] // 64) * 8), "uint8")
    ctx.place(node.output, result, order)
    return result


@lowers("BinarySign")
def binary_sign(ctx: Context, node: Node) -> None:
    """x >= 0, or scale * x + shift >= 0, per channel."""
    x = node.inputs[0]
    rank = len(ctx.shape(x))
    order = tuple(range(rank)) if node.attrs["axis"] == rank - 1 else ctx.natural(x)
    if order[-1] != node.attrs["axis"]:
        raise Refused("its channels are not stored last", "binarize images along their channels")
    tensor = ctx.stored(x, order)
    t = ctx.graph.of(tensor)
    assert isinstance(t.scale, float)
    channels = t.shape[-1]
    scale, shift = np.ones(channels), np.zeros(channels)
    if len(node.inputs) > 1:
        scale, shift = (ctx.constant(name, "scale").astype(np.float64) for name in node.inputs[1:])
    pairs = []
    for a, b in zip(scale, shift, strict=True):
        threshold, flip = least(float(a) * t.scale, float(b))
        pairs.append((max(-INT32 - 1, min(INT32, threshold + t.zero_point)), flip))
    names = put_thresholds(ctx, node, pairs)
    ctx.emit("bsign", [tensor, *names], produce_bits(ctx, node, t.shape, order))


@lowers("BinaryConv")
def binary_conv(ctx: Context, node: Node) -> None:
    weight = ctx.constant(node.inputs[1], "weights")
    stride, dilation, pads = (node.attrs[key] for key in ("strides", "dilations", "pads"))
    out = ctx.shape(node.output)
    fields = {"stride": tuple(stride), "dilation": tuple(dilation), "pads": tuple(pads), "pad_value": int(node.attrs["pad_value"])}
    product(ctx, node, weight.transpose(0, 2, 3, 1), ctx.view(node.inputs[0]).tensor, (1, *out[2:], out[1]), fields)


@lowers("BinaryLinear")
def binary_linear(ctx: Context, node: Node) -> None:
    """A convolution over an image of one pixel for each token."""
    weight = ctx.constant(node.inputs[1], "weights")
    tensor = ctx.view(node.inputs[0]).tensor
    bits = ctx.graph.of(tensor).shape
    tokens = math.prod(bits[1:-1])
    image = ctx.reshape(tensor, (bits[0], 1, tokens, bits[-1]))
    product(ctx, node, weight[:, None, None, :], image, (bits[0], 1, tokens, len(weight)), {}, tuple(range(len(ctx.shape(node.output)))))


def product(
    ctx: Context, node: Node, weight: Array, tensor: str, out: tuple[int, ...], fields: dict[str, Any], order: tuple[int, ...] | None = None
) -> None:
    """weight[O,KH,KW,C] of +-alpha times bits; `out` is the stored output shape, with the axes in `order`."""
    size = alpha(weight)
    assert size is not None
    bias = ctx.constant(node.inputs[2], "bias").astype(np.float64)
    bits = ctx.put(f"{node.name}/weight", pack(weight > 0))
    fields = {**fields, "channels": weight.shape[-1]}
    if node.attrs.get("sign"):
        names = put_thresholds(ctx, node, [least(float(a), float(b)) for a, b in zip(size, bias, strict=True)])
        ctx.emit("bconv2d_bits", [tensor, bits, *names], produce_bits(ctx, node, out, order), **fields)
        return
    param = stream_param(ctx, node.output) if node.attrs.get("stream") else ctx.param(node.output)
    most = weight[0].size
    size = np.maximum(size, np.maximum(param.scale / (64 * most), np.abs(bias) / (ROOM >> FRACTION)))  # a channel of zeros; a huge bias
    fraction = max(0, min(FRACTION, int(math.log2(ROOM / most))))
    whole = np.rint(bias / size * 2.0**fraction).astype(np.int64).clip(-ROOM, ROOM).astype(np.int32)
    scales = size / param.scale / 2.0**fraction
    if param.dtype == "int16":
        multiplier, shift = requantize_params(scales, "i64_15")
        constants, rounding = [ctx.put(f"{node.name}/multiplier", multiplier), ctx.put(f"{node.name}/shift", shift)], "i64_15"
    else:
        *constants, rounding = ctx.requantizer(node.name, scales, (most << fraction) + np.abs(whole.astype(np.float64)))
    residual = [ctx.stored(name) for name in node.inputs[3:]]
    result = ctx.like(node.output, param, out)
    names = [tensor, bits, ctx.put(f"{node.name}/bias", whole), *constants, *residual]
    ctx.emit("bconv2d", names, result, fraction=fraction, rounding=rounding, **limits(node, param), **fields)
    ctx.place(node.output, result, order)


def limits(node: Node, param: QParam) -> dict[str, Any]:
    """`lo` and `hi` of a fused activation."""
    info = np.iinfo(param.dtype)
    lo, hi = node.clamp or (-INF, INF)
    return {"lo": int(info.min if lo == -INF else param.quantize(lo)), "hi": int(info.max if hi == INF else param.quantize(hi))}


def stream_result(ctx: Context, node: Node) -> tuple[str, QParam]:
    out, param = ctx.shape(node.output), stream_param(ctx, node.output)
    order = ctx.natural(node.output)
    result = ctx.like(node.output, param, tuple(out[a] for a in order))
    ctx.place(node.output, result, order)
    return result, param


@lowers("StreamAdd")
def stream_add(ctx: Context, node: Node) -> None:
    tensors = [ctx.stored(name) for name in node.inputs]
    result, param = stream_result(ctx, node)
    ctx.emit("add16", tensors, result, **limits(node, param))


@lowers("StreamConcat")
def stream_concat(ctx: Context, node: Node) -> None:
    tensors = [ctx.stored(name) for name in node.inputs]
    result, _ = stream_result(ctx, node)
    ctx.emit("concat", tensors, result, axis=ctx.natural(node.output).index(node.attrs["axis"] % 4))


@lowers("StreamAveragePool")
def stream_average_pool(ctx: Context, node: Node) -> None:
    tensor = ctx.stored(node.inputs[0])
    result, _ = stream_result(ctx, node)
    kernel = tuple(node.attrs["kernel_shape"])
    ctx.emit("avg_pool16", [tensor], result, kernel=kernel, stride=tuple(node.attrs.get("strides", [1, 1])))


@lowers("Widen")
def widen(ctx: Context, node: Node) -> None:
    """int8 to int16 by a table of 256 entries."""
    tensor = ctx.stored(node.inputs[0])
    x = ctx.param(node.inputs[0])
    result, y = stream_result(ctx, node)
    table = ctx.put(f"{node.name}/table", y.quantize(x.dequantize(np.arange(256, dtype=np.uint8).view(x.dtype))))
    ctx.emit("tfl_lut", [tensor, table], result)


@lowers("Narrow")
def narrow(ctx: Context, node: Node) -> None:
    x, y = stream_param(ctx, node.inputs[0]), ctx.param(node.output)
    tensor = ctx.stored(node.inputs[0])
    fraction, exponent = math.frexp(x.scale / y.scale)
    multiplier = min(round(fraction * 2**15), 2**15 - 1)
    shift = 15 - exponent
    if not 1 <= shift <= 30:
        multiplier, shift = (0, 1) if shift > 30 else (2**15 - 1, 1)
    result = ctx.produce(node.output, ctx.graph.of(tensor).shape)
    ctx.emit("rescale16", [tensor], result, multiplier=multiplier, shift=shift, **ctx.limits(node))
    ctx.place(node.output, result)
