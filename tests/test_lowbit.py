"""Binary networks: recognised as frameworks export them, exact where exactness is promised, accurate and small on the shared network."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper as helper
import onnx.numpy_helper
import pytest
import shared
from intq import Session
from intq.converter import convert
from intq.converter.lower.xnor import least
from intq.kernels import ref_lowbit
from intq.kernels.table import isas
from onnxruntime import InferenceSession

Array = np.ndarray[Any, Any]


def float_run(model: onnx.ModelProto, x: Array) -> Array:
    return np.asarray(InferenceSession(model.SerializeToString()).run(None, {"x": x})[0])


class Net:
    """A small ONNX network written node by node."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.shape, self.last = shape, "x"

    def add(self, op: str, *constants: Array, x: str | None = None, others: tuple[str, ...] = (), **attrs: Any) -> str:
        name = f"{op}{len(self.nodes)}"
        names = []
        for i, c in enumerate(constants):
            self.constants[f"{name}c{i}"] = c
            names.append(f"{name}c{i}")
        self.nodes.append(helper.make_node(op, [x or self.last, *others, *names], [name], name=name, **attrs))
        self.last = name
        return name

    def sign(self, kind: str) -> str:
        """The sign of x >= 0 as different frameworks write it."""
        f = lambda v: np.array(v, np.float32)  # noqa: E731
        if kind == "where":
            above = self.add("GreaterOrEqual", f(0))
            self.constants |= {f"{above}one": f(1), f"{above}minus": f(-1)}
            self.nodes.append(helper.make_node("Where", [above, f"{above}one", f"{above}minus"], [f"{above}sign"], name=f"{above}sign"))
            self.last = f"{above}sign"
        elif kind == "larq":  # sign(sign(x) + 0.1)
            self.add("Sign")
            self.add("Add", f(0.1))
            self.add("Sign")
        elif kind == "cast":  # 2 * (x >= 0) - 1
            self.add("GreaterOrEqual", f(0))
            self.add("Cast", to=onnx.TensorProto.FLOAT)
            self.add("Mul", f(2))
            self.add("Sub", f(1))
        else:
            self.add("Sign")
        return self.last

    def norm(self, rng: np.random.Generator, channels: int, gamma: Array | None = None) -> str:
        g = rng.uniform(-2, 2, channels) if gamma is None else gamma
        params = [g, rng.normal(size=channels), rng.normal(size=channels), rng.uniform(0.5, 2, channels)]
        return self.add("BatchNormalization", *(p.astype(np.float32) for p in params))

    def model(self, rank: int = 4) -> onnx.ModelProto:
        value = helper.make_tensor_value_info("x", 1, ["N", *self.shape[1:]])
        out = helper.make_tensor_value_info(self.last, 1, ["N", *"CHW"[: rank - 1]])
        tensors = [onnx.numpy_helper.from_array(a, n) for n, a in self.constants.items()]
        graph = helper.make_graph(self.nodes, "net", [value], [out], tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def signs(rng: np.random.Generator, *shape: int) -> Array:
    alpha = rng.uniform(0.02, 0.1, (shape[0], *[1] * (len(shape) - 1)))
    return (rng.choice([-1.0, 1.0], shape) * alpha).astype(np.float32)


@pytest.mark.parametrize("kind", ["where", "larq", "cast", "sign"])
@pytest.mark.parametrize("padding", [1.0, -1.0, 0.0])
def test_bits_between_binary_layers_are_exact(kind: str, padding: float) -> None:
    """conv, batch norm, sign, conv: the thresholds give the float network's signs, gamma < 0 and gamma = 0 included."""
    rng = np.random.default_rng(3)
    net = Net((1, 20, 9, 9))
    for channels, before in ((70, 20), (40, 70)):
        net.sign(kind)
        if padding:
            net.add("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), np.array(padding, np.float32))
        net.add("Conv", signs(rng, channels, before, 3, 3), pads=[0, 0, 0, 0] if padding else [1, 1, 1, 1], kernel_shape=[3, 3])
        gamma = rng.uniform(-2, 2, channels)
        gamma[::7] = 0
        net.norm(rng, channels, gamma)
    x = rng.normal(size=(6, 20, 9, 9)).astype(np.float32)
    converted = convert(net.model(), calibration=x)
    ops = [n.op for n in converted.graph.nodes]
    assert ops == ["bsign", "bconv2d_bits", "bconv2d"], ops
    got, want = Session(converted).run(x), float_run(net.model(), x)
    y = converted.graph.of(converted.outputs[0].tensor)
    assert isinstance(y.scale, float)
    x_sign = np.abs(x) > 0.05  # the input's own rounding may turn signs of smaller values
    assert x_sign.mean() > 0.9
    assert np.median(np.abs(got - want)) <= y.scale


def test_thresholds_are_exact() -> None:
    rng = np.random.default_rng(0)
    for _ in range(2000):
        a, b = float(rng.choice([0.0, *rng.normal(size=4)])), float(rng.normal() * 10 ** rng.uniform(-3, 3))
        threshold, flip = least(a, b)
        for s in {-1000, -1, 0, 1, 1000, threshold - 1, threshold, threshold + 1}:
            if abs(s) < 2**31:
                assert ((s >= threshold) != bool(flip)) == (Fraction(a) * s + Fraction(b) >= 0), (a, b, s)


def test_counting_equals_the_integer_product() -> None:
    """(L2.1) is the convolution of +-1 integers."""
    rng = np.random.default_rng(1)
    for channels, pad_value in ((64, 1), (65, -1), (13, 0)):
        x, w = rng.choice([-1, 1], (2, 6, 7, channels)), rng.choice([-1, 1], (5, 3, 3, channels))
        pads = (1, 2, 1, 0)
        got = ref_lowbit._binary_sums(ref_lowbit._pack(x > 0), ref_lowbit._pack(w > 0), channels, (2, 1), (1, 2), pads, pad_value)
        big = np.pad(x, ((0, 0), (1, 1), (2, 0), (0, 0)), constant_values=pad_value)
        want = sum(big[:, i : i + 5 : 2, 2 * j : 2 * j + got.shape[2]][:, : got.shape[1]] @ w[:, i, j].T for i in range(3) for j in range(3))
        np.testing.assert_array_equal(got, want)


def test_xnor_net_with_norm_before_the_sign_and_linear_layers() -> None:
    """Batch norm, sign, product, with Hardtanh and a flattened linear layer."""
    rng = np.random.default_rng(5)
    net = Net((1, 8, 4, 4))
    net.norm(rng, 8)
    net.sign("where")
    net.add("Conv", signs(rng, 64, 8, 3, 3), pads=[1, 1, 1, 1], kernel_shape=[3, 3])
    net.norm(rng, 64)
    net.add("Clip", np.array(-1, np.float32), np.array(1, np.float32))
    net.add("Flatten")
    net.sign("where")
    net.add("Gemm", signs(rng, 30, 1024), transB=1)
    net.norm(rng, 30)
    net.sign("where")
    net.add("Gemm", signs(rng, 10, 30), rng.normal(size=10).astype(np.float32), transB=1)
    x = rng.normal(size=(64, 8, 4, 4)).astype(np.float32)
    converted = convert(net.model(2), calibration=x)
    ops = [n.op for n in converted.graph.nodes]
    assert ops.count("bconv2d") + ops.count("bconv2d_bits") == 3, ops
    assert "conv2d" not in ops
    assert "dense" not in ops
    got, want = Session(converted).run(x), float_run(net.model(2), x)
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.8


def test_shared_network(tmp_path: Path) -> None:
    """Accuracy within half a point of float, popcount kernels on every binary layer, a file of at most 1/20, one answer everywhere."""
    source = shared.model("bnn_cifar10.onnx")
    x, labels = shared.cifar_normalized()
    model = convert(source, calibration=shared.cifar_normalized("calib")[0][:128])
    model.save(tmp_path / "bnn.intq")
    assert (tmp_path / "bnn.intq").stat().st_size * 20 <= source.stat().st_size
    wide = [n.op for n in model.graph.nodes if n.op == "bconv2d"]
    assert len(wide) == 12
    best = next((name for name, (usable, _) in isas().items() if usable and name == "avx512bitalg"), None)
    session = Session(model, batch=8)
    if best:
        kernels = [row.kernel for row in Session(model, isa=best).profile(x[:1]) if row.op == "bconv2d"]  # matrix tiles may be faster still
        assert all("avx512bitalg" in kernel for kernel in kernels), kernels
    got = session.run(x).argmax(axis=1)
    want = np.concatenate([InferenceSession(str(source)).run(None, {"input": x[i : i + 500]})[0] for i in range(0, len(x), 500)]).argmax(axis=1)
    b, c = int(((want == labels) & (got != labels)).sum()), int(((want != labels) & (got == labels)).sum())
    assert b - c <= 0.5 * len(x) / 100 + 1.64 * (b + c) ** 0.5, (b, c)
    assert (got == want).mean() > 0.88
    few = x[:2]
    expected = Session(model, backend="reference").run(few)
    for isa, (usable, _) in isas().items():
        if usable:
            np.testing.assert_array_equal(Session(model, isa=isa).run(few), expected)
