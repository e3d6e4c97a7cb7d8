"""Convolutions write their channels of a concatenation themselves: the same bytes as the reference, and no copy where none is needed."""

from typing import Any

import numpy as np
import pytest
from intq import Model, Session, choose
from intq.graph import Graph, Port
from intq.kernel_api import isas, lib
from intq.kernels.fixed_point import requantize_params
from intq.ops import REGISTRY

pytestmark = pytest.mark.skipif(lib is None, reason="needs the compiled extension")
SHAPE = (1, 9, 10, 24)


def product(g: Graph, rng: Any, x: str, y: str, channels: int, size: int) -> None:
    """Node `y`: a convolution of x with a square kernel that keeps height and width."""
    n, h, w, c = g.tensors[x].shape
    weights = rng.integers(-127, 128, (channels, size, size, c), dtype=np.int8)
    multiplier, shift = requantize_params(np.full(channels, 40 / (size * size * c * 3000)), "q15")
    g.tensor(y, (n, h, w, channels), zero_point=-5)
    inputs = [x, g.constant(f"{y}.w", weights), g.constant(f"{y}.b", rng.integers(-9000, 9000, channels).astype(np.int32)),
              g.constant(f"{y}.m", multiplier), g.constant(f"{y}.s", shift)]  # fmt: skip
    g.node(REGISTRY["conv2d"](pads=(size // 2,) * 4), inputs, [y], name=y)


def graph(kind: str) -> tuple[Graph, int]:
    """A network with a concatenation, and how many parts of it must be copied."""
    rng, g = np.random.default_rng(4), Graph("parts")
    g.tensor("x", SHAPE, zero_point=3)
    product(g, rng, "x", "a", 33, 1)
    product(g, rng, "x", "b", 16, 3)
    parts, axis, copied = ["a", "b"], 3, 0
    if kind == "rows":
        product(g, rng, "x", "c", 33, 3)
        parts, axis = ["a", "c"], 1
    if kind == "input":
        parts, copied = ["x", "a", "b"], 1
    if kind == "twice":
        parts, copied = ["a", "b", "b"], 2
    if kind == "read elsewhere":
        product(g, rng, "a", "c", 7, 1)
        parts, copied = ["a", "b", "c"], 1
    if kind == "residual":
        product(g, rng, "x", "c", 16, 1)
        g.tensor("sum", (*SHAPE[:3], 16), zero_point=-5)
        g.node(REGISTRY["add"](m1=12000, m2=9000, shift=14), ["b", "c"], ["sum"], name="sum")
        parts, copied = ["a", "sum"], 1
    shapes = [g.tensors[p].shape for p in parts]
    out = tuple(sum(s[i] for s in shapes) if i == axis else SHAPE[i] if i < 3 else shapes[0][3] for i in range(4))
    g.tensor("y", out, zero_point=-5)
    g.node(REGISTRY["concat"](axis=axis), parts, ["y"], name="join")
    ends = {"y": out}
    if kind == "read later":
        product(g, rng, "y", "z", 20, 3)
        ends = {"z": g.tensors["z"].shape}
    if kind == "an output too":
        ends["b"], copied = g.tensors["b"].shape, 1
    g.inputs = [Port(name="x", tensor="x", shape=SHAPE, perm=(0, 1, 2, 3))]
    g.outputs = [Port(name=n, tensor=n, shape=s, perm=(0, 1, 2, 3)) for n, s in ends.items()]
    return g, copied


@pytest.mark.parametrize("isa", [name for name, (usable, _) in isas().items() if usable])
@pytest.mark.parametrize("kind", ["plain", "rows", "input", "twice", "read elsewhere", "residual", "read later", "an output too"])
def test_parts_are_written_where_they_belong(kind: str, isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "PREFER", ["dense"])  # not several pixels as one: those leave no gaps
    network, copied = graph(kind)
    model = Model(network)
    x = np.random.default_rng(1).integers(-128, 128, (3, *SHAPE[1:]), dtype=np.int8)
    want = Session(model, backend="reference", batch=1).run_quantized(x)
    for batch, threads in ((1, 1), (3, 2)):
        if batch > 1 and kind == "rows":
            copied = 2  # the rows of a sample are no longer one piece of memory
        session = Session(model, isa=isa, batch=batch, threads=threads)
        assert [step.row.op for step in session.engine.plan.steps].count("copy") == copied
        got = session.run_quantized(x)
        for name in want if isinstance(want, dict) else ("y",):
            one, two = (r[name] if isinstance(r, dict) else r for r in (got, want))
            np.testing.assert_array_equal(one, two, err_msg=f"{name}, batch {batch}")
