"""Legal but unusual models: edges, dead operators, 64-bit outputs, five dimensions, negative axes; the bytes of LiteRT's reference kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from intq import Model, Session, UnsupportedError
from intq.converter.tflite import load_tflite

pytest.importorskip("ai_edge_litert")
from tflite_builder import OpSpec as Op
from tflite_builder import TensorSpec as T
from tflite_builder import build, run_litert

RNG = np.random.default_rng(5)


def data(shape: tuple[int, ...], dtype: str = "int8") -> np.ndarray:
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def q(*shape: int, dtype: str = "int8", scale: float = 0.05, zero_point: int = 3, **more: Any) -> T:
    return T(shape, dtype, scale=scale, zero_point=0 if dtype == "int16" else zero_point, **more)


def ints(values: Any, dtype: str = "int32") -> T:
    a = np.asarray(values, dtype)
    return T(a.shape, dtype, data=a)


def relu(x: int, y: int) -> Op:
    return Op("RELU", [x], [y])


def pack(axis: int, shape: tuple[int, ...]) -> tuple[list[T], list[Op], list[int], list[int]]:
    return [q(2, 3, 4), q(2, 3, 4), q(*shape)], [Op("PACK", [0, 1], [2], "PackOptions", {"ValuesCount": 2, "Axis": axis})], [0, 1], [2]


def arg(name: str, dtype: str, axis: T, result: str) -> tuple[list[T], list[Op], list[int], list[int]]:
    fields = {"OutputType": {"int32": 2, "int64": 4}[result]}
    options = f"{name.title().replace('_', '')}Options"
    return [q(2, 5, 3, dtype=dtype), axis, T((2, 3), result)], [Op(name, [0, 1], [2], options, fields)], [0], [2]


def requantized(source: str, target: str) -> tuple[list[T], list[Op], list[int], list[int]]:
    tensors = [q(2, 300, dtype=source, zero_point=9), T((2, 300), "float32"), q(2, 300, dtype=target, scale=0.0311, zero_point=100)]
    return tensors, [Op("DEQUANTIZE", [0], [1]), Op("QUANTIZE", [1], [2])], [0], [2]


CASES = {
    "output is an input": ([q(1, 4), q(1, 4)], [relu(0, 1)], [0], [1, 0]),
    "output is a constant": ([q(1, 4), q(1, 4), q(1, 3, data=data((1, 3)))], [relu(0, 1)], [0], [1, 2]),
    "no operators": ([q(1, 4, dtype="uint8")], [], [0], [0]),
    "an input unused": ([q(1, 4), q(1, 4), q(1, 3)], [relu(0, 1)], [0, 2], [1]),
    "two of each": ([q(1, 4), q(2, 3), q(1, 4), q(2, 3)], [relu(0, 2), Op("RELU6", [1], [3])], [1, 0], [3, 2]),
    "a dead operator in float": (
        [q(1, 4), q(1, 4), T((1, 4), "float32"), T((1, 4), "float32")], [relu(0, 1), Op("DEQUANTIZE", [0], [2]), Op("SQRT", [2], [3])], [0], [1]
    ),
    "a shape of 64 bits as output": (
        [q(2, 4), T((2,), "int64"), q(2, 4)], [Op("SHAPE", [0], [1], "ShapeOptions", {"OutType": 4}), relu(0, 2)], [0], [1, 2]
    ),
    "arg max of 64 bits": arg("ARG_MAX", "uint8", ints([-2]), "int64"),
    "arg min, scalar axis": arg("ARG_MIN", "int8", ints(1), "int64"),
    "arg max, axis of 64 bits": arg("ARG_MAX", "int8", ints([1], "int64"), "int32"),
    "requantized int8": requantized("int8", "int8"),
    "requantized uint8": requantized("uint8", "uint8"),
    "requantized int16": requantized("int16", "int8"),
    "pack at -1": pack(-1, (2, 3, 4, 2)),
    "pack at -4": pack(-4, (2, 2, 3, 4)),
    "unpack at -3": ([q(2, 3, 4), q(3, 4), q(3, 4)], [Op("UNPACK", [0], [1, 2], "UnpackOptions", {"Num": 2, "Axis": -3})], [0], [2]),
    "add of five dimensions": (
        [q(2, 2, 3, 4, 5), q(2, 1, 3, 1, 5), q(2, 2, 3, 4, 5)], [Op("ADD", [0, 1], [2], "AddOptions", {"FusedActivationFunction": 1})], [0, 1], [2]
    ),
    "reverse": ([q(2, 3, 4), ints([-2]), q(2, 3, 4)], [Op("REVERSE_V2", [0, 1], [2], "ReverseV2Options")], [0], [2]),
    "transpose of six dimensions": (
        [q(2, 2, 3, 4, 2, 2), ints([5, 4, 2, 0, 3, 1]), q(2, 2, 3, 2, 4, 2)], [Op("TRANSPOSE", [0, 1], [2], "TransposeOptions")], [0], [2]
    ),
    "mean over the same axis twice": (
        [q(2, 3, 4, 5), ints([1, -3]), q(2, 4, 5)], [Op("MEAN", [0, 1], [2], "ReducerOptions", {"KeepDims": False})], [0], [2]
    ),
    "mean over everything": ([q(2, 3), ints([0, 1]), q()], [Op("MEAN", [0, 1], [2], "ReducerOptions", {"KeepDims": False})], [0], [2]),
    "fully connected of three dimensions to rows": (
        [q(3, 2, 4), q(5, 8, scale=0.01, zero_point=0, data=data((5, 8))), q(3, 5, scale=0.3)],
        [Op("FULLY_CONNECTED", [0, 1, -1], [2], "FullyConnectedOptions", version=5)], [0], [2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_equals_litert(name: str) -> None:
    tensors, ops, inputs, outputs = CASES[name]
    file = build(tensors, ops, inputs, outputs)
    xs = [data(tensors[i].shape, tensors[i].dtype) for i in inputs]
    wanted = run_litert(file, *xs)
    graph = load_tflite(file)
    feeds = {p.name: x for p, x in zip(graph.inputs, xs, strict=True)}
    for backend in ("reference", "numba", "native"):
        got = Session(Model(graph, numerics="litert"), backend=backend).run_quantized(feeds)
        for want, have in zip(wanted, got.values() if isinstance(got, dict) else [got], strict=True):
            assert (have.dtype, have.shape) == (want.dtype, want.shape)
            np.testing.assert_array_equal(have, want)


def test_float_inside_is_named() -> None:
    tensors = [q(2, 8), T((2, 8), "float32"), T((2, 8), "float32"), q(2, 8)]
    ops = [Op("DEQUANTIZE", [0], [1]), Op("SQRT", [1], [2]), Op("QUANTIZE", [2], [3])]
    with pytest.raises(UnsupportedError, match=r"SQRT \(operator 1\)"):
        load_tflite(build(tensors, ops, [0], [3]))


def test_weights_quantized_alone_are_a_float_model() -> None:
    weights = q(5, 8, scale=0.01, zero_point=0, data=data((5, 8)))
    ops = [Op("FULLY_CONNECTED", [0, 1], [2], "FullyConnectedOptions", version=3)]
    with pytest.raises(UnsupportedError, match="float model"):
        load_tflite(build([T((2, 8), "float32"), weights, T((2, 5), "float32")], ops, [0], [2]))
