"""16-bit activations where a recipe asks for them: they run in every backend, and are as exact as they should be."""

from __future__ import annotations

import intq
import numpy as np
import onnx.helper as h
import pytest
from intq.converter import convert, pipeline, recipe
from intq.converter.compare import compare
from intq.converter.onnx.emit import run, to_onnx
from onnx_cases import build

RNG = np.random.default_rng(16)
X = RNG.normal(size=(16, 3, 8, 8)).astype(np.float32)


def rand(*shape: int) -> np.ndarray:
    """Weights that 8 bits represent exactly, so that the activations alone are at fault."""
    q = RNG.integers(-127, 128, shape)
    q.reshape(shape[0], -1)[:, 0] = 127
    return (q / 127 * 2 / np.prod(shape[1:]) ** 0.5).astype(np.float32)


def residual():
    nodes = [
        h.make_node("Conv", ["x", "w1", "b1"], ["c1"], name="stem", pads=[1, 1, 1, 1]),
        h.make_node("Relu", ["c1"], ["r1"]),
        h.make_node("Conv", ["r1", "w2"], ["c2"], name="depth", group=8, pads=[1, 1, 1, 1]),
        h.make_node("Relu", ["c2"], ["r2"]),
        h.make_node("Conv", ["r2", "w3", "b3"], ["c3"], name="point"),
        h.make_node("Sub", ["c3", "r1"], ["s"], name="skip"),
        h.make_node("Clip", ["s", "lo", "hi"], ["k"]),
        h.make_node("MaxPool", ["k"], ["m"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Flatten", ["m"], ["f"]),
        h.make_node("Gemm", ["f", "w4", "b4"], ["g"], name="hidden", transB=1),
        h.make_node("Relu", ["g"], ["gr"]),
        h.make_node("Gemm", ["gr", "w5"], ["y"], name="last", transB=1),
    ]
    constants = {"w1": rand(8, 3, 3, 3), "b1": rand(8, 1)[:, 0], "w2": rand(8, 1, 3, 3), "w3": rand(8, 8, 1, 1), "b3": rand(8, 1)[:, 0]}
    constants |= {"lo": np.float32(-1.5), "hi": np.float32(2), "w4": rand(16, 128), "b4": rand(16, 1)[:, 0], "w5": rand(5, 16)}
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, **constants)


PROTO = residual()
WHERE = {
    "everywhere": {"activations": "int16"},
    "one convolution": {"layers": {"depth": {"activations": "int16"}}},
    "a sum": {"layers": {"skip": {"activations": "int16"}}},
    "before a sum": {"layers": {"point": {"activations": "int16"}}},
    "a linear layer": {"layers": {"hidden": {"activations": "int16"}}},
}


@pytest.mark.parametrize("where", WHERE)
def test_every_backend_gives_the_same_bytes(where: str) -> None:
    model = convert(PROTO, calibration=X, recipe={"base": "fast", **WHERE[where]})
    assert "int16" in {tensor.dtype for tensor in model.graph.tensors.values()}
    assert {port.dtype for port in intq.Session(model).inputs} == {"int8"}
    xq = RNG.integers(-128, 128, (3, 8, 8, 3)).astype(np.int8)
    want = intq.Session(model, backend="reference").run_quantized(xq)
    for options in ({"backend": "native"}, {"backend": "numba"}, {"backend": "native", "isa": "scalar", "threads": 2}):
        np.testing.assert_array_equal(intq.Session(model, **options).run_quantized(xq), want)
    assert intq.Model.from_bytes(model.to_bytes()).to_bytes() == model.to_bytes()


def test_layers_in_16_bits_lose_next_to_nothing() -> None:
    rows = {}
    for bits in ("int8", "int16"):
        model = convert(PROTO, calibration=X, recipe={"base": "fast", "activations": bits})
        rows[bits] = {row.layer: row.isolated for row in compare(PROTO, model, X).layers}
    for layer in ("depth", "point", "skip"):  # int16 in and out
        assert rows["int16"][layer] > 70 > 55 > rows["int8"][layer], (layer, rows)
    assert rows["int16"]["stem"] > rows["int8"]["stem"] + 1  # its int8 input stays
    assert rows["int16"]["last"] > rows["int8"]["last"]


def test_narrow_values_around_a_wide_one_have_their_int8_scales() -> None:
    conversion = pipeline.convert_onnx(PROTO, X, recipe.load({"base": "fast", **WHERE["a sum"]}))
    plain = pipeline.convert_onnx(PROTO, X, recipe.load("fast"))
    assert conversion.params["k"].dtype == "int16"
    for name in ("x", "r1", "r2", "c3", "m", "gr", "y"):
        assert conversion.params[name] == plain.params[name]
    want = run(to_onnx(conversion.net), {"x": X})["y"]
    errors = [float(((intq.Session(intq.Model(c.graph)).run(X) - want) ** 2).mean()) for c in (conversion, plain)]
    assert errors[0] < 1.2 * errors[1]
