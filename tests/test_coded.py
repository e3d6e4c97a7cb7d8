"""Recipes that choose codes: which values occur, groups, files, the coded form of a plan, and accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
import shared
from intq import FormatError, Model, Session, choose, packing
from intq.converter import convert
from intq.kernels.table import isas, lib
from intq.ops import coded
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
        for prefer in ("dense", "4-bit codes"):
            monkeypatch.setattr(choose, "PREFER", [prefer])
            for batch in (1, 5):
                np.testing.assert_array_equal(Session(model, isa=isa, batch=batch).run(X[:5]), want)
        monkeypatch.setattr(choose, "PREFER", [])
        session = Session(model, isa=isa)
        assert any("4-bit codes" in text for text in session.choices.values()), session.choices


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
