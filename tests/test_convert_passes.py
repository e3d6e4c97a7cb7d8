"""The float side of the converter: import, clean-up and rewrites keep the function, checked against onnxruntime on the source."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.helper as h
import onnx.numpy_helper
import onnx.shape_inference
import onnxruntime
import pytest
from intq.converter import passes, ranges
from intq.converter.ir import Float
from intq.converter.lower.view import groups, moves, transpose, view_of
from intq.converter.onnx.clean import clean
from intq.converter.onnx.emit import session, to_onnx
from intq.converter.onnx.load import load
from intq.converter.onnx.read import read
from intq.errors import InputError, UnsupportedError

RNG = np.random.default_rng(0)


def rand(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def model(nodes, inputs, outputs=("y",), opset=17, **constants) -> onnx.ModelProto:
    """`nodes`: NodeProtos; `inputs`: name -> shape with "N" for the batch."""
    graph = h.make_graph(
        nodes,
        "g",
        [h.make_tensor_value_info(name, 1, shape) for name, shape in inputs.items()],
        [h.make_tensor_value_info(name, 1, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
    )
    return onnx.shape_inference.infer_shapes(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8))


def folded(proto: onnx.ModelProto) -> Float:
    return passes.run(read(clean(load(proto)), True))


def check(proto: onnx.ModelProto, expected: list[str], batch: int = 3, tolerance: float = 1e-4) -> Float:
    """The folded network has these ops (a * marks a fused activation) and computes what the source does."""
    net = folded(proto)
    assert [node.op + ("*" if node.clamp else "") for node in net.nodes] == expected
    feeds = {name: rand(batch, *net.values[name].shape[1:]) for name in net.inputs}
    want = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
    for a, b in zip(want, session(to_onnx(net)).run(None, feeds), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return net


def bn(channels: int, stem: str) -> dict[str, np.ndarray]:
    values = [rand(channels) + 1, rand(channels), rand(channels), np.abs(rand(channels)) + 0.5]
    return {f"{stem}{i}": v for i, v in enumerate(values)}


def bn_node(x: str, y: str, stem: str) -> onnx.NodeProto:
    return h.make_node("BatchNormalization", [x, *[f"{stem}{i}" for i in range(4)]], [y], name=f"{y}_bn")


def test_batch_norm_after_a_convolution_and_its_relu_are_folded() -> None:
    nodes = [h.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1], name="first"), bn_node("c", "b", "s"), h.make_node("Relu", ["b"], ["y"])]
    net = check(model(nodes, {"x": ["N", 3, 8, 8]}, w=rand(4, 3, 3, 3), **bn(4, "s")), ["Conv*"])
    assert net.nodes[0].name == "first"
    assert net.nodes[0].output == "y"


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_batch_norm_before_a_convolution_is_folded_only_without_padding(pads: list[int]) -> None:
    nodes = [bn_node("x", "b", "s"), h.make_node("Conv", ["b", "w", "c"], ["y"], pads=pads, group=2)]
    expected = ["Affine", "Conv"] if any(pads) else ["Conv"]
    check(model(nodes, {"x": ["N", 4, 8, 8]}, w=rand(6, 2, 3, 3), c=rand(6), **bn(4, "s")), expected)


def test_batch_norm_around_gemm() -> None:
    nodes = [bn_node("x", "a", "s"), h.make_node("Gemm", ["a", "w", "c"], ["g"], transB=1), bn_node("g", "y", "t")]
    check(model(nodes, {"x": ["N", 6]}, w=rand(5, 6), c=rand(5), **bn(6, "s"), **bn(5, "t")), ["Linear"])


def test_batch_norm_after_a_transposed_convolution_with_groups() -> None:
    nodes = [h.make_node("ConvTranspose", ["x", "w"], ["c"], strides=[2, 2], group=2), bn_node("c", "y", "s")]
    net = folded(model(nodes, {"x": ["N", 4, 5, 5]}, w=rand(4, 3, 3, 3), **bn(6, "s")))
    assert "Affine" not in [node.op for node in net.nodes]


def test_batch_norm_between_two_adds_stays() -> None:
    nodes = [h.make_node("Add", ["x", "z"], ["a"]), bn_node("a", "b", "s"), h.make_node("Relu", ["b"], ["r"]), h.make_node("Add", ["r", "z"], ["y"])]
    check(model(nodes, {"x": ["N", 4, 3, 3], "z": ["N", 4, 3, 3]}, **bn(4, "s")), ["Add", "Affine*", "Add"])


def test_pad_goes_into_the_convolution() -> None:
    nodes = [h.make_node("Pad", ["x", "p"], ["a"]), h.make_node("Conv", ["a", "w"], ["y"])]
    pads = np.array([0, 0, 1, 0, 0, 0, 2, 1], np.int64)
    assert check(model(nodes, {"x": ["N", 2, 6, 6]}, p=pads, w=rand(3, 2, 3, 3)), ["Conv"]).nodes[0].attrs["pads"] == [1, 0, 2, 1]


def test_pad_with_another_value_stays() -> None:
    nodes = [h.make_node("Pad", ["x", "p", "v"], ["a"]), h.make_node("Conv", ["a", "w"], ["y"])]
    pads = np.array([0, 0, 1, 0, 0, 0, 2, 1], np.int64)
    check(model(nodes, {"x": ["N", 2, 6, 6]}, p=pads, v=np.float32(1), w=rand(3, 2, 3, 3)), ["Pad", "Conv"])


def test_hard_swish_written_out_is_one_table() -> None:
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"]),
        h.make_node("Add", ["c", "three"], ["a"]),
        h.make_node("Clip", ["a", "zero", "six"], ["r"]),
        h.make_node("Mul", ["c", "r"], ["m"]),
        h.make_node("Div", ["m", "six"], ["y"]),
    ]
    constants = {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6), "w": rand(4, 3, 1, 1)}
    check(model(nodes, {"x": ["N", 3, 4, 4]}, **constants), ["Conv", "Unary"])


def test_gelu_of_erf_and_where_with_constants_are_tables() -> None:
    nodes = [
        h.make_node("Div", ["x", "root"], ["a"]),
        h.make_node("Erf", ["a"], ["e"]),
        h.make_node("Add", ["e", "one"], ["b"]),
        h.make_node("Mul", ["x", "b"], ["c"]),
        h.make_node("Mul", ["c", "half"], ["gelu"]),
        h.make_node("GreaterOrEqual", ["gelu", "zero"], ["positive"]),
        h.make_node("Where", ["positive", "one", "minus"], ["y"]),
    ]
    constants = {"root": np.float32(2**0.5), "one": np.float32(1), "half": np.float32(0.5), "zero": np.float32(0), "minus": np.float32(-1)}
    check(model(nodes, {"x": ["N", 3, 4, 4]}, **constants), ["Unary"])


def test_shape_arithmetic_folds_and_the_batch_stays_free() -> None:
    nodes = [
        h.make_node("Shape", ["x"], ["s"]),
        h.make_node("Gather", ["s", "zero"], ["n"], axis=0),
        h.make_node("Unsqueeze", ["n", "axes"], ["n1"]),
        h.make_node("Concat", ["n1", "minus"], ["t"], axis=0),
        h.make_node("Reshape", ["x", "t"], ["f"]),
        h.make_node("MatMul", ["f", "w"], ["m"]),
        h.make_node("Add", ["m", "b"], ["y"]),
    ]
    constants = {"zero": np.int64(0), "axes": np.array([0]), "minus": np.array([-1]), "w": rand(12, 5), "b": rand(5)}
    check(model(nodes, {"x": ["N", 3, 2, 2]}, **constants), ["Reshape", "Linear"])


def test_opset_11_is_brought_up() -> None:
    nodes = [h.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0), h.make_node("Softmax", ["m"], ["y"], axis=1)]
    check(model(nodes, {"x": ["N", 3, 4, 4]}, opset=11), ["ReduceMean", "Softmax"])


def test_refusals() -> None:
    with pytest.raises(UnsupportedError, match="opset 9"):
        load(model([h.make_node("Relu", ["x"], ["y"])], {"x": ["N", 3]}, opset=9))
    with pytest.raises(InputError, match="axis 2 is free"):
        load(model([h.make_node("Relu", ["x"], ["y"])], {"x": ["N", 3, "H"]}))
    with pytest.raises(InputError, match="no such model file"):
        load("/nonexistent.onnx")
    broken = model([h.make_node("Relu", ["nothing"], ["y"])], {"x": ["N", 3]})
    with pytest.raises(InputError, match="checker"):
        load(broken)


def test_views_track_reshapes_and_transposes() -> None:
    """Random chains against NumPy: the view of the stored bytes is the value, and the move it names produces any order asked for."""
    moved = refused = 0
    for _ in range(300):
        shape = (1, *RNG.choice([1, 2, 3, 4, 6], RNG.integers(1, 5)).tolist())
        value = np.arange(np.prod(shape)).reshape(shape)
        order = (0, *(1 + RNG.permutation(len(shape) - 1)).tolist())
        stored, view = value.transpose(order).copy(), view_of("t", shape, order)
        for _ in range(5):
            if RNG.random() < 0.5:
                rest, dims = value.size, [1]
                while rest > 1:
                    dims.append(int(RNG.choice([d for d in range(2, rest + 1) if rest % d == 0])))
                    rest //= dims[-1]
                value, view = value.reshape(dims), view.reshape(tuple(dims))
            else:
                axes = (0, *(1 + RNG.permutation(value.ndim - 1)).tolist())
                turned = transpose(view, axes)
                if turned is None:
                    refused += 1
                    assert groups(view) is None
                    break
                view, value, moved = turned, value.transpose(axes), moved + 1
            assert (stored.reshape(view.factors).transpose(view.perm).reshape(view.shape) == value).all()
            target = (0, *(1 + RNG.permutation(value.ndim - 1)).tolist())
            found = moves(view, target)
            if found is not None:
                now = stored.reshape(found[0]).transpose(found[1]) if found[0] else stored
                assert (now.ravel() == value.transpose(target).ravel()).all()
    assert moved > 100
    assert refused > 10


def test_a_clamp_behind_a_concat_joins_the_layers_before_it() -> None:
    nodes = [
        h.make_node("Conv", ["x", "w"], ["a"]),
        h.make_node("AveragePool", ["x"], ["b"], kernel_shape=[1, 1]),
        h.make_node("Reshape", ["a", "split"], ["a5"]),
        h.make_node("Transpose", ["a5"], ["turned"], perm=[0, 2, 1, 3, 4]),
        h.make_node("Reshape", ["turned", "joined"], ["shuffled"]),
        h.make_node("Concat", ["shuffled", "b"], ["c"], axis=1),
        h.make_node("Relu", ["c"], ["r"]),
        h.make_node("Clip", ["r", "", "six"], ["y"]),
    ]
    constants = {"w": 4 * rand(6, 4, 1, 1), "split": np.int64([0, 2, 3, 5, 5]), "joined": np.int64([0, 6, 5, 5]), "six": np.float32(2)}
    proto = model(nodes, {"x": ["N", 4, 5, 5]}, **constants)
    net = check(proto, ["Conv*", "AveragePool*", "Reshape", "Transpose", "Reshape", "Concat"])
    assert net.nodes[0].clamp == (0.0, 2.0)
    two = model([*nodes[:6], h.make_node("Relu", ["c"], ["y"]), h.make_node("Neg", ["c"], ["z"])], {"x": ["N", 4, 5, 5]}, ("y", "z"), **constants)
    assert [node.clamp for node in folded(two).nodes if node.op == "Conv"] == [None]


def test_a_range_stays_within_what_its_node_can_give() -> None:
    nodes = [h.make_node("Conv", ["x", "w"], ["a"]), h.make_node("Clip", ["a", "zero", "six"], ["y"])]
    net = folded(model(nodes, {"x": ["N", 2, 3, 3]}, w=rand(2, 2, 1, 1), zero=np.float32(0), six=np.float32(6)))
    assert ranges.assign(net, {"x": (-1.0, 1.0), "y": (0.0, 7.0)})["y"].scale == pytest.approx(6 / 255)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_softmax_of_opset_11_along_the_last_axis_needs_no_flattening(op: str) -> None:
    proto = model([h.make_node(op, ["x"], ["y"], axis=3)], {"x": ["N", 2, 3, 5]}, opset=11)
    ops = [node.op for node in folded(proto).nodes]
    assert "Softmax" in ops if op == "Softmax" else "Flatten" not in ops
