"""Pruned weights: the sparse forms of a product equal the reference, and the plan takes one only where the clock says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
import shared
from intq import Model, Session, build, choose
from intq.converter import convert
from intq.graph import Graph, Port
from intq.kernels.fixed_point import requantize_params
from intq.kernels.table import isas, lib
from intq.ops import REGISTRY, sparse
from onnx_cases import build as network
from onnxruntime import InferenceSession

pytestmark = pytest.mark.skipif(lib is None, reason="needs the compiled extension")
Array = np.ndarray[Any, Any]
USABLE = [name for name, (usable, _) in isas().items() if usable]
CASES = [  # h, w, channels, outputs, kernel, stride, dilation, pads
    (1, 1, 5, 7, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (9, 13, 64, 70, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (9, 7, 30, 33, (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    (10, 11, 16, 64, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (9, 9, 64, 17, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
    (12, 8, 7, 130, (3, 2), (1, 2), (2, 1), (2, 0, 1, 1)),
    (3, 5, 500, 40, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (5, 70, 8, 20, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (6, 58, 64, 33, (1, 3), (1, 1), (1, 2), (0, 2, 0, 2)),
    (7, 7, 68, 16, (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
    (4, 140, 4, 17, (2, 2), (1, 1), (1, 1), (0, 0, 1, 1)),
    (7, 7, 12, 96, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (15, 51, 3, 48, (7, 5), (2, 2), (1, 1), (3, 2, 3, 2)),
    (9, 60, 5, 20, (3, 3), (1, 2), (1, 2), (1, 1, 1, 2)),
    (9, 60, 6, 20, (2, 3), (2, 1), (2, 1), (1, 1, 1, 1)),
    (14, 15, 8, 128, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
]


def pruned(rng: np.random.Generator, shape: tuple[int, ...], share: float, block: tuple[int, int]) -> Array:
    """int8 weights with a share of the blocks (output channels by K) zero."""
    w = rng.integers(-128, 128, (shape[0], int(np.prod(shape[1:]))))
    mask = rng.random((-(-w.shape[0] // block[0]), -(-w.shape[1] // block[1]))) < share
    mask = np.repeat(np.repeat(mask, block[0], axis=0), block[1], axis=1)[: w.shape[0], : w.shape[1]]
    return np.where(mask, 0, w).astype(np.int8).reshape(shape)


def one_conv(rng: np.random.Generator, case: tuple[Any, ...], w: Array, rounding: str) -> Graph:
    h, width, c, o, kernel, stride, dilation, pads = case
    g = Graph("pruned")
    g.tensor("x", (1, h, width, c), zero_point=int(rng.choice([-128, 127, 3])))
    g.constant("w", w)
    g.constant("bias", rng.integers(-5000, 5000, o).astype(np.int32))
    span = np.abs(w.astype(np.int64)).reshape(o, -1).sum(axis=1) * 128 + 6000
    multiplier, shift = requantize_params(300 / span, rounding)
    g.constant("multiplier", multiplier)
    g.constant("shift", shift)
    size = tuple((d + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i, d in enumerate((h, width)))
    g.tensor("y", (1, *size, o), zero_point=-5)
    g.node(REGISTRY["conv2d"](stride=stride, dilation=dilation, pads=pads, rounding=rounding), ["x", "w", "bias", "multiplier", "shift"], ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=g.of("x").shape, perm=(0, 1, 2, 3))]
    g.outputs = [Port(name="y", tensor="y", shape=g.of("y").shape, perm=(0, 1, 2, 3))]
    return g


@pytest.mark.parametrize("variant", sparse.SHAPES)
@pytest.mark.parametrize("isa", USABLE)
def test_sparse_forms_equal_the_reference(isa: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def force(b: Any, v: Any, forms: list[choose.Form]) -> None:
        for name, lower in forms:
            if variant in name:
                taken.append(name)
                return lower()
        return forms[0][1]()

    monkeypatch.setattr(build, "fastest", force)
    monkeypatch.setattr(sparse, "SHAPES", {k: (c, 1.0) for k, (c, _) in sparse.SHAPES.items()})
    for seed, case in enumerate(CASES):
        for share, block in ((0.9, (16, 4)), (0.7, (16, 64)), (0.7, (1, 4)), (0.8, (1, 1)), (1.0, (1, 1))):
            rng = np.random.default_rng(seed)
            w = pruned(rng, (case[3], *case[4], case[2]), share, block)
            if 2 * np.count_nonzero(w) > w.size:
                continue
            model = Model(one_conv(rng, case, w, ("q15", "q31_single", "q31_double", "q15")[seed % 4]))
            x = rng.integers(-128, 128, (3, *case[:3]), dtype=np.int8)
            want = Session(model, backend="reference", batch=3).run_quantized(x)
            for threads, batch in ((1, 3), (2, 1)):
                got = Session(model, isa=isa, threads=threads, batch=batch).run_quantized(x)
                np.testing.assert_array_equal(got, want, err_msg=f"{case} {share} {block}")
    lacking = {"csr": isa not in ("amx", "avx512bitalg", "scalar"), "b16x64": isa not in ("amx", "scalar")}
    assert taken or lacking.get(variant)


def test_dense_weights_have_one_form() -> None:
    rng = np.random.default_rng(0)
    model = Model(one_conv(rng, CASES[3], rng.integers(-127, 128, (64, 3, 3, 16)).astype(np.int8), "q15"))
    assert Session(model).choices == {}


def test_shared_pruned_network() -> None:
    """The zeros of the pruned ResNet-20 are found; accuracy stays within half a point; never slower than its dense forms by the clock."""
    source = shared.model("resnet20_sparse85.onnx")
    x, labels = shared.cifar_normalized()
    model = convert(source, calibration=shared.cifar_normalized("calib")[0][:128])
    session = Session(model, isa="avx512vnni" if "avx512vnni" in USABLE else "auto", batch=8)
    assert len(session.choices) >= 18, session.choices
    for text in session.choices.values():
        taken, _, times = text.partition(": ")
        measured = dict(part.rsplit(" ", 1) for part in times.removesuffix(" us").split(" us; "))
        assert float(measured[taken]) <= min(float(us) for us in measured.values()) / choose.CLEAR + 0.2, text
    got = session.run(x).argmax(axis=1)
    runner = InferenceSession(str(source))
    want = np.concatenate([runner.run(None, {"input": x[i : i + 500]})[0] for i in range(0, len(x), 500)]).argmax(axis=1)
    b, c = int(((want == labels) & (got != labels)).sum()), int(((want != labels) & (got == labels)).sum())
    assert b - c <= 0.5 * len(x) / 100 + 1.64 * (b + c) ** 0.5, (b, c)


@pytest.mark.parametrize("block", [(16, 4), (1, 4), (1, 1)])
def test_blocks_behind_a_flattened_image_stay_whole(block: tuple[int, int]) -> None:
    """PyTorch's columns are channels, then rows, then columns of the image: where blocks lie along them, the image is brought into that order."""
    rng = np.random.default_rng(0)
    w = pruned(rng, (64, 8 * 6 * 6), 0.9, block).astype(np.float32) / 128
    nodes = [
        h.make_node("Conv", ["x", "c"], ["i"], pads=[1, 1, 1, 1]),
        h.make_node("Flatten", ["i"], ["f"]),
        h.make_node("Gemm", ["f", "w", "b"], ["y"], transB=1),
    ]
    c, b = rng.normal(size=(8, 3, 3, 3)).astype(np.float32), rng.normal(size=64).astype(np.float32)
    proto = network(nodes, {"x": ("N", 3, 6, 6)}, ["y"], 17, c=c, w=w, b=b)
    x = rng.normal(size=(16, 3, 6, 6)).astype(np.float32)
    model = convert(proto, calibration=x)
    dense = next(node for node in model.graph.nodes if node.op == "dense")
    q = model.graph.constants[dense.inputs[1]]
    assert sparse.density(q, block) <= 0.12
    want = InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    assert np.abs(Session(model).run(x) - want).max() <= 0.05 * np.abs(want).max()
