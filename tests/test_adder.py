"""AdderNet convolutions: every row equals the reference, and the bound holds at its ends."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from intq import FormatError, Model, Session
from intq.graph import Graph
from intq.kernels.fixed_point import requantize_params
from intq.kernels.table import isas, lib

sys.path.insert(0, str(Path(__file__).parent / "conformance"))
from generate import one_node, out_size

CASES = [  # h, w, channels, outputs, kernel, stride, dilation, pads
    (1, 1, 5, 7, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0)),
    (9, 7, 64, 33, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
    (10, 11, 30, 66, (3, 2), (2, 1), (1, 2), (2, 0, 1, 1)),
]


def graph(case: tuple, rounding: str, seed: int = 0, w_zero_point: int | None = None) -> Graph:
    h, width, c, o, kernel, stride, dilation, pads = case
    rng = np.random.default_rng(seed)
    zero_point = int(rng.choice([-128, 127, 3]))
    g = Graph("adder")
    g.tensor("x", (1, h, width, c), zero_point=zero_point)
    w = rng.integers(-128, 128, (o, *kernel, c)).astype(np.int8)
    w[0], w[-1] = -128, 127
    g.constant("w", w, zero_point=zero_point if w_zero_point is None else w_zero_point)
    span = 85 * w[0].size
    g.constant("bias", rng.integers(span - span // 4, span + span // 4, o).astype(np.int32))
    scale = 200 / span
    multiplier, shift = requantize_params(np.full(o, 2.0 ** np.floor(np.log2(scale)) if rounding == "shift" else scale), rounding)
    g.constant("multiplier", multiplier)
    g.constant("shift", shift)
    a = {"stride": stride, "dilation": dilation, "pads": pads}
    shape = (1, *out_size(h, width, {**a, "kernel": kernel}), o)
    return one_node(g, "adder2d", {**a, "rounding": rounding}, ["x", "w", "bias", "multiplier", "shift"], shape, zero_point=-5)


@pytest.mark.parametrize("rounding", ["q15", "shift", "q31_single", "q31_double"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_equal_the_reference(case: tuple, rounding: str) -> None:
    model = Model(graph(case, rounding))
    rng = np.random.default_rng(1)
    for x in (rng.integers(-128, 128, (3, *case[:3]), dtype=np.int8), np.full((3, *case[:3]), -128, np.int8)):
        want = Session(model, backend="reference", batch=3).run_quantized(x)
        assert len(np.unique(want)) > 1 or x.min() == x.max()
        for isa in [name for name, (usable, _) in isas().items() if usable and lib is not None]:
            for threads, batch in ((1, 3), (2, 1)):
                np.testing.assert_array_equal(Session(model, isa=isa, threads=threads, batch=batch).run_quantized(x), want)
        if rounding == "q15":
            pytest.importorskip("numba")
            np.testing.assert_array_equal(Session(model, backend="numba", batch=3).run_quantized(x), want)


def test_zero_points_must_agree() -> None:
    with pytest.raises(FormatError, match="zero points"):
        Model(graph(CASES[0], "q15", w_zero_point=9))


def test_bound_is_reached() -> None:
    model = Model(graph(CASES[0], "q15"))
    bias = model.graph.constants["bias"].astype(np.int64)
    found = model.bounds["adder2d_0" if "adder2d_0" in model.bounds else next(iter(model.bounds))]
    assert found[0].lo == bias[0] - 255 * 5
