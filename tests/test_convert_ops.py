"""Every operator of the importer: a tiny ONNX graph, converted, must compute what onnxruntime does within steps of its output scale."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import intq
import numpy as np
import onnx
import onnx.helper as h
import pytest
from intq.converter import convert
from onnx_cases import build, rand, reference


@dataclass
class Case:
    """One node `op` from x (and z) to y: attributes, constant inputs after x by name, the shape of x, and how many steps it may be off."""

    op: str
    shape: tuple[int, ...]
    attrs: dict = field(default_factory=dict)
    constants: dict = field(default_factory=dict)
    second: tuple[int, ...] | None = None
    steps: float = 1.6
    opset: int = 17
    outputs: int = 1
    positive: bool = False

    def label(self) -> str:
        attrs = "-".join(f"{k}={v}" for k, v in self.attrs.items())
        return f"{self.op}-{'x'.join(map(str, self.shape))}-{attrs}".replace(" ", "")


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


W = rand(6, 4, 3, 3)
SIMPLE = (
    "Relu",
    "Sigmoid",
    "Tanh",
    "Elu",
    "Selu",
    "Erf",
    "Softplus",
    "Softsign",
    "LeakyRelu",
    "HardSwish",
    "HardSigmoid",
    "Abs",
    "Neg",
    "Identity",
)
SCALES = {"r": np.float32([]), "s": np.float32([1, 1, 2, 2])}
ODD = {"r": np.float32([]), "s": np.float32([1, 1, 1.5, 3])}
CASES = [
    Case("Conv", (4, 9, 7), {"pads": [1, 1, 1, 1]}, {"w": W, "b": rand(6)}),
    Case("Conv", (4, 9, 7), {"pads": [0, 1, 2, 0], "strides": [2, 1], "dilations": [1, 2]}, {"w": W}),
    Case("Conv", (4, 9, 7), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, {"w": W}),
    Case("Conv", (4, 9, 7), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, {"w": W}),
    Case("Conv", (4, 6, 6), {"group": 2}, {"w": rand(6, 2, 3, 3)}),
    Case("Conv", (4, 6, 6), {"group": 4}, {"w": rand(8, 1, 3, 3)}),
    Case("Conv", (4, 20), {"pads": [1, 1], "strides": [2]}, {"w": rand(6, 4, 3), "b": rand(6)}),
    Case("Conv", (4, 20), {"group": 4, "dilations": [2]}, {"w": rand(4, 1, 3)}),
    Case("Conv", (3, 1, 6, 6), {"pads": [1, 1, 1, 1, 1, 1]}, {"w": rand(5, 3, 3, 3, 3)}),
    Case("Conv", (3, 4, 6, 6), {}, {"w": rand(5, 3, 4, 3, 3)}),
    Case("Conv", (3, 4, 6, 6), {}, {"w": rand(5, 3, 1, 1, 3)}),
    Case("Conv", (3, 4, 6, 6), {}, {"w": rand(5, 3, 1, 3, 3)}),
    Case("Conv", (4, 3, 7, 6), {"pads": [0, 1, 1, 0, 1, 1], "strides": [1, 2, 2], "group": 2}, {"w": rand(6, 2, 1, 3, 3), "b": rand(6)}),
    Case("Conv", (4, 3, 8, 6), {"pads": [0, 2, 0, 0, 0, 1], "dilations": [1, 2, 1], "strides": [1, 3, 1]}, {"w": rand(5, 4, 1, 2, 2)}),
    Case("ConvTranspose", (4, 3, 5, 6), {"strides": [1, 2, 2]}, {"w": rand(4, 3, 1, 2, 2), "b": rand(3)}),
    Case("MaxPool", (3, 5, 6, 7), {"kernel_shape": [2, 3, 3], "strides": [2, 2, 1], "pads": [0, 1, 1, 1, 1, 1]}),
    Case("AveragePool", (3, 5, 6, 7), {"kernel_shape": [1, 3, 3], "strides": [1, 2, 2], "pads": [0, 1, 1, 0, 1, 1]}),
    Case("ConvTranspose", (4, 5, 6), {"strides": [2, 2]}, {"w": rand(4, 3, 2, 2), "b": rand(3)}),
    Case("ConvTranspose", (4, 5, 6), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, {"w": rand(4, 3, 3, 3)}),
    Case("ConvTranspose", (4, 5, 6), {"strides": [3, 2], "group": 2, "dilations": [1, 2]}, {"w": rand(4, 3, 4, 3)}),
    Case("ConvTranspose", (4, 7), {"strides": [2], "pads": [1, 1]}, {"w": rand(4, 3, 4)}),
    Case("Gemm", (12,), {"transB": 1, "alpha": 0.5, "beta": 2.0}, {"w": rand(5, 12), "b": rand(5)}),
    Case("Gemm", (12,), {}, {"w": rand(12, 5)}),
    Case("MatMul", (7, 12), {}, {"w": rand(12, 5)}),
    Case("MatMul", (5, 8), {}, second=(8, 6)),
    Case("MatMul", (3, 5, 8), {}, second=(3, 8, 6)),
    Case("MatMul", (3, 5, 8), {}, second=(1, 8, 6)),
    Case("Add", (4, 5, 5), second=(4, 5, 5)),
    Case("Add", (4, 5, 5), second=(4, 1, 1)),
    Case("Add", (4, 5, 5), {}, {"c": rand(4, 5, 5)}),
    Case("Sub", (4, 5, 5), second=(4, 5, 5)),
    Case("Sub", (7, 6), second=(7, 6)),
    Case("Mul", (4, 5, 5), second=(4, 1, 1)),
    Case("Mul", (4, 5, 5), second=(1, 5, 5)),
    Case("Mul", (4, 5, 5), {}, {"c": rand(4, 1, 1)}),
    Case("Div", (4, 5, 5), {}, {"c": np.float32(3)}),
    Case("Div", (4, 5, 5), {}, {"c": np.abs(rand(4, 1, 1)) + 1}),
    Case("Pow", (4, 5), {}, {"c": np.float32(2)}),
    Case("Sum", (4, 5, 5), second=(4, 5, 5)),
    Case("Max", (4, 5, 5), second=(4, 5, 5), steps=2.1),
    Case("Min", (4, 5, 5), second=(4, 5, 5), steps=2.1),
    Case("AveragePool", (4, 8, 8), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    Case("AveragePool", (4, 8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    Case("AveragePool", (4, 8, 8), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    Case("AveragePool", (4, 8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    Case("AveragePool", (4, 20), {"kernel_shape": [3], "strides": [2]}),
    Case("MaxPool", (4, 8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    Case("MaxPool", (4, 8, 8), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    Case("AveragePool", (1, 9, 4, 5), {"kernel_shape": [5, 1, 1], "strides": [1, 1, 1], "pads": [2, 0, 0, 2, 0, 0]}),
    Case("MaxPool", (2, 4, 5, 8), {"kernel_shape": [1, 1, 3], "strides": [1, 1, 2]}),
    Case("MaxPool", (4, 21), {"kernel_shape": [4], "strides": [2]}),
    Case("GlobalAveragePool", (4, 7, 5)),
    Case("GlobalMaxPool", (4, 7, 5)),
    Case("ReduceMean", (4, 7, 5), {"axes": [2, 3], "keepdims": 0}),
    Case("ReduceMean", (4, 7, 5), {"axes": [1], "keepdims": 1}),
    Case("ReduceMean", (6, 8), {"axes": [1]}),
    Case("ReduceMax", (4, 7, 5), {"axes": [1], "keepdims": 0}),
    Case("ReduceMin", (4, 7, 5), {"axes": [2, 3], "keepdims": 0}),
    Case("ReduceSum", (4, 7, 5), {"keepdims": 0}, {"axes": ints(1)}),
    Case("ArgMax", (6, 5, 4), {"axis": 1}, steps=-0.5),
    Case("ArgMax", (6, 5, 4), {"axis": 3, "keepdims": 0}, steps=0),
    Case("ArgMin", (9,), {"axis": 1}, steps=0),
    Case("ReduceL2", (4, 7, 5), {"axes": [1], "keepdims": 1}, steps=24),
    Case("Softmax", (11,)),
    Case("Softmax", (6, 4, 4), {"axis": 1}),
    Case("Concat", (4, 5, 5), {"axis": 1}, second=(3, 5, 5)),
    Case("Concat", (4, 5, 5), {"axis": 2}, second=(4, 2, 5)),
    Case("Reshape", (4, 6), {}, {"s": ints(0, 8, 3)}),
    Case("Flatten", (4, 3, 2)),
    Case("Transpose", (4, 3, 2), {"perm": [0, 2, 3, 1]}),
    Case("Squeeze", (4, 1, 3), {}, {"a": ints(2)}),
    Case("Unsqueeze", (4, 3), {}, {"a": ints(2)}),
    Case("Slice", (6, 7, 5), {}, {"s": ints(1, -5), "e": ints(5, 100), "a": ints(1, 2), "t": ints(2, 1)}),
    Case("Slice", (6, 7), {}, {"s": ints(-1), "e": ints(-100), "a": ints(1), "t": ints(-1)}),
    Case("Split", (6, 5, 5), {"axis": 1}, {"s": ints(1, 2, 3)}, outputs=3),
    Case("Gather", (6, 5, 5), {"axis": 1}, {"i": ints(4, 0, 0, 3)}),
    Case("Gather", (6, 5, 5), {"axis": 2}, {"i": np.array(2)}),
    Case("Tile", (3, 4, 2), {}, {"r": ints(1, 2, 1, 3)}),
    Case("Expand", (3, 1, 2), {}, {"s": ints(1, 3, 4, 2)}),
    Case("Pad", (3, 5, 6), {}, {"p": ints(0, 0, 1, 2, 0, 0, 3, 0)}),
    Case("Pad", (3, 5, 6), {}, {"p": ints(0, 1, 0, 2, 0, 0, 1, 0), "v": np.float32(4.5)}),
    Case("Pad", (3, 5, 6), {"mode": "reflect"}, {"p": ints(0, 0, 1, 2, 0, 0, 3, 1)}),
    Case("Pad", (3, 5, 6), {"mode": "edge"}, {"p": ints(0, 0, 1, 2, 0, 0, 3, 1)}),
    Case("Resize", (3, 4, 5), {"mode": "nearest"}, SCALES),
    Case("Resize", (3, 4, 5), {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}, ODD),
    Case("Resize", (3, 4, 5), {"mode": "linear"}, SCALES, steps=2.6),
    Case("Resize", (3, 4, 5), {"mode": "linear", "coordinate_transformation_mode": "align_corners"}, ODD, steps=2.6),
    Case("DepthToSpace", (8, 3, 4), {"blocksize": 2}),
    Case("DepthToSpace", (8, 3, 4), {"blocksize": 2, "mode": "CRD"}),
    Case("SpaceToDepth", (3, 4, 6), {"blocksize": 2}),
    Case("BatchNormalization", (4, 5, 5), {}, {"g": rand(4), "b": rand(4), "m": rand(4), "v": np.abs(rand(4)) + 0.5}),
    Case("LpNormalization", (6, 4), {"axis": 1}, steps=4),
    Case("LRN", (6, 5, 5), {"size": 3, "alpha": 0.5}, steps=4),
    Case("PRelu", (4, 5, 5), {}, {"s": np.abs(rand(4, 1, 1))}, steps=2.6),
    Case("PRelu", (4, 5, 5), {}, {"s": np.float32([0.25])}),
    *[Case(op, (4, 5, 5)) for op in SIMPLE],
    Case("Gelu", (4, 5, 5), opset=20),
    Case("Mish", (4, 5, 5), opset=18),
    Case("Clip", (4, 5, 5), {}, {"a": np.float32(-0.5), "b": np.float32(1)}),
    *[Case(op, (4, 5), positive=True, steps=8) for op in ("Sqrt", "Log", "Reciprocal", "Exp")],
    Case("ThresholdedRelu", (4, 5), {"alpha": 0.5}, steps=400),
]  # fmt: skip


def converted(case: Case) -> tuple[onnx.ModelProto, intq.Model, dict[str, np.ndarray]]:
    inputs = {"x": ("N", *case.shape)}
    if case.second is not None:
        inputs["z"] = ("N", *case.second)
    outputs = [f"y{i}" if i else "y" for i in range(case.outputs)]
    node = h.make_node(case.op, [*inputs, *case.constants], outputs, name="node", **case.attrs)
    proto = build([node], inputs, outputs, case.opset, **case.constants)
    rng = np.random.default_rng(zlib.crc32(case.label().encode()))
    feeds = {name: rng.normal(size=(24, *shape[1:])).astype(np.float32) for name, shape in inputs.items()}
    if case.positive:
        feeds = {name: np.abs(array) + 0.3 for name, array in feeds.items()}
    model = convert(proto, calibration=feeds, recipe="fast")
    # inputs that int8 holds exactly leave the operator's own error only
    for port in model.inputs:
        t = model.graph.tensors[port.tensor]
        q = np.clip(np.rint(feeds[port.name] / t.scale) + t.zero_point, -128, 127)
        feeds[port.name] = (np.float32(t.scale) * (q - t.zero_point)).astype(np.float32)
    return proto, model, feeds


@pytest.mark.parametrize("case", CASES, ids=Case.label)
def test_operator(case: Case) -> None:
    proto, model, feeds = converted(case)
    result = intq.Session(model, batch=5).run(feeds if len(feeds) > 1 else feeds["x"])
    results = result if isinstance(result, dict) else {model.outputs[0].name: result}
    for port, want in zip(model.outputs, reference(proto, feeds), strict=True):
        got, scale = results[port.name], model.graph.tensors[port.tensor].scale
        assert got.shape == want.shape
        # ends of the range may be cut by half a step more
        assert np.abs(got - want).max() <= (case.steps + 0.5) * scale


def test_layout_stays_channels_last_inside_and_costs_no_copies() -> None:
    """Conv, pooling, shuffle-free reshapes and a flattened Gemm: not one transposition."""
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        h.make_node("MaxPool", ["c"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Flatten", ["p"], ["f"]),
        h.make_node("Gemm", ["f", "v"], ["y"], transB=1),
    ]
    proto = build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, w=rand(6, 3, 3, 3), v=rand(5, 96))
    model = convert(proto, calibration=rand(16, 3, 8, 8), recipe="fast")
    assert [node.op for node in model.graph.nodes] == ["conv2d", "max_pool", "reshape", "dense"]


def test_channel_shuffle_is_one_transposition() -> None:
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"]),
        h.make_node("Reshape", ["c", "split"], ["a"]),
        h.make_node("Transpose", ["a"], ["b"], perm=[0, 2, 1, 3, 4]),
        h.make_node("Reshape", ["b", "join"], ["s"]),
        h.make_node("Conv", ["s", "w"], ["y"]),
    ]
    constants = {"w": rand(8, 8, 1, 1), "split": ints(0, 2, 4, 6, 6), "join": ints(0, 8, 6, 6)}
    proto = build(nodes, {"x": ("N", 8, 6, 6)}, ["y"], 17, **constants)
    model = convert(proto, calibration=rand(16, 8, 6, 6), recipe="fast")
    assert [node.op for node in model.graph.nodes if node.op != "reshape"] == ["conv2d", "transpose", "conv2d"]


def test_one_error_lists_every_offender() -> None:
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"], name="fine"),
        h.make_node("Det", ["x"], ["d"], name="first"),
        h.make_node("Hardmax", ["c"], ["n"], name="second"),
        h.make_node("Reshape", ["c", "s"], ["y"], name="third"),
    ]
    proto = build(nodes, {"x": ("N", 3, 4, 4)}, ["y", "d", "n"], 17, w=rand(3, 3, 1, 1), s=ints(16, 3))
    with pytest.raises(intq.UnsupportedError) as error:
        convert(proto, calibration=rand(4, 3, 4, 4))
    for name in ("first", "second", "third"):
        assert f"{name!r}" in str(error.value)
    assert "fine" not in str(error.value)
    assert str(error.value).count("way out") == 3
