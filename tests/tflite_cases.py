"""Random single-operator `.tflite` models by family, with inputs: shapes, strides, zero points and scales, round ones included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tflite_builder import OpSpec, TensorSpec, build

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Case = tuple[bytes, list[Array]]
T = TensorSpec


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def scale(rng: Rng, low: float = -8, high: float = 1) -> float:
    """Of float32: log-uniform, or a power of two, or a short decimal."""
    kind = rng.integers(4)
    value = 2.0 ** rng.uniform(low, high)
    if kind == 0:
        value = 2.0 ** int(rng.integers(int(low), int(high) + 1))
    if kind == 1:
        value = max(round(value, 2), 0.01)
    return float(np.float32(value))


def zero_point(rng: Rng, dtype: str = "int8") -> int:
    if dtype == "int16":
        return 0
    shift = 128 if dtype == "uint8" else 0
    return int(pick(rng, -128, 127, 0, int(rng.integers(-128, 128)), int(rng.integers(-128, 128)))) + shift


def data(rng: Rng, shape: tuple[int, ...], dtype: str = "int8") -> Array:
    info = np.iinfo(dtype)
    if rng.integers(6) == 0:
        return rng.choice(np.array([info.min, info.max], dtype), shape)
    if rng.integers(4) == 0 and dtype == "int16":
        return rng.integers(-300, 300, shape).astype(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def shape(rng: Rng, rank: int, most: int = 7) -> tuple[int, ...]:
    return tuple(int(v) for v in rng.integers(1, most + 1, rank))


def like(rng: Rng, dtype: str, dims: tuple[int, ...], s: float | None = None, zp: int | None = None) -> TensorSpec:
    return T(dims, dtype, scale=scale(rng) if s is None else s, zero_point=zero_point(rng, dtype) if zp is None else zp)


def one(op: OpSpec, tensors: list[TensorSpec], inputs: list[int], outputs: list[int], rng: Rng) -> Case:
    return build(tensors, [op], inputs, outputs), [data(rng, tensors[i].shape, tensors[i].dtype) for i in inputs]


# ----- products -----


def out_size(padding: int, size: int, kernel: int, stride: int, dilation: int) -> int:
    reach = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == 0 else (size - reach + stride) // stride


def weight(rng: Rng, dims: tuple[int, ...], axis: int, dtype: str) -> TensorSpec:
    kind = "uint8" if dtype == "uint8" else "int8"
    values = data(rng, dims, kind)
    if dtype != "uint8" and rng.integers(3):
        values = np.maximum(values, -127)
    if dtype == "uint8" or rng.integers(3) == 0:
        zp = zero_point(rng, "uint8") if dtype == "uint8" else 0
        return T(dims, kind, scale=scale(rng, -10, -4), zero_point=zp, data=values)
    scales = [scale(rng, -10, -4) for _ in range(dims[axis])]
    return T(dims, kind, scale=scales if len(scales) > 1 else scales[0], zero_point=0, data=values, axis=axis)


def product_output(rng: Rng, dtype: str, dims: tuple[int, ...], s_in: float, w: TensorSpec, k: int) -> TensorSpec:
    """A scale that fills the output's range more or less; one in three is a round one."""
    span = 40 if dtype != "int16" else 4000
    s = float(s_in * np.max(w.scale) * np.sqrt(k) * 70 * (70 if dtype != "int16" else 9000) / span / 60 * 2.0 ** rng.uniform(-2, 2))
    if rng.integers(3) == 0:
        s = 2.0 ** round(np.log2(s))
    return like(rng, dtype, dims, float(np.float32(s)))


def bias_of(rng: Rng, n: int, s_in: float, w: TensorSpec, k: int, dtype: str) -> TensorSpec:
    kind = "int64" if dtype == "int16" else "int32"
    most = max(2, k * 3000) * (100 if dtype == "int16" else 1)
    s = np.float32(s_in) * np.asarray(w.scale, np.float32)
    return T((n,), kind, scale=[float(v) for v in np.atleast_1d(s)], zero_point=0, data=rng.integers(-most, most, n).astype(kind))


def wide_bias(rng: Rng, b: TensorSpec) -> int:
    """The schema's number of the bias type of a layer with 16-bit activations: 64 bits, or one time in four 32."""
    if rng.integers(4) or b.data is None:
        return 4
    b.dtype, b.data = "int32", b.data.astype(np.int32)
    return 2


def activation_dtype(rng: Rng) -> str:
    return str(pick(rng, "int8", "int8", "int8", "uint8", "int16"))


def convolution(rng: Rng) -> Case:
    dtype = activation_dtype(rng)
    c, oc, groups = int(rng.integers(1, 20)), int(rng.integers(1, 20)), 1
    if dtype != "uint8" and rng.integers(4) == 0:
        groups, c, oc = (int(v) for v in rng.integers(2, 5, 3))
        oc *= groups
    kh, kw = (int(v) for v in rng.integers(1, 5, 2))
    stride, dilation = [int(v) for v in rng.integers(1, 4, 2)], [int(v) for v in rng.integers(1, 3, 2)]
    padding = int(rng.integers(2))
    h, w = int(rng.integers((kh - 1) * dilation[0] + 1, 14)), int(rng.integers((kw - 1) * dilation[1] + 1, 14))
    n = int(pick(rng, 1, 1, 2))
    x = like(rng, dtype, (n, h, w, c * groups))
    wt = weight(rng, (oc, kh, kw, c), 0, dtype)
    dims = (n, out_size(padding, h, kh, stride[0], dilation[0]), out_size(padding, w, kw, stride[1], dilation[1]), oc)
    y = product_output(rng, dtype, dims, x.scale, wt, kh * kw * c)
    fields = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1], "DilationHFactor": dilation[0], "DilationWFactor": dilation[1],
              "FusedActivationFunction": int(pick(rng, 0, 0, 1, 3, 2))}  # fmt: skip
    b = bias_of(rng, oc, x.scale, wt, kh * kw * c, dtype)
    if dtype == "int16":
        fields["QuantizedBiasType"] = wide_bias(rng, b)
    with_bias = [2] if dtype != "int8" or rng.integers(6) else []
    return one(OpSpec("CONV_2D", [0, 1, *with_bias], [3], "Conv2DOptions", fields, version=5), [x, wt, b, y], [0], [3], rng)


def depthwise(rng: Rng) -> Case:
    dtype = activation_dtype(rng)
    c, m = int(rng.integers(1, 40)), int(pick(rng, 1, 1, 2, 3, 8))
    kh, kw = (int(v) for v in rng.integers(1, 5, 2))
    stride, dilation = [int(v) for v in rng.integers(1, 4, 2)], [int(v) for v in rng.integers(1, 3, 2)]
    padding = int(rng.integers(2))
    h, w = int(rng.integers((kh - 1) * dilation[0] + 1, 14)), int(rng.integers((kw - 1) * dilation[1] + 1, 14))
    x = like(rng, dtype, (1, h, w, c))
    wt = weight(rng, (1, kh, kw, c * m), 3, dtype)
    dims = (1, out_size(padding, h, kh, stride[0], dilation[0]), out_size(padding, w, kw, stride[1], dilation[1]), c * m)
    y = product_output(rng, dtype, dims, x.scale, wt, kh * kw)
    fields = {"Padding": padding, "StrideH": stride[0], "StrideW": stride[1], "DilationHFactor": dilation[0], "DilationWFactor": dilation[1],
              "DepthMultiplier": m, "FusedActivationFunction": int(pick(rng, 0, 0, 1, 3, 2))}  # fmt: skip
    b = bias_of(rng, c * m, x.scale, wt, kh * kw, dtype)
    return one(OpSpec("DEPTHWISE_CONV_2D", [0, 1, 2], [3], "DepthwiseConv2DOptions", fields, version=5), [x, wt, b, y], [0], [3], rng)


def transposed(rng: Rng) -> Case:
    dtype = activation_dtype(rng)
    c, oc = int(rng.integers(1, 12)), int(rng.integers(1, 12))
    kh, kw = (int(v) for v in rng.integers(1, 6, 2))
    sh, sw = (int(v) for v in rng.integers(1, 4, 2))
    h, w = (int(v) for v in rng.integers(1, 7, 2))
    padding = int(rng.integers(2))
    low = lambda k, s, n: (n - 1) * s + k if padding else (n - 1) * s + 1  # noqa: E731
    oh, ow = low(kh, sh, h) + int(rng.integers(sh)), low(kw, sw, w) + int(rng.integers(sw))
    x = like(rng, dtype, (1, h, w, c))
    wt = weight(rng, (oc, kh, kw, c), 0, dtype)
    y = product_output(rng, dtype, (1, oh, ow, oc), x.scale, wt, kh * kw * c // max(1, sh * sw) + 1)
    size = T((4,), "int32", data=np.array([1, oh, ow, oc], np.int32))
    fields: dict[str, Any] = {"Padding": padding, "StrideH": sh, "StrideW": sw, "FusedActivationFunction": int(pick(rng, 0, 0, 1))}
    b = bias_of(rng, oc, x.scale, wt, kh * kw * c, dtype)
    if dtype == "int16":
        fields["QuantizedBiasType"] = wide_bias(rng, b)
    return one(OpSpec("TRANSPOSE_CONV", [1, 2, 0, 3], [4], "TransposeConvOptions", fields, version=4), [x, size, wt, b, y], [0], [4], rng)


def dense(rng: Rng) -> Case:
    dtype = activation_dtype(rng)
    if rng.integers(5) == 0 and dtype != "uint8":
        return matmul(rng, dtype)
    n, k, rows = int(rng.integers(1, 40)), int(pick(rng, 1, 2, 3, 8, 31, 64, 200, 1000)), int(rng.integers(1, 5))
    x = like(rng, dtype, (rows, k))
    wt = weight(rng, (n, k), 0, dtype)
    y = product_output(rng, dtype, (rows, n), x.scale, wt, k)
    keep = bool(rng.integers(4) == 0)
    if keep:
        x.shape, y.shape = (1, rows, k), (1, rows, n)
    fields: dict[str, Any] = {"FusedActivationFunction": int(pick(rng, 0, 0, 1, 3)), "KeepNumDims": keep}
    b = bias_of(rng, n, x.scale, wt, k, dtype)
    if dtype == "int16":
        fields["QuantizedBiasType"] = wide_bias(rng, b)
    with_bias = 2 if dtype != "int8" or rng.integers(6) else -1
    return one(OpSpec("FULLY_CONNECTED", [0, 1, with_bias], [3], "FullyConnectedOptions", fields, version=9), [x, wt, b, y], [0], [3], rng)


def matmul(rng: Rng, dtype: str) -> Case:
    m, k, n = int(rng.integers(1, 9)), int(rng.integers(1, 40)), int(rng.integers(1, 9))
    batch = shape(rng, int(rng.integers(1, 3)), 3)
    adj_x, adj_y = bool(rng.integers(2)), bool(rng.integers(2))
    a = like(rng, dtype, (*batch, *((k, m) if adj_x else (m, k))))
    b = like(rng, dtype, (*batch, *((n, k) if adj_y else (k, n))))
    y = product_output(rng, dtype, (*batch, m, n), a.scale, b, k)
    fields = {"AdjX": adj_x, "AdjY": adj_y}
    if rng.integers(4) == 0:
        b.data = data(rng, b.shape, dtype)
    inputs = [0, 1] if b.data is None else [0]
    return one(OpSpec("BATCH_MATMUL", [0, 1], [2], "BatchMatMulOptions", fields, version=4), [a, b, y], inputs, [2], rng)


# ----- elementwise -----


def binary(rng: Rng) -> Case:
    name = pick(rng, "ADD", "ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "PRELU")
    dtype = str(pick(rng, "int8", "int8", "uint8", "int16"))
    if name == "SQUARED_DIFFERENCE":
        dtype = "int8"
    rank = int(rng.integers(1, 5))
    dims = shape(rng, rank)
    second = tuple(1 if rng.integers(3) == 0 else d for d in dims)[int(rng.integers(rank)) :]
    if rng.integers(2) == 0:
        second = dims
    a, b = like(rng, dtype, dims), like(rng, dtype, second)
    if dtype == "int16":
        a.scale, b.scale = scale(rng, -15, -8), scale(rng, -15, -8)
        b = like(rng, "int8", second, scale(rng, -9, -5)) if name == "PRELU" else b
    y = like(rng, dtype, dims, max(a.scale, b.scale) * float(2.0 ** rng.uniform(-1, 2)))
    if rng.integers(4) == 0:
        y.scale = b.scale = a.scale
    if dtype == "int16" and name in ("ADD", "SUB") and second == dims and rng.integers(3) == 0:  # powers of two; LiteRT aborts at broadcasts
        a.scale, b.scale = (float(2.0 ** int(rng.integers(-15, -8))) for _ in range(2))
        y.scale = max(a.scale, b.scale)
    if name in ("MAXIMUM", "MINIMUM"):
        y.scale, y.zero_point, b.scale, b.zero_point = a.scale, a.zero_point, a.scale, a.zero_point
    if name in ("MUL", "PRELU"):
        y.scale = float(np.float32(a.scale * b.scale * (60 if dtype != "int16" else 9000) * 2.0 ** rng.uniform(-2, 2)))
    if name == "SQUARED_DIFFERENCE":
        y.scale = float(np.float32(max(a.scale, b.scale) ** 2 * 200 * 2.0 ** rng.uniform(-1, 2)))
    if name == "PRELU":
        y.scale = max(y.scale if dtype != "int16" else a.scale, a.scale / 8)
    options = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
               "MAXIMUM": "MaximumMinimumOptions", "MINIMUM": "MaximumMinimumOptions", "PRELU": None}[name]  # fmt: skip
    fields: dict[str, Any] = {"FusedActivationFunction": int(pick(rng, 0, 0, 1, 3))} if name in ("ADD", "SUB", "MUL") else {}
    if name in ("ADD", "SUB") and dtype == "int16":
        fields["PotScaleInt16"] = bool(rng.integers(2))
    if name != "PRELU" and second == dims and rng.integers(2):
        a, b = b, a
    if rng.integers(4) == 0:
        b.data = data(rng, b.shape, b.dtype)
    return one(OpSpec(name, [0, 1], [2], options, fields, version=3), [a, b, y], [0, 1] if b.data is None else [0], [2], rng)


UNARY = {
    "ABS": "int8 int16", "NEG": "int8", "RSQRT": "int8 int16", "LOGISTIC": "int8 uint8 int16", "TANH": "int8 uint8 int16",
    "RELU": "int8 uint8 int16", "RELU6": "int8 uint8 int16", "RELU_N1_TO_1": "int8 uint8 int16", "LEAKY_RELU": "int8 uint8 int16", "ELU": "int8",
    "HARD_SWISH": "int8 uint8", "GELU": "int8 uint8 int16", "EXP": "int8 int16",
    "QUANTIZE": "int8 uint8 int16",
}  # fmt: skip


def unary(rng: Rng) -> Case:
    name = pick(rng, *UNARY)
    dtype = str(pick(rng, *UNARY[name].split()))
    x = like(rng, dtype, (1, int(pick(rng, 1, 5, 300))))
    y = like(rng, dtype, x.shape)
    if dtype == "int16":
        x.scale = scale(rng, -15, -9)
        y.scale = scale(rng, -15, -9)
    if name == "QUANTIZE":
        kind = str(pick(rng, "int8", "uint8", "int16") if dtype != "int16" else pick(rng, "int8", "int16", "int32"))
        if rng.integers(6) == 0:
            dtype, kind = "int32", str(pick(rng, "int8", "int16"))
            x = T(x.shape, dtype, scale=scale(rng, -30, -20), zero_point=0)
        y = T(x.shape, kind, scale=scale(rng, -20, -16)) if kind == "int32" else like(rng, kind, x.shape)
    if name == "LOGISTIC":
        y.scale, y.zero_point = (1 / 32768, 0) if dtype == "int16" else (1 / 256, -128 if dtype == "int8" else 0)
    if name == "TANH":
        y.scale, y.zero_point = (1 / 32768, 0) if dtype == "int16" else (1 / 128, 0 if dtype == "int8" else 128)
    if name in ("LOGISTIC", "TANH") and dtype == "int16" and rng.integers(3) == 0:
        x.scale = 1 / 4096
    if name == "RSQRT":
        x.zero_point = -128 if dtype == "int8" else 0
    if name == "HARD_SWISH":
        y.scale = float(np.float32(x.scale * 2.0 ** rng.uniform(-5, 2)))
    model = {"LEAKY_RELU": ("LeakyReluOptions", {"Alpha": float(pick(rng, 0.1, 0.01, 0.25, -0.5, 1.5))}),
             "GELU": ("GeluOptions", {"Approximate": bool(rng.integers(2))})}.get(name, (None, {}))  # fmt: skip
    case, inputs = one(OpSpec(name, [0], [1], model[0], model[1], version=2), [x, y], [0], [1], rng)
    if name == "RSQRT" and dtype == "int16":
        inputs = [np.abs(inputs[0].astype(np.int32)).clip(0, 32767).astype(np.int16)]
    return case, inputs


# ----- pooling, rows, resizing -----


def pooling(rng: Rng) -> Case:
    name = pick(rng, "AVERAGE_POOL_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D", "MEAN", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "ARG_MAX", "ARG_MIN")
    dtype = str(pick(rng, "int8", "int8", "uint8", "int16"))
    if name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        kh, kw = (int(v) for v in rng.integers(1, 5, 2))
        sh, sw = (int(v) for v in rng.integers(1, 4, 2))
        padding, (h, w, c) = int(rng.integers(2)), (int(rng.integers(kh, 12)), int(rng.integers(kw, 12)), int(rng.integers(1, 70)))
        x = like(rng, dtype, (1, h, w, c))
        y = like(rng, dtype, (1, out_size(padding, h, kh, sh, 1), out_size(padding, w, kw, sw, 1), c), x.scale, x.zero_point)
        fields: dict[str, Any] = {"Padding": padding, "StrideH": sh, "StrideW": sw, "FilterHeight": kh, "FilterWidth": kw,
                                  "FusedActivationFunction": int(pick(rng, 0, 0, 1, 3))}  # fmt: skip
        return one(OpSpec(name, [0], [1], "Pool2DOptions", fields, version=3), [x, y], [0], [1], rng)
    if name == "SUM" and dtype == "int16":
        dtype = "int8"
    rank = int(rng.integers(1, 5))
    x = like(rng, dtype, shape(rng, rank, 9))
    if name.startswith("ARG"):
        axis = int(rng.integers(rank))
        y = T(x.shape[:axis] + x.shape[axis + 1 :], "int32")
        spec = OpSpec(name, [0, 1], [2], "ArgMaxOptions" if name == "ARG_MAX" else "ArgMinOptions", {"OutputType": 2})
        return one(spec, [x, T((), "int32", data=np.array(axis, np.int32)), y], [0], [2], rng)
    axes = np.sort(rng.permutation(rank)[: int(rng.integers(1, rank + 1))]).astype(np.int32)
    keep = bool(rng.integers(2))
    dims = tuple(1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes)
    y = like(rng, dtype, dims, x.scale * float(2.0 ** rng.uniform(-1, 3)))
    if name.startswith("REDUCE"):
        y.scale, y.zero_point = x.scale, x.zero_point
    spec = OpSpec(name, [0, 1], [2], "ReducerOptions", {"KeepDims": keep}, version=3)
    return one(spec, [x, T(axes.shape, "int32", data=axes), y], [0], [2], rng)


def softmax(rng: Rng) -> Case:
    name = pick(rng, "SOFTMAX", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION")
    dtype = str(pick(rng, "int8", "int8", "uint8", "int16")) if name == "SOFTMAX" else str(pick(rng, "int8", "uint8"))
    dims = (*shape(rng, int(rng.integers(1, 4)), 4), int(pick(rng, 1, 2, 3, 10, 12, 100, 500)))  # LiteRT aborts where exponentials sum to 512
    x = like(rng, dtype, dims)
    low = {"int8": -128, "uint8": 0, "int16": 0}[dtype]
    if name == "SOFTMAX":
        if dtype == "int16":
            x.scale = scale(rng, -14, -8)
        y = T(dims, dtype, scale=1 / 32768 if dtype == "int16" else 1 / 256, zero_point=low)
        spec = OpSpec(name, [0], [1], "SoftmaxOptions", {"Beta": float(pick(rng, 1.0, 1.0, 0.5, 2.0))}, version=3)
    elif name == "LOG_SOFTMAX":
        y, spec = T(dims, dtype, scale=1 / 16, zero_point=low + 255), OpSpec(name, [0], [1], "LogSoftmaxOptions", {}, version=2)
    else:
        y, spec = T(dims, dtype, scale=1 / 128, zero_point=low + 128), OpSpec(name, [0], [1], "L2NormOptions", {}, version=2)
    return one(spec, [x, y], [0], [1], rng)


def resize(rng: Rng) -> Case:
    bilinear = bool(rng.integers(2))
    dtype = str(pick(rng, "int8", "int16")) if bilinear else str(pick(rng, "int8", "uint8", "int16"))
    n, h, w, c = shape(rng, 4, 9)
    oh, ow = (int(v) for v in rng.integers(1, 20, 2))
    corners, half = pick(rng, (False, False), (True, False), (False, True))
    y = like(rng, dtype, (n, oh, ow, c), (x := like(rng, dtype, (n, h, w, c))).scale, x.zero_point)
    size = T((2,), "int32", data=np.array([oh, ow], np.int32))
    name, options = ("RESIZE_BILINEAR", "ResizeBilinearOptions") if bilinear else ("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
    return one(OpSpec(name, [0, 1], [2], options, {"AlignCorners": corners, "HalfPixelCenters": half}, version=3), [x, size, y], [0], [2], rng)


ALL = (convolution, depthwise, transposed, dense, binary, unary, pooling, softmax, resize)
FAMILIES: dict[str, Callable[[Rng], Case]] = {f.__name__: f for f in ALL}
