"""ONNX models that contradict themselves: one typed error with onnxruntime's reason, and never one for a model that onnxruntime runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.helper as h
import onnx.numpy_helper
import pytest
from intq import Error, InputError, Session
from intq.converter import convert, front
from onnx_cases import build, rand

X = rand(9, 3, 6, 6)


def network() -> onnx.ModelProto:
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"], name="conv"), h.make_node("Relu", ["c"], ["r"]), h.make_node("Flatten", ["r"], ["f"]),
        h.make_node("Gemm", ["f", "g", "b"], ["y"], name="fc", transB=1),
    ]  # fmt: skip
    return build(nodes, {"x": ("N", 3, 6, 6)}, ["y"], 17, w=rand(4, 3, 3, 3), g=rand(5, 64), b=rand(5))


def replace(name: str, change: Callable[[Any], Any]) -> Callable[[onnx.ModelProto], None]:
    def edit(proto: onnx.ModelProto) -> None:
        tensor = next(t for t in proto.graph.initializer if t.name == name)
        tensor.CopyFrom(onnx.numpy_helper.from_array(change(onnx.numpy_helper.to_array(tensor)), name))

    return edit


def dims(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[0] = 7


def op(proto: onnx.ModelProto) -> None:
    proto.graph.node[2].op_type = "Conv"


def order(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "r"


def port(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT64


DAMAGE = {
    "dims of a weight": dims, "another op": op, "a cycle": order, "dtype of the input": port,
    "weights without axes": replace("w", lambda a: a.reshape(-1)), "one channel less": replace("w", lambda a: a[:, :2]),
    "a bias too short": replace("b", lambda a: a[:4]), "a weight too short": replace("g", lambda a: a[:, :60]),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_an_input_error(name: str) -> None:
    proto = network()
    DAMAGE[name](proto)
    with pytest.raises(Error):
        convert(proto, calibration=X, recipe="fast")


def test_random_damage() -> None:
    """Fields of the model overwritten: converted, or refused by an error of intq."""
    rng, whole = np.random.default_rng(0), network().SerializeToString()
    converted = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(int(rng.integers(1, 3))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
        proto = onnx.ModelProto()
        try:
            proto.ParseFromString(bytes(data))
        except Exception:  # no protobuf message: nothing to convert
            continue
        try:
            Session(convert(proto, calibration=X, recipe="fast"))
            converted += 1
        except Error:
            pass
    assert converted > 10


@pytest.mark.parametrize("recipe", ["fast", "balanced"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_weights_that_are_no_numbers(value: float, recipe: str) -> None:
    proto = network()
    replace("w", lambda a: np.where(np.arange(a.size).reshape(a.shape) == 5, np.float32(value), a))(proto)
    with pytest.raises(InputError, match="NaN or infinity"):
        convert(proto, calibration=X, recipe=recipe)


def test_absurd_sizes() -> None:
    """Refused before memory is asked for, and before ONNX's shape inference ends the process at the Slice of a negative size."""
    proto = network()
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2**28
    with pytest.raises(InputError, match=r"shape \[268435456, 3, 6, 6\]"):
        convert(proto, calibration=X, recipe="fast")
    cut = {"begin": np.array([0]), "end": np.array([4]), "axis": np.array([2])}
    nodes = [h.make_node("Conv", ["x", "w"], ["c"], name="wide", dilations=[1, 1]), h.make_node("Slice", ["c", "begin", "end", "axis"], ["y"])]
    proto = build(nodes, {"x": ("N", 3, 6, 6)}, ["y"], 17, w=rand(4, 3, 3, 3), **cut)
    proto.graph.node[0].attribute[0].ints[0] = 4096
    with pytest.raises(InputError, match=r"'wide' \(Conv\).*-8186"):
        convert(proto, calibration=X)
    steps = [h.make_node("ConvTranspose", ["x", "w"], ["y"], name="steps", strides=[1, 2**24])]
    with pytest.raises(Error, match=r"steps|more than"):
        convert(build(steps, {"x": ("N", 3, 6, 1)}, ["y"], 17, w=rand(3, 4, 3, 3)), calibration=X[..., :1])


def test_a_fault_of_intq_is_not_blamed_on_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a fault of intq")

    monkeypatch.setattr(front, "convert_onnx", broken)
    with pytest.raises(KeyError, match="a fault of intq"):
        convert(network(), calibration=X)
    proto = network()
    dims(proto)
    with pytest.raises(InputError, match="not sound"):
        convert(proto, calibration=X)


def test_a_fixed_batch_and_samples_left_over() -> None:
    proto = copy.deepcopy(network())
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    assert convert(proto, calibration=X, recipe="fast").inputs[0].shape == (3, 3, 6, 6)
    with pytest.raises(InputError, match="fixes its batch to 3"):
        convert(proto, calibration=X[:7], recipe="fast")
