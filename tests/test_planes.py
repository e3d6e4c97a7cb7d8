"""Products by bit planes: the identity, the proof of levels, and every kernel against the reference."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from intq import Model, Session, choose
from intq.graph import Graph, Port
from intq.kernels.fixed_point import requantize_params
from intq.kernels.table import isas, lib
from intq.ops import REGISTRY
from intq.ops.levels import levels
from intq.ops.planes import grid, span

Array = np.ndarray[Any, Any]
USABLE = [name for name, (usable, _) in isas().items() if usable]
GRIDS = [(-1, 1), (-127, 127), (0, 1), (-1, 0, 1), (-3, -1, 1, 3), (-2, -1, 0, 1), (5, 7, 9)]
CASES = [  # h, w, channels, outputs, kernel, stride, dilation, pads
    (1, 1, 32, 7, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (9, 13, 64, 70, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (9, 7, 40, 33, (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    (10, 11, 65, 64, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (9, 9, 128, 17, (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
    (12, 8, 100, 130, (3, 2), (1, 2), (2, 1), (2, 0, 1, 1)),
]


def plane_sums(u: np.ndarray, c: Array) -> np.ndarray:
    """The popcounts of (L6.1): u[M, K] >= 0 and c[O, K] >= 0 -> [M, O], the sum over bits m, k of 2^(m+k) * popcount(U_m & C_k)."""
    acc = np.zeros((len(u), len(c)), np.int64)
    for m in range(int(u.max(initial=0)).bit_length()):
        for k in range(int(c.max(initial=0)).bit_length()):
            acc += ((u >> m & 1)[:, None, :] & (c >> k & 1)).sum(axis=-1) << (m + k)
    return acc


def test_planes_equal_the_integer_product() -> None:
    """(L6.1), signed and unsigned levels and weights."""
    rng = np.random.default_rng(0)
    for a, w, x_low, w_low, step in itertools.product((1, 2, 3, 4), (1, 2, 3), (-5, 0, 2), (-3, 0, 4), (1, 2, 254)):
        u, c = rng.integers(0, 2**a, (5, 70)), rng.integers(0, 2**w, (6, 70))
        zx, x, v = int(rng.integers(-8, 8)), x_low + u, w_low + step * c
        sums = step * plane_sums(u, c) + w_low * u.sum(axis=1)[:, None] + (x_low - zx) * v.sum(axis=1)
        np.testing.assert_array_equal(sums, (x - zx) @ v.T)


def test_grids() -> None:
    assert grid(np.array([-3, 1, 3, -1], np.int8)) == (-3, 2, 2)
    assert grid(np.array([-127, 127], np.int8)) == (-127, 254, 1)
    assert grid(np.array([-128, 127], np.int8)) == (-128, 255, 1)
    assert grid(np.array([-1, 0, 1], np.int8)) == (-1, 1, 2)
    for none in ([4, 4], [-127, -42, 42, 127], [0, 1, 2, 3, 4]):
        assert grid(np.array(none, np.int8)) is None


def network(rng: np.random.Generator, case: tuple[Any, ...], values: tuple[int, ...], a: int, low: int, zero_point: int, how: str) -> Graph:
    """Something that leaves levels low .. low + 2^a - 1, then a convolution with weights of a few values (`how`: a clamp or a table)."""
    h, width, c, o, kernel, stride, dilation, pads = case
    g = Graph("planes")
    g.tensor("x", (1, h, width, c), zero_point=zero_point if how == "clamp" else 0)
    g.tensor("u", (1, h, width, c), zero_point=zero_point)
    if how == "table":
        table = rng.integers(low, low + 2**a, 256).astype(np.int8)
        table[:2] = low, low + 2**a - 1
        g.node(REGISTRY["lut8"](), ["x", g.constant("table", table)], ["u"])
    else:
        g.node(REGISTRY["max_pool"](kernel=(1, 1), stride=(1, 1), pads=(0, 0, 0, 0), lo=low, hi=low + 2**a - 1), ["x"], ["u"])
    w = rng.choice(np.array(values, np.int8), (o, *kernel, c))
    w.reshape(-1)[: len(values)] = values
    g.constant("w", w)
    g.constant("bias", rng.integers(-500, 500, o).astype(np.int32))
    rounding = ("q15", "q31_single", "q31_double")[int(rng.integers(3))]
    reach = np.abs(w.astype(np.int64)).reshape(o, -1).sum(axis=1) * (2**a + abs(low - zero_point)) + 600
    multiplier, shift = requantize_params(500 / reach, rounding)
    g.constant("multiplier", multiplier)
    g.constant("shift", shift)
    size = tuple((d + pads[i] + pads[i + 2] - (kernel[i] - 1) * dilation[i] - 1) // stride[i] + 1 for i, d in enumerate((h, width)))
    g.tensor("y", (1, *size, o), zero_point=-5)
    g.node(REGISTRY["conv2d"](stride=stride, dilation=dilation, pads=pads, rounding=rounding), ["u", "w", "bias", "multiplier", "shift"], ["y"])
    g.inputs = [Port(name="x", tensor="x", shape=g.of("x").shape, perm=(0, 1, 2, 3))]
    g.outputs = [Port(name="y", tensor="y", shape=g.of("y").shape, perm=(0, 1, 2, 3))]
    return g


def test_levels_are_proven() -> None:
    rng = np.random.default_rng(0)
    g = network(rng, CASES[0], (-1, 1), 2, 3, 0, "table")
    assert levels(g, "x") == (-128, 127)
    assert levels(g, "u") == (3, 6)
    assert span(g, "u", False) == (3, 2)
    assert span(g, "u", True) == (0, 3)  # the padding is a level too
    assert levels(network(rng, CASES[0], (-1, 1), 3, -4, 0, "clamp"), "u") == (-4, 3)


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
@pytest.mark.parametrize("isa", USABLE)
def test_plane_kernels_equal_the_reference(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "PREFER", ["bit planes"])
    rng = np.random.default_rng(1)
    for number, (case, values) in enumerate(itertools.product(CASES, GRIDS)):
        a, low = (1, 2, 2)[number % 3] if len(values) > 2 else number % 4 + 1, (0, -2, 5)[number % 3]
        zero_point = low if number % 2 else low + 2**a - 1
        model = Model(network(rng, case, values, a, low, zero_point, "table" if number % 2 else "clamp"))
        x = rng.integers(-128, 128, (3, *case[:3]), dtype=np.int8)
        want = Session(model, backend="reference", batch=3).run_quantized(x)
        for threads, batch in ((1, 3), (2, 1)):
            session = Session(model, isa=isa, threads=threads, batch=batch)
            assert any("planes_any" in kernel for _, kernel in session.kernels())
            np.testing.assert_array_equal(session.run_quantized(x), want, err_msg=f"{case} {values} a{a}")


def test_numba_planes_equal_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    from intq.kernels.planes import numba as bit_planes

    taken, rng = [], np.random.default_rng(1)
    real = bit_planes.accumulate
    monkeypatch.setattr(bit_planes, "PAIRS", 4)
    monkeypatch.setattr(bit_planes, "accumulate", lambda *a: taken.append(a) or real(*a))
    for number, (case, values) in enumerate(itertools.product(CASES, GRIDS)):
        a, low = (1, 2, 2)[number % 3] if len(values) > 2 else number % 4 + 1, (0, -2, 5)[number % 3]
        model = Model(network(rng, case, values, a, low, low if number % 2 else low + 2**a - 1, "table" if number % 2 else "clamp"))
        x = rng.integers(-128, 128, (3, *case[:3]), dtype=np.int8)
        got, want = (Session(model, backend=backend, batch=3).run_quantized(x) for backend in ("numba", "reference"))
        np.testing.assert_array_equal(got, want, err_msg=f"{case} {values} a{a}")
    assert len(taken) == len(CASES) * len(GRIDS)


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
def test_dense_layers_and_the_choice() -> None:
    rng = np.random.default_rng(2)
    case = (1, 1, 512, 300, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0))
    session = Session(Model(network(rng, case, (-1, 1), 2, 0, 0, "clamp")))
    assert any("bit planes w1a2" in text for text in session.choices.values()), session.choices
