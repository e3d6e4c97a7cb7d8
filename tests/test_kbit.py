"""Networks of k bits (DoReFa-Net, PACT, BWN): recognised as frameworks export them, their integers exact, run by bit planes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
from intq import Session, choose
from intq.converter import convert, pipeline
from intq.converter.grid import grid_steps
from intq.kernels.table import lib
from onnx_cases import build
from onnxruntime import InferenceSession

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(6)


def f(value: float) -> Array:
    return np.array(value, np.float32)


def weights(*shape: int, bits: int) -> Array:
    """DoReFa's, equation 9; one bit is a sign with a factor."""
    raw = np.tanh(RNG.normal(size=shape))
    if bits == 1:
        return (np.where(raw >= 0, 1, -1) * np.abs(raw).mean()).astype(np.float32)
    n = 2**bits - 1
    return (2 * np.rint((raw / (2 * np.abs(raw).max()) + 0.5) * n) / n - 1).astype(np.float32)


def quantizer(name: str, x: str, y: str, top: float, levels: int, kind: str) -> tuple[list[Any], dict[str, Array]]:
    """clip(x, 0, top) to multiples of top / levels, as different exporters write it."""
    values = {"lo": 0, "hi": top, "n": levels / top, "s": top / levels, "l": levels, "t": top}
    constants = {f"{name}{key}": f(value) for key, value in values.items()}
    nodes = [h.make_node("Clip", [x, f"{name}lo", f"{name}hi"], [f"{name}c"])]
    if kind == "mul-round-div":
        nodes += [h.make_node("Mul", [f"{name}c", f"{name}n"], [f"{name}m"]), h.make_node("Round", [f"{name}m"], [f"{name}r"]),
                  h.make_node("Div", [f"{name}r", f"{name}n"], [y])]  # fmt: skip
    else:  # PACT: round(clip / alpha * n) * alpha / n
        nodes += [h.make_node("Div", [f"{name}c", f"{name}t"], [f"{name}m"]), h.make_node("Mul", [f"{name}m", f"{name}l"], [f"{name}q"]),
                  h.make_node("Round", [f"{name}q"], [f"{name}r"]), h.make_node("Mul", [f"{name}r", f"{name}s"], [y])]  # fmt: skip
    return nodes, constants


def network(w: int, a: int, kind: str, top: float = 1.0, pool: bool = False) -> Any:
    """A layer of 8 bits, then three of few, with batch norm, a maximum and a linear layer between."""
    constants: dict[str, Array] = {"w0": RNG.normal(size=(40, 3, 3, 3)).astype(np.float32) / 5}
    nodes = [h.make_node("Conv", ["x", "w0"], ["c0"], name="first", pads=[1, 1, 1, 1])]
    last, before = "c0", 40
    for i, channels in enumerate((64, 48), 1):
        if pool and i == 2:
            nodes.append(h.make_node("MaxPool", [last], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]))
            last = "pooled"
        made, more = quantizer(f"q{i}", last, f"a{i}", top, 2**a - 1, kind)
        norm = {f"{key}{i}": RNG.uniform(0.5, 1.5, channels).astype(np.float32) for key in ("g", "v")}
        norm |= {f"{key}{i}": (RNG.normal(size=channels) / 3).astype(np.float32) for key in ("b", "m")}
        constants |= more | norm | {f"w{i}": weights(channels, before, 3, 3, bits=w) / np.float32(np.sqrt(before))}
        nodes += [*made, h.make_node("Conv", [f"a{i}", f"w{i}"], [f"c{i}"], name=f"conv{i}", pads=[1, 1, 1, 1]),
                  h.make_node("BatchNormalization", [f"c{i}", f"g{i}", f"b{i}", f"m{i}", f"v{i}"], [f"n{i}"], name=f"norm{i}")]  # fmt: skip
        last, before = f"n{i}", channels
    made, more = quantizer("q3", last, "a3", top, 2**a - 1, kind)
    size = 4 if pool else 8
    constants |= more | {"w3": weights(10, before * size * size, bits=w), "b3": RNG.normal(size=10).astype(np.float32)}
    nodes += [*made, h.make_node("Flatten", ["a3"], ["flat"]), h.make_node("Gemm", ["flat", "w3", "b3"], ["y"], name="last", transB=1)]
    return build(nodes, {"x": ("N", 3, 8, 8)}, ["y"], 17, **constants)


X = RNG.normal(size=(64, 3, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("kind", ["mul-round-div", "pact"])
@pytest.mark.parametrize(("w", "a"), [(1, 1), (1, 2), (3, 3)])
def test_dorefa(w: int, a: int, kind: str) -> None:
    """Levels and weights are found; no table is left between layers; outputs follow the float network's."""
    top = 1.0 if kind == "mul-round-div" else 2.5
    proto = network(w, a, kind, top, pool=a == 2)
    net, _ = pipeline.prepare(proto, X)
    assert len(net.levels) >= 6, net.levels
    for base in ("fast", "best"):
        model = convert(proto, calibration=X, recipe=base)
        ops = [n.op for n in model.graph.nodes]
        assert "lut8" not in ops, ops
        for node in [n for n in model.graph.nodes if n.op in ("conv2d", "dense")][1:]:
            assert len(np.unique(model.graph.constants[node.inputs[1]])) <= 2**w
            assert model.graph.of(node.inputs[0]).scale == pytest.approx(top / (2**a - 1))
        got, want = Session(model).run(X), np.asarray(InferenceSession(proto.SerializeToString()).run(None, {"x": X})[0])
        assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > (0.96 if a > 1 else 0.7)  # one bit turns small errors into large ones
        np.testing.assert_array_equal(Session(model, backend="reference").run(X[:2]), got[:2])


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
def test_bit_planes_are_a_form_of_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = convert(network(1, 2, "mul-round-div"), calibration=X)
    want = Session(model, backend="reference").run(X[:3])
    monkeypatch.setattr(choose, "PREFER", ["bit planes"])
    session = Session(model)
    kernels = [kernel for _, kernel in session.kernels()]
    assert sum("planes_any" in kernel for kernel in kernels) == 3, kernels
    np.testing.assert_array_equal(session.run(X[:3]), want)


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_the_exact_integers(bits: int) -> None:
    """What a layer of few bits computes is the source's own arithmetic: on inputs without ties its outputs are the float network's levels."""
    n = 2**bits - 1
    w = weights(48, 32, 3, 3, bits=bits)
    first, constants = quantizer("q", "x", "u", 1.0, n, "mul-round-div")
    second, more = quantizer("p", "s", "y0", 1.0, n, "pact")
    nodes = [*first, h.make_node("Conv", ["u", "w"], ["c"], name="c"), h.make_node("Mul", ["c", "k"], ["s"]), *second,
             h.make_node("Mul", ["y0", "one"], ["y"])]  # fmt: skip
    k = (RNG.uniform(0.5, 1.5, (1, 48, 1, 1)) / 3).astype(np.float32)
    proto = build(nodes, {"x": ("N", 32, 6, 6)}, ["y"], 17, w=w, k=k, one=f(1), **constants, **more)
    x = (RNG.integers(0, n + 1, (16, 32, 6, 6)) / n).astype(np.float32)
    model = convert(proto, calibration=x)
    got, want = Session(model).run(x), np.asarray(InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0])
    assert (np.abs(got - want) < 0.02).mean() > 0.97  # the rest are within 2 % of a step from a tie


def test_grids_of_weights() -> None:
    assert grid_steps(weights(8, 64, bits=1)) == 1
    assert grid_steps(weights(8, 640, bits=2)) == 3
    assert grid_steps(RNG.normal(size=(8, 64))) is None
    assert grid_steps(np.ones((4, 3))) is None


def test_torch_export() -> None:
    """Weights that are quantized in the forward pass are constants by the time they are read."""
    torch = pytest.importorskip("torch")

    def to_bits(x: Any, bits: int) -> Any:
        n = 2**bits - 1
        return torch.round(x * n) / n

    class Layer(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, before: int, after: int) -> None:
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(before, after, 3, padding=1, bias=False), torch.nn.BatchNorm2d(after)

        def forward(self, x: Any) -> Any:
            x = to_bits(torch.clamp(x, 0, 1), 2)
            w = torch.tanh(self.conv.weight)
            w = 2 * to_bits(w / (2 * w.abs().max()) + 0.5, 2) - 1
            return self.norm(torch.nn.functional.conv2d(x, w, padding=1))

    torch.manual_seed(0)
    parts = [torch.nn.Conv2d(3, 32, 3, padding=1), Layer(32, 32), Layer(32, 64), torch.nn.Flatten(), torch.nn.Linear(4096, 10)]
    net = torch.nn.Sequential(*parts).eval()
    x = torch.from_numpy(X)
    model = convert(net, calibration=X, example_inputs=(x[:1],))
    convs = [n for n in model.graph.nodes if n.op == "conv2d"]
    assert "lut8" not in [n.op for n in model.graph.nodes]
    assert [len(np.unique(model.graph.constants[n.inputs[1]])) for n in convs[1:]] == [4, 4]
    with torch.no_grad():
        want = net(x).numpy()
    assert np.corrcoef(Session(model).run(X).ravel(), want.ravel())[0, 1] > 0.97
