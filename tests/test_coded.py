"""Recipes that choose codes: which values occur, groups, files, the coded form of a plan, and accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
import shared
from intq import FormatError, Model, Session, choose, packing
from intq.converter import convert
from intq.graph import Graph, Port
from intq.kernels.fixed_point import requantize_params
from intq.kernels.table import isas, lib
from intq.ops import REGISTRY, coded
from onnx_cases import build

KINDS = ("log2", "shift", "apot", "kmeans4", "ternary")
RNG = np.random.default_rng(4)
X = RNG.normal(size=(48, 3, 6, 6)).astype(np.float32)


def network(channels: int = 16) -> Any:
    def rand(*shape: int) -> Any:
        return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    nodes = [
        h.make_node("Conv", ["x", "w1"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        h.make_node("Relu", ["c"], ["r"]),
        h.make_node("Flatten", ["r"], ["f"]),
        h.make_node("Gemm", ["f", "w2", "b2"], ["g"], name="wide", transB=1),
        h.make_node("Relu", ["g"], ["q"]),
        h.make_node("Gemm", ["q", "w3", "b3"], ["y"], name="last", transB=1),
    ]
    constants = {"w1": rand(channels, 3, 3, 3), "w2": rand(130, channels * 36), "b2": rand(130), "w3": rand(10, 130), "b3": rand(10)}
    return build(nodes, {"x": ("N", 3, 6, 6)}, ["y"], 17, **constants)


PROTO = network()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("base", ["fast", "best"])
def test_few_values_per_channel(kind: str, base: str) -> None:
    model = convert(PROTO, calibration=X, recipe={"base": base, "weights": kind, "keep_int8": ["last"]})
    few = [model.graph.constants[n.inputs[1]] for n in model.graph.nodes if n.op in ("conv2d", "dense")][:2]
    assert all(len(np.unique(w)) <= (3 if kind == "ternary" else 16) for w in few)
    assert all(w.min() >= -127 for w in few)
    data = model.to_bytes()
    assert len(data) < 0.62 * sum(w.size for w in few) + 8000
    assert Model.from_bytes(data).to_bytes() == data
    whole = convert(PROTO, calibration=X, recipe="fast")
    got, want = Session(model).run(X), Session(whole).run(X)
    assert ((got - want) ** 2).mean() < (0.5 if kind == "ternary" else 0.06) * want.var()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", [32, 64, 128])
def test_groups_with_integer_multipliers(kind: str, group: int) -> None:
    recipe = {"base": "fast", "granularity": "group", "group_size": group, "layers": {"wide": {"weights": kind}}}
    model = convert(PROTO, calibration=X, recipe=recipe)
    assert [n.op for n in model.graph.nodes].count("dense_codes") == 1
    assert model.bounds["wide"]
    got = Session(model).run(X)
    want = Session(convert(PROTO, calibration=X, recipe="fast")).run(X)
    assert ((got - want) ** 2).mean() < (0.5 if kind == "ternary" else 0.06) * want.var()
    np.testing.assert_array_equal(Session(model, backend="reference").run(X[:2]), got[:2])


def test_tables_of_a_file_are_checked() -> None:
    codes = np.array([[0, 1], [2, 3]], np.int8)
    assert packing.lookup(codes, [-5, 0, 7, 9], 2, "w").tolist() == [[-5, 0], [7, 9]]
    for table in ([], [1, 2, 3], [1, 2, 3, 400]):
        with pytest.raises(FormatError, match="'w'"):
            packing.lookup(codes, table, 2, "w")


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
@pytest.mark.parametrize("isa", [name for name, (usable, _) in isas().items() if usable])
def test_coded_form_gives_the_same_bytes(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coded, "LEAST", 1)
    for kind in ("int4", "log2", "ternary"):
        model = convert(PROTO, calibration=X, recipe={"base": "fast", "weights": kind})
        want = Session(model, backend="reference").run(X[:5])
        for prefer in ("dense", "-bit codes"):
            monkeypatch.setattr(choose, "PREFER", [prefer])
            for batch in (1, 5):
                np.testing.assert_array_equal(Session(model, isa=isa, batch=batch).run(X[:5]), want)
        monkeypatch.setattr(choose, "PREFER", [])
        session = Session(model, isa=isa)
        assert any("-bit codes" in text for text in session.choices.values()), session.choices


@pytest.mark.full
def test_pruned_network_in_codes() -> None:
    """The shared pruned network with k-means codes keeps its zeros and its accuracy."""
    from onnxruntime import InferenceSession

    source = shared.model("resnet20_sparse85.onnx")
    x, labels = shared.cifar_normalized()
    recipe = {"base": "best", "weights": "kmeans4", "keep_int8": ["first", "last"]}
    model = convert(source, calibration=shared.cifar_normalized("calib")[0][:256], recipe=recipe)
    got = Session(model, batch=8).run(x).argmax(axis=1)
    runner = InferenceSession(str(source))
    want = np.concatenate([runner.run(None, {"input": x[i : i + 500]})[0] for i in range(0, len(x), 500)]).argmax(axis=1)
    b, c = int(((want == labels) & (got != labels)).sum()), int(((want != labels) & (got == labels)).sum())
    assert b - c <= 0.5 * len(x) / 100 + 1.64 * (b + c) ** 0.5, (b, c)


def test_binary_weights_take_a_bit_in_the_file() -> None:
    rng = np.random.default_rng(3)
    for values in ((-127, 127), (-1, 1), (0, 1), (5, 6)):
        model = Model(one_product(rng, values, (1, 1000), 300, "q15"))
        data = model.to_bytes()
        assert len(data) < 300 * 1000 / 8 + 8000
        again = Model.from_bytes(data)
        np.testing.assert_array_equal(again.graph.constants["w"], model.graph.constants["w"])
        assert again.to_bytes() == data


def one_product(rng: Any, values: tuple[int, ...], shape: tuple[int, ...], n: int, rounding: str) -> Graph:
    """A dense layer, or a convolution over an image as large as its kernel or with a kernel of one pixel, with weights of a few values."""
    g, kernel = Graph("coded"), (1, 1) if len(shape) == 4 and shape[1] > 3 else shape[1:3]
    g.tensor("x", shape, zero_point=int(rng.choice([-128, 127, 3])))
    w = rng.choice(np.array(values, np.int8), (n, *kernel, shape[-1]) if len(shape) == 4 else (n, shape[-1]))
    multiplier, shift = requantize_params(300 / (np.abs(w.astype(np.int64)).reshape(n, -1).sum(axis=1) * 128.0 + 9000), rounding)
    inputs = ["x", g.constant("w", w), g.constant("bias", rng.integers(-9000, 9000, n).astype(np.int32)),
              g.constant("multiplier", multiplier), g.constant("shift", shift)]  # fmt: skip
    out = (*shape[:-1], n) if len(shape) != 4 else (1, *(s - k + 1 for s, k in zip(shape[1:3], kernel, strict=True)), n)
    g.tensor("y", out, zero_point=-5)
    g.node(REGISTRY["conv2d" if len(shape) == 4 else "dense"](rounding=rounding), inputs, ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=shape, perm=tuple(range(len(shape))))]
    g.outputs = [Port(name="y", tensor="y", shape=out, perm=tuple(range(len(out))))]
    return g


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
@pytest.mark.parametrize("isa", [name for name, (usable, _) in isas().items() if usable])
def test_linear_codes_equal_the_reference(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary weights with int8 activations (one bit), ternary and int2 (two), of dense layers and of convolutions that are matrix products."""
    monkeypatch.setattr(coded, "LEAST", 1)
    monkeypatch.setattr(choose, "PREFER", ["-bit codes"])
    rng = np.random.default_rng(8)
    shapes = [(1, 1), (1, 5), (1, 3, 64), (1, 2, 333), (1, 1000), (1, 2, 3, 40), (1, 4, 4, 65), (1, 1, 1, 70), (1, 5, 1111)]
    for number, shape in enumerate(shapes):
        for values in ((-127, 127), (-1, 1), (3, 90), (-1, 0, 1), (-2, -1, 0, 1), (-126, -42, 42, 126), (-127, 0, 5)):
            rounding = ("q15", "q31_single", "q31_double")[number % 3]
            model = Model(one_product(rng, values, shape, (7, 33, 64, 100)[number % 4], rounding))
            for batch in (1, 3):
                x = rng.integers(-128, 128, (3, *shape[1:]), dtype=np.int8)
                session = Session(model, isa=isa, batch=batch)
                wanted = Session(model, backend="reference", batch=3).run_quantized(x)
                np.testing.assert_array_equal(session.run_quantized(x), wanted, err_msg=f"{shape} {values}")
                assert shape[1:3] == (4, 4) or any("dense_codes" in kernel for _, kernel in session.kernels()), (shape, session.kernels())


@pytest.mark.parametrize("kind", ["int4", "int2"])
@pytest.mark.parametrize("rows", [1, 40])
def test_linear_codes_per_group_take_half_a_byte(kind: str, rows: int) -> None:
    """Groups of int4 and int2 are codes times integers, too: the file holds the codes, where few rows make that the faster product."""
    rng = np.random.default_rng(6)
    w = (rng.normal(size=(256, 72)) * rng.uniform(0.2, 2, (256, 1)) * np.repeat(rng.uniform(0.2, 1, (256, 3)), 24, axis=1)).astype(np.float32)
    proto = build([h.make_node("MatMul", ["x", "w"], ["y"])], {"x": ("N", rows, 256)}, ["y"], 17, w=w)
    x = rng.normal(size=(8, rows, 256)).astype(np.float32)
    layer = {"weights": kind, "granularity": "group", "group_size": 64}
    model = convert(proto, calibration=x, recipe={"layers": {"*": layer}})
    assert [n.op for n in model.graph.nodes if n.op.startswith("dense")] == ["dense_codes" if rows == 1 else "dense"]
    got = Session(model).run(x)
    assert np.corrcoef(got.ravel(), (x @ w).ravel())[0, 1] > (0.98 if kind == "int4" else 0.75)
    np.testing.assert_array_equal(Session(model, backend="reference").run(x[:2]), got[:2])
