"""Generated graphs of one op give the same bytes on every backend, instruction set, thread count and batch split.

200 per op by default, INTQ_CASES of them otherwise; `make conformance` runs more than 20,000 in all.
A failure names the family and the seed: `check("conv2d", 17)` repeats it.
"""

from __future__ import annotations

import importlib.util
import os

import lowbit
import numpy as np
import pytest
from generate import FAMILIES as GENERAL
from generate import case
from intq import Model, Session
from intq.kernels.table import isas, lib

CASES = int(os.environ["INTQ_CASES"]) if os.environ.get("INTQ_CASES", "").isdigit() else 200
FAMILIES = {**GENERAL, **lowbit.FAMILIES}
PARTS, PER_PART = 8, 160  # more than 17 ops x 8 x 160 = 21,760
USABLE = [name for name, (usable, _) in isas().items() if usable]
HAVE_NUMBA = importlib.util.find_spec("numba") is not None


def check(family: str, seed: int) -> None:
    graph, inputs = case(family, seed, GENERAL if family in GENERAL else lowbit.FAMILIES)
    model = Model.from_bytes(Model(graph).to_bytes()) if seed % 4 == 0 else Model(graph)
    x = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    expected = Session(model, backend="reference", batch=3).run_quantized(x)

    def same(session: Session, what: str) -> None:
        got = session.run_quantized(x)
        assert got.dtype == expected.dtype, f"{family} {seed}: {what}"
        assert np.array_equal(got, expected), (
            f"{family} seed {seed}, {what}, kernels {session.kernels()}: {np.count_nonzero(got != expected)} of {got.size} differ\n{model.describe()}"
        )

    if HAVE_NUMBA:
        same(Session(model, backend="numba", batch=2), "numba")
    for i, isa in enumerate(USABLE if lib is not None else []):
        for threads in (1, 2):
            batch = (seed + i + threads) % 3 + 1
            same(Session(model, backend="native", isa=isa, threads=threads, batch=batch), f"{isa}, {threads} threads, batches of {batch}")


@pytest.mark.parametrize("family", FAMILIES)
def test_generated(family: str) -> None:
    for seed in range(CASES):
        check(family, seed)


@pytest.mark.conformance
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("family", FAMILIES)
def test_conformance(family: str, part: int) -> None:
    for seed in range(part * PER_PART, (part + 1) * PER_PART):
        check(family, 100_000 + seed)


def test_full_counts() -> None:
    assert len(FAMILIES) * PARTS * PER_PART >= 20_000
