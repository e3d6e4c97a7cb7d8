"""Graphs as exporters leave them behind: other precisions, outputs that share a value, normalizations, and refusals that name every node."""

from __future__ import annotations

import intq
import numpy as np
import onnx
import onnx.helper as h
import onnx.numpy_helper as nh
import pytest
from intq.converter import convert
from intq.errors import UnsupportedError
from onnx_cases import build, reference

RNG = np.random.default_rng(4)
X = RNG.normal(size=(24, 8, 12, 12)).astype(np.float32)
FREE = {"x": ("N", 8, 12, 12)}


def rand(*shape: int) -> np.ndarray:
    return (0.3 * RNG.normal(size=shape)).astype(np.float32)


def decibels(proto: onnx.ModelProto, x: np.ndarray = X, want: list[np.ndarray] | None = None) -> list[float]:
    """Of every output, against onnxruntime."""
    result = intq.Session(convert(proto, calibration=x), batch=5).run(x)
    found = result if isinstance(result, dict) else {proto.graph.output[0].name: result}
    rows = []
    for entry, real in zip(proto.graph.output, want or reference(proto, {"x": x}), strict=True):
        got = found[entry.name]
        assert got.shape == real.shape
        rows.append(10 * float(np.log10(((real - real.mean()) ** 2).sum() / ((real - got) ** 2).sum())))
    return rows


NODE = h.make_node
CASES = {
    "instance normalization": ([NODE("InstanceNormalization", ["x", "s", "b"], ["y"])], {"s": rand(8) + 1, "b": rand(8)}, 17),
    "group normalization": ([NODE("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)], {"s": rand(8) + 1, "b": rand(8)}, 21),
    "layer normalization": ([NODE("LayerNormalization", ["x", "s"], ["y"], axis=-2)], {"s": rand(12, 12) + 1}, 17),
    "log softmax": ([NODE("LogSoftmax", ["x"], ["y"], axis=1)], {}, 13),
    "constant on the left": ([NODE("MatMul", ["w", "x"], ["y"])], {"w": rand(5, 12)}, 17),
    "pooling that counts its padding and hangs over": (
        [NODE("AveragePool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1)],
        {},
        17,
    ),
    "pooling of what does not fit": (
        [NODE("AveragePool", ["x"], ["y"], kernel_shape=[5, 5], strides=[3, 3], ceil_mode=1, count_include_pad=1)],
        {},
        17,
    ),
}


def drawn(*shape: int) -> np.ndarray:
    """Without touching what `rand` gives the cases above and below."""
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


CASES |= {
    "parts of a constant": (
        [
            NODE("Split", ["w", "sizes"], ["w1", "w2"], axis=0),
            NODE("Transpose", ["w2"], ["w3"]),
            NODE("MatMul", ["x", "w1"], ["a"]),
            NODE("MatMul", ["x", "w3"], ["c"]),
            NODE("Concat", ["a", "c"], ["y"], axis=-1),
        ],
        {"w": drawn(24, 12), "sizes": np.array([12, 12])},
        17,
    ),
    "sums of products, a constant": ([NODE("Einsum", ["w", "x"], ["y"], equation="doc,nchi->nhdio")], {"w": drawn(2, 5, 8)}, 17),
    "sums of products, two axes": ([NODE("Einsum", ["x", "w"], ["y"], equation="nchi,hio -> nco")], {"w": drawn(12, 12, 7)}, 17),
    "products of two": ([NODE("Einsum", ["x", "x"], ["y"], equation="nchi,nchj->nicj")], {}, 17),
    "products of two without sums": (
        [NODE("Einsum", ["x", "z"], ["y"], equation="nchi,nj->njchi"), NODE("ReduceMean", ["x"], ["z"], axes=[1, 2], keepdims=0)][::-1],
        {},
        17,
    ),
    "a turned tensor": ([NODE("Einsum", ["x"], ["y"], equation="nchi->nihc")], {}, 17),
}


@pytest.mark.parametrize("name", CASES)
def test_one_operator(name: str) -> None:
    nodes, constants, opset = CASES[name]
    proto = build(nodes, FREE, ["y"], opset, **constants)
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    assert min(decibels(proto)) > 30


SPREAD = np.exp(RNG.normal(0, 1.5, (1, 8, 1, 1))).astype(np.float32)  # standard deviations of channels, some 30 times those of others


@pytest.mark.parametrize("op", ["InstanceNormalization", "LayerNormalization", "GroupNormalization"])
def test_normalization_of_unlike_deviations(op: str) -> None:
    """Each is divided by its own to the rounding of the input, however small it is beside the others."""
    x = X * (SPREAD if op != "LayerNormalization" else SPREAD.reshape(8, 1)[np.arange(12) % 8])
    more = {"InstanceNormalization": {}, "LayerNormalization": {"axis": -1}, "GroupNormalization": {"num_groups": 4}}[op]
    channels = 12 if op == "LayerNormalization" else 8
    nodes = [NODE(op, ["x", "s", "b"], ["y"], **more)]
    proto = build(nodes, FREE, ["y"], 21, s=rand(channels) + 1, b=rand(channels))
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    step = float(x.max() - x.min()) / 255
    held = reference(proto, {"x": np.rint(x / step) * np.float32(step)})[0]  # what rounding the input to integers leaves
    real = reference(proto, {"x": x})[0]
    best = 10 * float(np.log10(((real - real.mean()) ** 2).sum() / ((real - held) ** 2).sum()))
    assert decibels(proto, x)[0] > best - 3


def test_normalization_of_more_than_one_operator_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intq.converter.passes.normalize.MOST", 100)
    proto = build([NODE("InstanceNormalization", ["x", "s", "b"], ["y"])], FREE, ["y"], 17, s=rand(8) + 1, b=rand(8))
    assert "standardize" not in {node.op for node in convert(proto, calibration=X).graph.nodes}
    assert min(decibels(proto)) > 25


@pytest.mark.parametrize("opset", [13, 18])
def test_a_normalization_that_is_written_out(opset: int) -> None:
    x = X * SPREAD
    axes, attrs = (["axes"], {}) if opset >= 18 else ([], {"axes": [2, -1]})
    nodes = [
        NODE("ReduceMean", ["x", *axes], ["m"], keepdims=1, **attrs), NODE("Sub", ["x", "m"], ["d"]), NODE("Pow", ["d", "two"], ["q"]),
        NODE("ReduceMean", ["q", *axes], ["v"], keepdims=1, **attrs), NODE("Add", ["v", "e"], ["t"]), NODE("Sqrt", ["t"], ["r"]),
        NODE("Div", ["d", "r"], ["n"]), NODE("Mul", ["n", "s"], ["y"]),
    ]  # fmt: skip
    constants = {"two": np.float32(2), "e": np.float32(1e-5), "s": rand(8, 1, 1) + 1, **({"axes": np.array([2, -1])} if axes else {})}
    proto = build(nodes, FREE, ["y"], opset, **constants)
    assert [node.op for node in convert(proto, calibration=x).graph.nodes].count("standardize") == 1
    assert min(decibels(proto, x)) > 15


@pytest.mark.parametrize("kind", [onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE])
def test_half_and_double_precision_are_read_as_float(kind: int) -> None:
    nodes = [NODE("Conv", ["x", "w"], ["c"]), NODE("Clip", ["c", "lo"], ["d"]), NODE("Cast", ["d"], ["y"], to=kind)]
    proto = build([*nodes[:2], NODE("Identity", ["d"], ["y"])], FREE, ["y"], 17, w=rand(4, 8, 3, 3), lo=np.float32(0))
    want, dtype = reference(proto, {"x": X}), h.tensor_dtype_to_np_dtype(kind)
    arrays = [nh.from_array(nh.to_array(t).astype(dtype), t.name) for t in proto.graph.initializer]
    ports = [h.make_tensor_value_info("x", kind, FREE["x"])], [h.make_tensor_value_info("y", kind, None)]
    other = h.make_model(h.make_graph(nodes, "g", *ports, arrays), opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    assert min(decibels(other, want=want)) > 30


def test_outputs_that_are_one_value_keep_their_names() -> None:
    nodes = [NODE("Conv", ["x", "w"], ["a"]), NODE("Identity", ["a"], ["b"]), NODE("Identity", ["a"], ["c"])]
    assert min(decibels(build(nodes, FREE, ["b", "c"], 17, w=rand(4, 8, 1, 1)))) > 30
    assert min(decibels(build(nodes[:1], FREE, ["a", "x"], 17, w=rand(4, 8, 1, 1)))) > 30


def test_a_token_burnt_in_for_one_sample() -> None:
    """What calibration runs on takes one sample at a time then."""
    nodes = [NODE("Conv", ["x", "w"], ["c"], strides=[4, 4]), NODE("Reshape", ["c", "s"], ["f"]), NODE("Transpose", ["f"], ["t"], perm=[0, 2, 1])]
    nodes += [NODE("Concat", ["k", "t"], ["j"], axis=1), NODE("MatMul", ["j", "m"], ["y"])]
    constants = {"w": rand(16, 8, 4, 4), "s": np.array([0, 16, 9]), "k": rand(1, 1, 16), "m": rand(16, 5)}
    proto = build(nodes, FREE, ["y"], 17, **constants)
    want = [np.concatenate([reference(proto, {"x": x[None]})[0] for x in X])]
    assert min(decibels(proto, want=want)) > 30


def test_layouts_with_many_axes() -> None:
    """Blocks to depth and back around a table that has its own output: more factors than one transposition has axes."""
    nodes = [NODE("DepthToSpace", ["x"], ["a"], blocksize=2), NODE("PRelu", ["a", "s"], ["b"]), NODE("SpaceToDepth", ["b"], ["y"], blocksize=4)]
    assert min(decibels(build(nodes, FREE, ["y"], 17, s=np.full((1, 1, 1), 0.2, np.float32)))) > 30


def test_refusals_name_every_node() -> None:
    ops = [h.make_opsetid("", 17), h.make_opsetid("their.ops", 1)]
    graph = h.make_graph(
        [NODE("Foo", ["x"], ["a"], name="one", domain="their.ops"), NODE("Bar", ["a"], ["y"], name="two", domain="their.ops")],
        "g",
        [h.make_tensor_value_info("x", 1, FREE["x"])],
        [h.make_tensor_value_info("y", 1, None)],
    )
    with pytest.raises(UnsupportedError, match=r"2 node\(s\)(.|\n)*'one'(.|\n)*'two'(.|\n)*their.ops"):
        convert(h.make_model(graph, opset_imports=ops, ir_version=8), calibration=X)
    with pytest.raises(UnsupportedError, match="flattens the batch"):
        convert(build([NODE("Flatten", ["x"], ["y"], axis=0)], FREE, ["y"]), calibration=X)


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    ("kernel", "stride", "pads"), [((2, 2), (2, 3), (0, 0, 1, 1)), ((2, 3), (2, 3), (1, 1, 1, 1)), ((1, 2), (4, 2), (0, 1, 0, 1))]
)
def test_a_last_window_in_the_padding_is_left_out(op: str, kernel: tuple[int, int], stride: tuple[int, int], pads: tuple[int, ...]) -> None:
    """ONNX infers one window more than onnxruntime computes."""
    x = X[:, :, :11]
    nodes = [NODE(op, ["x"], ["p"], kernel_shape=kernel, strides=stride, pads=pads, ceil_mode=1), NODE("Conv", ["p", "w"], ["y"], name="after")]
    assert min(decibels(build(nodes, {"x": ("N", 8, 11, 12)}, ["p", "y"], 17, w=rand(4, 8, 1, 1)), x)) > 30
    x = x[:, :, :, :9]
    if op == "AveragePool":
        nodes[0].attribute.append(h.make_attribute("count_include_pad", 1))
    if op == "AveragePool" and kernel == (2, 3):
        with pytest.raises(UnsupportedError, match="AveragePool"):
            convert(build(nodes, {"x": ("N", 8, 11, 12)}, ["y"], 17, w=rand(4, 8, 1, 1)), calibration=X[:, :, :11])
    else:
        assert min(decibels(build(nodes, {"x": ("N", 8, 11, 9)}, ["y"], 17, w=rand(4, 8, 1, 1)), x)) > 30


def test_a_transposed_convolution_on_a_fixed_batch() -> None:
    """Its phases are interleaved in one transposition, of which the batch is a factor."""
    x = RNG.normal(size=(2, 8, 5, 6)).astype(np.float32)
    nodes = [NODE("ConvTranspose", ["x", "w"], ["t"], strides=[2, 3]), NODE("Slice", ["t", "b", "e", "a"], ["c"]), NODE("Conv", ["c", "v"], ["y"])]
    cut = {"b": np.array([1, 0]), "e": np.array([9, 17]), "a": np.array([2, 3])}
    assert min(decibels(build(nodes, {"x": x.shape}, ["t", "y"], 17, w=rand(8, 3, 2, 3), v=rand(4, 3, 1, 1), **cut), x)) > 30
