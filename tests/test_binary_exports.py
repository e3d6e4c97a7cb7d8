"""Signs as frameworks spell them, and what stands between binary layers: the integer network decides as the float one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.helper as h
import pytest
from intq import Session
from intq.converter import convert
from intq.kernels.table import lib
from onnx_cases import build
from onnxruntime import InferenceSession

Array = np.ndarray[Any, Any]
SPELLINGS = ("sign", "ones_like", "greater", "greater_where", "compare", "larq", "clip", "bireal")
C = 64


def spelled(kind: str, x: str, y: str) -> list[Any]:
    """Nodes of y = sign(x); the constants are those of `numbers`."""

    def n(op: str, *inputs: str, out: str = "", **attrs: Any) -> Any:
        return h.make_node(op, [f"{y}_{i[1:]}" if i.startswith("~") else i for i in inputs], [f"{y}_{out}" if out else y], **attrs)

    if kind == "sign":
        return [n("Sign", x)]
    if kind == "ones_like":  # torch.where(x >= 0, torch.ones_like(x), -torch.ones_like(x))
        one = h.make_tensor("one", 1, [1], [1.0])
        return [n("GreaterOrEqual", x, "zero", out="a"), n("Shape", x, out="s"), n("ConstantOfShape", "~s", out="o", value=one),
                n("Neg", "~o", out="m"), n("Where", "~a", "~o", "~m")]  # fmt: skip
    if kind == "greater":  # 2 * (x > 0).float() - 1
        return [n("Greater", x, "zero", out="a"), n("Cast", "~a", out="f", to=1), n("Mul", "~f", "two", out="t"), n("Sub", "~t", "one")]
    if kind == "greater_where":
        return [n("Greater", x, "zero", out="a"), n("Where", "~a", "one", "minus")]
    if kind == "compare":
        return [n("GreaterOrEqual", x, "zero", out="a"), n("Cast", "~a", out="f", to=1), n("Mul", "~f", "two", out="t"), n("Sub", "~t", "one")]
    if kind == "larq":
        return [n("Sign", x, out="a"), n("Add", "~a", "tenth", out="b"), n("Sign", "~b")]
    if kind == "clip":  # the straight-through estimator, left in
        return [n("Clip", x, "minus", "one", out="c"), n("Sign", x, out="a"), n("Sub", "~a", "~c", out="d"), n("Add", "~d", "~c")]
    # an estimator of another shape, Bi-Real Net's for one, leaves rounding errors around +-1 behind
    square = [n("Clip", x, "minus", "one", out="c"), n("Mul", "~c", "~c", out="q")]
    return [n("Sign", x, out="a"), *square, n("Sub", "~a", "~q", out="d"), n("Add", "~d", "~q")]


def numbers() -> dict[str, Array]:
    return {k: np.array(v, np.float32) for k, v in {"zero": 0, "one": 1, "two": 2, "minus": -1, "tenth": 0.1}.items()}


def on_the_grid(rng: np.random.Generator, *shape: int) -> Array:
    """Inputs that int8 holds exactly, of which none is 0."""
    k = rng.integers(-128, 128, shape)
    return (np.where(k == 0, 1, k) / 127).astype(np.float32)


def floats(proto: Any, x: Array) -> Array:
    return np.asarray(InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0])


def signs(rng: np.random.Generator, *shape: int) -> Array:
    return (rng.choice([-1, 1], shape) * rng.uniform(0.01, 0.1, (shape[0], 1, 1, 1))).astype(np.float32)


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
@pytest.mark.parametrize("kind", SPELLINGS)
def test_spellings_of_sign_count_bits(kind: str) -> None:
    """Two binary convolutions, then a sign: all bits are the float network's."""
    rng = np.random.default_rng(1)
    nodes = [*spelled(kind, "x", "s0"), h.make_node("Conv", ["s0", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1]),
             *spelled(kind, "c0", "s1"), h.make_node("Conv", ["s1", "w1", "b1"], ["y"], pads=[1, 1, 1, 1])]  # fmt: skip
    bias = {name: rng.normal(0, 0.2, C).astype(np.float32) for name in ("b0", "b1")}
    proto = build(nodes, {"x": ("N", C, 6, 6)}, ["y"], 17, w0=signs(rng, C, C, 3, 3), w1=signs(rng, C, C, 3, 3), **bias, **numbers())
    x = on_the_grid(rng, 8, C, 6, 6)
    session = Session(convert(proto, calibration=x))
    want, got = floats(proto, x), session.run(x)
    assert sum("bconv2d" in kernel for _, kernel in session.kernels()) == 2, session.kernels()
    assert np.abs(got - want).max() < np.abs(want).max() / 100  # half a step of int8; a wrong bit is 2 alpha


@pytest.mark.parametrize("kind", ["sign", "greater"])
def test_what_zero_is(kind: str) -> None:
    """x >= 0 is +1 where the source says so (or nothing, as Sign does); x > 0 keeps -1 at 0."""
    rng = np.random.default_rng(2)
    w = signs(rng, C, C, 1, 1)
    proto = build([*spelled(kind, "x", "s"), h.make_node("Conv", ["s", "w"], ["y"])], {"x": ("N", C, 4, 4)}, ["y"], 17, w=w, **numbers())
    x = (rng.integers(-1, 2, (8, C, 4, 4)) / 1).astype(np.float32)
    want = np.einsum("oc,nchw->nohw", w[:, :, 0, 0], np.where(x > 0, 1, -1) if kind == "greater" else np.where(x >= 0, 1, -1))
    assert np.abs(Session(convert(proto, calibration=x)).run(x) - want).max() < np.abs(want).max() / 100


@pytest.mark.parametrize("groups", [4, C])
def test_signs_before_grouped_layers_are_exact(groups: int) -> None:
    """They are tables of int8 values, which the layer before rounds so that every sign survives."""
    rng = np.random.default_rng(3)
    conv = h.make_node("Conv", ["s0", "w0", "b0"], ["c0"], pads=[1, 1, 1, 1], group=groups)
    nodes = [*spelled("sign", "x", "s0"), conv, *spelled("sign", "c0", "s1"), h.make_node("Conv", ["s1", "w1"], ["y"], group=C)]
    b0, w1 = rng.normal(0, 0.05, C).astype(np.float32), np.ones((C, 1, 1, 1), np.float32)
    proto = build(nodes, {"x": ("N", C, 8, 8)}, ["y"], 17, w0=signs(rng, C, C // groups, 3, 3), b0=b0, w1=w1, **numbers())
    x = on_the_grid(rng, 16, C, 8, 8)
    np.testing.assert_array_equal(np.sign(Session(convert(proto, calibration=x)).run(x)), floats(proto, x))


@pytest.mark.parametrize("levels", [1, 3])
def test_few_levels_are_the_floats_own(levels: int) -> None:
    """q15 would round one value in some hundred to the other side."""
    rng = np.random.default_rng(4)
    nodes = [h.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1, 1, 1, 1]), h.make_node("Clip", ["c", "zero", "one"], ["d"]),
             h.make_node("Mul", ["d", "n"], ["e"]), h.make_node("Round", ["e"], ["r"]), h.make_node("Div", ["r", "n"], ["q"]),
             h.make_node("Conv", ["q", "one1"], ["y"], group=C)]  # fmt: skip
    constants = {"w": signs(rng, C, C, 3, 3), "b": rng.normal(0.3, 0.4, C).astype(np.float32), "n": np.array(levels, np.float32)}
    proto = build(nodes, {"x": ("N", C, 8, 8)}, ["y"], 17, one1=np.ones((C, 1, 1, 1), np.float32), **constants, **numbers())
    x = on_the_grid(rng, 16, C, 8, 8)
    got, want = Session(convert(proto, calibration=x)).run(x), floats(proto, x)
    assert (np.abs(got - want) > 0.4 / levels).mean() < 2e-4


def test_prelu_on_a_residual_stream() -> None:
    """What narrows the stream for it is read inside of expressions, too."""
    rng = np.random.default_rng(5)
    nodes, x = [], "x"
    for i in range(2):
        nodes += [*spelled("sign", x, f"s{i}"), h.make_node("Conv", [f"s{i}", f"w{i}"], [f"c{i}"], pads=[1, 1, 1, 1]),
                  h.make_node("Add", [f"c{i}", x], [f"a{i}"]), h.make_node("PRelu", [f"a{i}", "slope"], ["y" if i else "p0"])]  # fmt: skip
        x = "p0"
    slope = rng.uniform(0.1, 0.4, (C, 1, 1)).astype(np.float32)
    proto = build(nodes, {"x": ("N", C, 6, 6)}, ["y"], 17, w0=signs(rng, C, C, 3, 3), w1=signs(rng, C, C, 3, 3), slope=slope, **numbers())
    data = on_the_grid(rng, 16, C, 6, 6)
    got, want = Session(convert(proto, calibration=data)).run(data), floats(proto, data)
    assert np.corrcoef(got.ravel(), want.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("shape", [(5, 64), (2, 3, 64), (64,)])
@pytest.mark.parametrize("twice", [False, True])
def test_linear_layers_over_tokens_count_bits(shape: tuple[int, ...], twice: bool) -> None:
    rng = np.random.default_rng(3)

    def signs(*size: int) -> Array:
        return np.where(rng.random(size) < 0.5, -1, 1).astype(np.float32)

    nodes = [h.make_node("Sign", ["x"], ["s"]), h.make_node("MatMul", ["s", "w"], ["m"]), h.make_node("Add", ["m", "b"], ["a"])]
    nodes += [h.make_node("Sign", ["a"], ["t"]), h.make_node("MatMul", ["t", "v"], ["y"])] if twice else [h.make_node("Identity", ["a"], ["y"])]
    constants = {"w": signs(64, 48) * 0.5, "b": rng.choice([-0.25, 0.25], 48).astype(np.float32), **({"v": signs(48, 20)} if twice else {})}
    proto = build(nodes, {"x": ("N", *shape)}, ["y"], 17, **constants)
    x = signs(32, *shape) * rng.uniform(0.5, 1, (32, *shape)).astype(np.float32)
    model = convert(proto, calibration=x)
    ops = [node.op for node in model.graph.nodes]
    assert ops.count("bconv2d") + ops.count("bconv2d_bits") == 1 + twice
    assert "dense" not in ops
    want = InferenceSession(proto.SerializeToString()).run(None, {"x": x})[0]
    got = Session(model, backend="reference").run(x)
    step = model.graph.of(model.graph.outputs[0].tensor).scale
    assert np.abs(got - want).max() <= 1.01 * step
    if lib is not None:
        np.testing.assert_array_equal(Session(model, batch=4).run(x), got)
