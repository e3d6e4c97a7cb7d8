"""Imported ADD and SUB at the ends of what a file may hold: sums near 2^31, every shift, zero points beyond the clamp."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from intq import Model, Session
from intq.graph import Graph
from intq.kernels.table import isas, lib

sys.path.insert(0, str(Path(__file__).parent / "conformance"))
from generate import one_node

ENDS = {"int8": (-128, 127), "int16": (-32768, 32767)}


def model(dtype: str, sign: int, m: int, shift: int, zero_point: int, y_zero_point: int) -> Model:
    lo, hi = ENDS[dtype]
    left = 22 if dtype == "int8" else 15 if zero_point == 0 else 14
    g = Graph("sums")
    for name in "ab":
        other = {lo: hi, hi: lo, 0: 0}[zero_point]  # the sign of the second operand's differences turns, so that they add up
        g.tensor(name, (1, 45), dtype, zero_point=zero_point if name == "a" or sign > 0 else other)
    attrs = {"left": left, "m1": m, "s1": 0, "m2": m, "s2": 0, "multiplier": 2**31 - 1, "shift": shift, "sign": sign, "lo": lo, "hi": hi}
    return Model(one_node(g, "tfl_add", attrs, ["a", "b"], (1, 45), dtype, zero_point=y_zero_point))


@pytest.mark.skipif(lib is None, reason="needs the compiled extension")
@pytest.mark.parametrize("dtype", ENDS)
@pytest.mark.parametrize("shift", [0, -1, -2, -24, -25, -30, -31, 1])
def test_largest_sums(dtype: str, shift: int) -> None:
    lo, hi = ENDS[dtype]
    rng = np.random.default_rng(31 + shift)
    for m in (2**31 - 1, 2**30, 2**30 + 12345):
        for zero_point in (lo, hi, 0):
            for sign in (1, -1):
                for y_zero_point in (lo, hi):
                    network = model(dtype, sign, m, shift, zero_point, y_zero_point)
                    x = {n: rng.choice([lo, lo + 1, -1, 0, 1, hi - 1, hi], (1, 45)).astype(dtype) for n in "ab"}
                    want = Session(network, backend="reference").run_quantized(x)
                    for isa in (name for name, (usable, _) in isas().items() if usable):
                        got = Session(network, isa=isa).run_quantized(x)
                        assert np.array_equal(got, want), (isa, m, zero_point, sign, y_zero_point)
